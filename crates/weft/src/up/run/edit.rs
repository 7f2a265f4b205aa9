//! Edits while the mesh runs: pods come, go and are replaced as a rollout would, or nothing changes at all.
//!
//! An edit says what is wanted; [`rollout`] says, again and again, what the next steps are; here
//! they are taken. What cannot be written down is said, and tried again: it never ends the mesh.

use super::Up;
use super::farewell::Leaving;
use crate::up::plan::{self, Manifests, Plan, Pod};
use crate::up::programs::{app_name, sidecar_name};
use crate::up::ready::{self, Key};
use crate::up::report::{self, Refusal};
use crate::up::rollout::{self, There};
use anyhow::Context;
use std::collections::BTreeSet;
use weft_control::read::{Sources, read_sources};

impl Up {
    /// Reads the files again, and begins with what changed.
    pub(super) fn replan(&mut self) {
        let files = Sources::gather(&self.args.folders);
        let reading = read_sources(&files);
        self.report.reading(&reading, &files);
        if reading.has_errors() {
            self.report.refused(Refusal::Files);
            return;
        }
        if reading.resources == self.resources {
            self.report.as_it_runs();
            return;
        }
        let manifests = Manifests::of(&reading.resources);
        let mut numbers = self.numbers.clone();
        let (base, only, runs) = (self.plan.base, &self.args.only, &self.plan.pods);
        let wanted = match plan::plan(&manifests, base, &mut numbers, only, runs) {
            Ok(plan) => plan,
            Err(error) => {
                self.report.refused(Refusal::Plan(error.to_string()));
                return;
            }
        };
        self.keep_good(&files);
        self.report.plan(&wanted, self.args.verbose);
        (self.resources, self.numbers) = (reading.resources, numbers);
        self.report.taken(&Change::between(runs_on(&self.plan, &self.leaving), &wanted));
        self.plan.notes = wanted.notes;
        self.plan.named = wanted.named;
        self.plan.left_out = wanted.left_out;
        self.plan.podless = wanted.podless;
        let renamed = self.rename();
        self.or_say(renamed);
        self.wanted = wanted.pods;
        self.let_stay();
        self.roll_on();
    }

    /// Takes the next steps to what is wanted.
    pub(super) fn roll_on(&mut self) {
        let there: Vec<There<'_>> = self
            .plan
            .pods
            .iter()
            .map(|pod| {
                let key = ready::key(pod);
                There { pod, ready: self.ready.contains(&key), leaving: self.leaving.contains(&key) }
            })
            .collect();
        let steps = rollout::steps(&self.wanted, &there);
        self.settled = steps.settled;
        let starts: Vec<Pod> = steps.starts.into_iter().filter(|pod| self.prepare(pod)).collect();
        let stops: BTreeSet<Key> = steps.stops.into_iter().collect();
        if starts.is_empty() && stops.is_empty() {
            return;
        }
        for pod in &starts {
            // New pods of a mesh that was ready once take requests only when they are.
            self.plan.pods.push(Pod { ready: !self.state.ready, ..pod.clone() });
        }
        self.plan.pods.sort_by_key(ready::key);
        for pod in self.plan.pods.iter_mut().filter(|pod| stops.contains(&ready::key(pod))) {
            pod.ready = false;
        }
        self.leaving.extend(stops.iter().cloned());
        self.save_plan();
        for pod in &starts {
            let started = self
                .start_stand_in(pod)
                .and_then(|()| self.start_own_app(pod))
                .and_then(|()| self.start_sidecar(pod));
            self.or_say(started);
        }
        stops.into_iter().for_each(|key| self.take_out(key));
    }

    /// What a pod needs before it is in the plan; false if it cannot be had now.
    fn prepare(&mut self, pod: &Pod) -> bool {
        let token = self
            .run
            .as_ref()
            .context("the run directory is gone")
            .and_then(|run| Ok(self.tokens.write(run, pod)?));
        let settled = token.and_then(|()| self.settle(pod));
        self.or_say(settled).is_some()
    }

    /// Stops all processes of a pod, once those who call it have learned of it.
    fn take_out(&mut self, key: Key) {
        let Some(pod) = self.plan.pods.iter().find(|pod| ready::key(pod) == key) else { return };
        let leaving = Leaving {
            app: self.supervisor.release(&[app_name(pod)]),
            sidecar: self.supervisor.release(&[sidecar_name(pod)]),
        };
        let (control, revision, hurry) =
            (self.state.control.clone(), self.plan.revision, self.hurry_farewells.clone());
        self.farewells.spawn(async move {
            leaving.stop(&control, revision, hurry).await;
            key
        });
    }

    /// A pod's last process has ended.
    pub(super) fn gone(&mut self, key: &Key) {
        let pod = self.plan.pods.iter().position(|pod| ready::key(pod) == *key);
        if let Some(pod) = pod.map(|at| self.plan.pods.remove(at)) {
            let name = report::name_of(&self.plan, &pod.namespace, &pod.name);
            crate::say::say!("  {name} is gone");
            self.unsettle(&pod);
            self.groups.remove(&app_name(&pod));
            self.groups.remove(&sidecar_name(&pod));
            self.ends.remove(key);
            // Who comes next under that name is another program.
            self.hope.forget(key);
            // One that comes back under the same name goes on with its logs.
            let comes_back = self.wanted.iter().any(|wanted| ready::key(wanted) == *key);
            if let Some(run) = self.run.as_ref().filter(|_| !comes_back) {
                let _ = std::fs::remove_dir_all(crate::run_directory::pod_folder(run.path(), &pod));
            }
        }
        self.leaving.remove(key);
        self.ready.remove(key);
        self.save_plan();
        self.roll_on();
    }

    /// Lets the control plane know that pods take requests, or do not. Before the mesh was ready once, all of them
    /// count as ready: what starts is waited for, not left out. One that leaves takes none in any case.
    pub(super) fn serves(&mut self, pods: &BTreeSet<Key>, ready: bool) {
        if !self.state.ready {
            return;
        }
        let leaving = &self.leaving;
        let changed = self.plan.pods.iter_mut().filter(|pod| {
            let key = ready::key(pod);
            pod.ready != ready && pods.contains(&key) && !leaving.contains(&key)
        });
        if changed.map(|pod| pod.ready = ready).count() > 0 {
            self.save_plan();
        }
    }

    /// Writes the plan; what cannot be written now is tried again.
    pub(super) fn save_plan(&mut self) {
        self.plan.revision += 1;
        self.is_saved = false;
        self.save_again();
    }

    /// Writes the plan if the last one could not be written.
    pub(super) fn save_again(&mut self) {
        if !self.is_saved {
            let written = serde_json::to_vec(&self.plan)
                .map_err(anyhow::Error::from)
                .and_then(|plan| self.write("plan.json", &plan));
            self.is_saved = self.or_say(written).is_some();
        }
    }

    /// Keeps files without errors for a control plane that starts while there are some.
    pub(super) fn keep_good(&mut self, files: &Sources) {
        let written = serde_json::to_vec(files)
            .map_err(anyhow::Error::from)
            .and_then(|files| self.write(crate::run_directory::LAST_GOOD, &files));
        self.or_say(written);
    }

    /// Says what went wrong, once; the mesh runs on.
    pub(super) fn or_say<T>(&mut self, done: anyhow::Result<T>) -> Option<T> {
        done.map_err(|error| self.report.once(&format!("weft: {error:#}; the mesh runs on"))).ok()
    }
}

/// The pods that run and stay.
fn runs_on<'a>(plan: &'a Plan, leaving: &'a BTreeSet<Key>) -> impl Iterator<Item = &'a Pod> {
    plan.pods.iter().filter(|pod| !leaving.contains(&ready::key(pod)))
}

/// What an edit does to the pods, in words.
#[derive(Debug, Default, PartialEq)]
struct Change<'a> {
    stops: Vec<&'a str>,
    starts: Vec<&'a str>,
    replaces: Vec<&'a str>,
}

impl<'a> Change<'a> {
    fn between(runs: impl Iterator<Item = &'a Pod>, wanted: &'a Plan) -> Self {
        let place = |pod: &Pod| (pod.namespace.clone(), pod.kind.name(), pod.place.clone());
        let mut change = Self::default();
        let mut held = BTreeSet::new();
        for pod in runs {
            match wanted.pods.iter().find(|new| place(new) == place(pod)) {
                None => change.stops.push(&pod.name),
                Some(new) if new.template != pod.template => change.replaces.push(&pod.name),
                Some(_) => {}
            }
            held.insert(place(pod));
        }
        let new = wanted.pods.iter().filter(|pod| !held.contains(&place(pod)));
        change.starts = new.map(|pod| pod.name.as_str()).collect();
        change
    }
}

impl std::fmt::Display for Change<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if *self == Self::default() {
            return f.write_str("the same pods; the control plane tells the proxies");
        }
        let [stops, starts, replaces] =
            [&self.stops, &self.starts, &self.replaces].map(|names| names.join(", "));
        write!(f, "stops [{stops}], starts [{starts}], replaces [{replaces}]")
    }
}

#[cfg(test)]
mod tests;

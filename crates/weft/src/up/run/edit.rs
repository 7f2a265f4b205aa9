//! Edits while the mesh runs: pods come, go and are replaced as a rollout would, or nothing changes at all.
//!
//! A pod whose template changed is replaced in its place: one of a workload at a time, the next once that is ready,
//! so that two replicas never stop together. (There is no surge: a single replica has a gap.)

use super::Up;
use crate::up::plan::{self, Manifests, Plan, Pod};
use crate::up::programs::{app_name, sidecar_name};
use crate::up::ready::{self, Key};
use anyhow::Context;
use std::collections::BTreeSet;
use std::time::Duration;
use weft_control::read::read;

/// From the moment that a pod leaves the plan to its SIGTERM: proxies stop calling it within this time.
const FAREWELL: Duration = Duration::from_millis(500);

/// What an edit does to the pods.
#[derive(Debug, Default, PartialEq)]
struct Edit {
    /// The plan for now: pods to be replaced are still the old ones in it.
    plan: Plan,
    goes: Vec<Pod>,
    comes: Vec<Pod>,
    /// The new ones of those to be replaced.
    replaces: Vec<Pod>,
}

impl Edit {
    /// From what runs to what is wanted. New pods of a mesh that was ready once take requests only when they are.
    fn between(runs: &Plan, wanted: Plan, was_ready: bool) -> Self {
        let mut edit = Self::default();
        let mut pods = Vec::with_capacity(wanted.pods.len());
        for mut pod in wanted.pods {
            match runs.pods.iter().find(|old| ready::key(old) == ready::key(&pod)) {
                None => {
                    pod.ready = !was_ready;
                    edit.comes.push(pod.clone());
                    pods.push(pod);
                }
                Some(old) if old.template == pod.template => {
                    pod.ready = old.ready;
                    pods.push(pod);
                }
                Some(old) => {
                    pods.push(old.clone());
                    edit.replaces.push(pod);
                }
            }
        }
        let stays = |old: &&Pod| !pods.iter().any(|pod| ready::key(pod) == ready::key(old));
        edit.goes = runs.pods.iter().filter(stays).cloned().collect();
        edit.plan = Plan { base: wanted.base, pods, notes: wanted.notes };
        edit
    }
}

impl Up {
    /// Reads the files again, and begins with what changed.
    pub(super) async fn replan(&mut self) -> anyhow::Result<()> {
        let reading = read(&self.args.folders);
        self.report.reading(&reading);
        if reading.has_errors() {
            crate::say::say!("weft: this edit is refused; the mesh runs on as it was");
            return Ok(());
        }
        if reading.resources == self.resources {
            return Ok(());
        }
        let manifests = Manifests::of(&reading.resources);
        let mut numbers = self.numbers.clone();
        let wanted = match plan::plan(&manifests, self.plan.base, &mut numbers, &self.args.only) {
            Ok(plan) => plan,
            Err(error) => {
                crate::say::say!("weft: this edit is refused; the mesh runs on as it was: {error}");
                return Ok(());
            }
        };
        self.report.plan(&wanted, self.args.verbose);
        (self.resources, self.numbers) = (reading.resources, numbers);
        let edit = Edit::between(&self.plan, wanted, self.state.ready);
        if edit.goes.is_empty() && edit.comes.is_empty() && edit.replaces.is_empty() {
            crate::say::say!("weft: edit read: the same pods; the control plane tells the proxies");
        } else {
            let (goes, comes, replaces) = (names(&edit.goes), names(&edit.comes), names(&edit.replaces));
            crate::say::say!("weft: edit read: stops [{goes}], starts [{comes}], replaces [{replaces}]");
        }
        self.plan = edit.plan;
        self.rollout = edit.replaces;
        self.write_plan()?;
        self.take_out(&edit.goes).await;
        edit.comes.iter().try_for_each(|pod| self.begin(pod))
    }

    /// Replaces those of an edit whose turn it is.
    pub(super) async fn roll_on(&mut self) -> anyhow::Result<()> {
        self.rolling.retain(|key| !self.ready.contains(key));
        let workload = |pod: &Pod| (pod.namespace.clone(), pod.workload.clone());
        let is_rolling = |pod: &&Pod| self.rolling.contains(&ready::key(pod));
        let mut busy: BTreeSet<_> = self.plan.pods.iter().filter(is_rolling).map(workload).collect();
        let (turn, wait): (Vec<Pod>, Vec<Pod>) =
            std::mem::take(&mut self.rollout).into_iter().partition(|pod| {
                // One that does not serve is no loss to anybody.
                !self.ready.contains(&ready::key(pod)) || busy.insert(workload(pod))
            });
        self.rollout = wait;
        if turn.is_empty() {
            return Ok(());
        }
        for pod in &turn {
            let key = ready::key(pod);
            if let Some(place) = self.plan.pods.iter_mut().find(|old| ready::key(old) == key) {
                *place = Pod { ready: !self.state.ready, ..pod.clone() };
            }
            self.rolling.insert(key);
        }
        self.write_plan()?;
        self.take_out(&turn).await;
        turn.iter().try_for_each(|pod| self.begin(pod))
    }

    /// Starts all processes of a pod.
    fn begin(&mut self, pod: &Pod) -> anyhow::Result<()> {
        self.tokens.write(self.run.as_ref().context("the run directory is gone")?, pod)?;
        self.start_stand_in(pod)?;
        self.start_own_app(pod)?;
        self.start_sidecar(pod)
    }

    /// Stops all processes of pods, once those who call them had time to learn of it; an app before its sidecar.
    async fn take_out(&mut self, pods: &[Pod]) {
        if pods.is_empty() {
            return;
        }
        tokio::time::sleep(FAREWELL).await;
        for name in [app_name, sidecar_name] {
            let names: Vec<String> = pods.iter().map(name).collect();
            self.supervisor.stop(&names).await;
        }
        for pod in pods {
            self.ready.remove(&ready::key(pod));
        }
    }

    /// Lets the control plane know that pods take requests, or do not. Before the mesh was ready once, all of them
    /// count as ready: what starts is waited for, not left out.
    pub(super) fn serves(&mut self, pods: &BTreeSet<Key>, ready: bool) -> anyhow::Result<()> {
        if !self.state.ready {
            return Ok(());
        }
        let changed =
            self.plan.pods.iter_mut().filter(|pod| pod.ready != ready && pods.contains(&ready::key(pod)));
        let changed = changed.map(|pod| pod.ready = ready).count();
        if changed == 0 { Ok(()) } else { self.write_plan() }
    }

    fn write_plan(&self) -> anyhow::Result<()> {
        self.write("plan.json", &serde_json::to_vec(&self.plan)?)
    }
}

fn names(pods: &[Pod]) -> String {
    pods.iter().map(|pod| pod.name.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;

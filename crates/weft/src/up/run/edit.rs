//! Edits while the mesh runs: pods come, go and are replaced as a rollout would, or nothing changes at all.

use super::Up;
use crate::up::plan::{self, Manifests, Pod};
use crate::up::programs::{app_name, sidecar_name};
use crate::up::ready::{self, Key};
use anyhow::Context;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use weft_control::read::read;

/// From the moment that a pod leaves the plan to its SIGTERM: proxies stop calling it within this time.
const FAREWELL: Duration = Duration::from_millis(500);

impl Up {
    /// Reads the files again; pods come, go and are replaced as a rollout would, or nothing changes at all.
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
        let mut plan = match plan::plan(&manifests, self.plan.base, &mut numbers, &self.args.only) {
            Ok(plan) => plan,
            Err(error) => {
                crate::say::say!("weft: this edit is refused; the mesh runs on as it was: {error}");
                return Ok(());
            }
        };
        for pod in &mut plan.pods {
            let old = self.plan.pods.iter().find(|old| ready::key(old) == ready::key(pod));
            pod.ready = match old {
                Some(old) if old.template == pod.template => old.ready,
                // What comes to a running mesh takes requests once it can.
                _ => !self.state.ready,
            };
        }
        self.report.plan(&plan, self.args.verbose);
        self.resources = reading.resources;
        if plan == self.plan {
            crate::say::say!("weft: edit read: the same pods; the control plane tells the proxies");
            return Ok(());
        }
        let before: BTreeMap<Key, String> =
            self.plan.pods.iter().map(|pod| (ready::key(pod), pod.template.clone())).collect();
        let same = |pod: &&Pod| before.get(&ready::key(pod)) == Some(&pod.template);
        let kept: BTreeSet<Key> = plan.pods.iter().filter(same).map(ready::key).collect();
        let goes: Vec<Pod> =
            self.plan.pods.iter().filter(|pod| !kept.contains(&ready::key(pod))).cloned().collect();
        let comes: Vec<Pod> =
            plan.pods.iter().filter(|pod| !kept.contains(&ready::key(pod))).cloned().collect();
        if !goes.is_empty() || !comes.is_empty() {
            let names = |pods: &[Pod]| pods.iter().map(|pod| pod.name.clone()).collect::<Vec<_>>().join(", ");
            crate::say::say!("weft: edit read: stops [{}], starts [{}]", names(&goes), names(&comes));
        }
        (self.plan, self.numbers) = (plan, numbers);
        self.write("plan.json", &serde_json::to_vec(&self.plan)?)?;
        if !goes.is_empty() {
            // Those who call them learn first.
            tokio::time::sleep(FAREWELL).await;
        }
        self.stop_pods(&goes).await;
        for pod in comes {
            self.tokens.write(self.run.as_ref().context("the run directory is gone")?, &pod)?;
            self.start_stand_in(&pod)?;
            self.start_own_app(&pod)?;
            self.start_sidecar(&pod)?;
        }
        Ok(())
    }

    async fn stop_pods(&mut self, pods: &[Pod]) {
        // The control plane has taken them out already; the app ends before its sidecar.
        for names in [pods.iter().map(app_name).collect::<Vec<_>>(), pods.iter().map(sidecar_name).collect()]
        {
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
        if changed == 0 { Ok(()) } else { self.write("plan.json", &serde_json::to_vec(&self.plan)?) }
    }
}

//! Who is ready, who is waited for, and what is said about it.

use super::Up;
use crate::run_directory;
use crate::up::plan::{Manifests, Pod};
use crate::up::programs::{App, app_name};
use crate::up::ready::{self, Key, Progress};
use crate::up::report;
use crate::up::sockets::Listening;
use std::collections::BTreeSet;

impl Up {
    /// Sees who became ready since the last look; says so, service by service.
    pub(super) async fn look(&mut self) -> anyhow::Result<Vec<(Key, Progress)>> {
        let looked = ready::look(&self.plan, &self.ready).await?;
        let before = self.ready.clone();
        self.ready
            .extend(looked.iter().filter(|(_, how)| *how == Progress::Ready).map(|(key, _)| key.clone()));
        let new: BTreeSet<Key> = self.ready.difference(&before).cloned().collect();
        new.iter().for_each(|key| self.hope.forget(key));
        self.serves(&new, true);
        for (namespace, pod) in new.iter().filter(|_| self.state.ready) {
            crate::say::say!("  {} is ready", report::name_of(&self.plan, namespace, pod));
        }
        self.warn_of_open_apps()?;
        for ((namespace, service), pods) in
            report::groups(&self.plan).into_iter().filter(|_| !self.state.ready)
        {
            let all = |set: &BTreeSet<Key>| pods.iter().all(|pod| set.contains(&ready::key(pod)));
            if all(&self.ready) && !all(&before) {
                let count = if pods.len() == 1 { String::new() } else { format!(" ({} pods)", pods.len()) };
                let service = report::name_of(&self.plan, &namespace, &service);
                crate::say::say!(
                    "  {service}{count} is ready after {:.1} s",
                    self.started.elapsed().as_secs_f32()
                );
            }
        }
        if self.ready.len() == self.plan.pods.len() && !self.state.ready {
            self.became_ready();
        }
        Ok(looked)
    }

    fn became_ready(&mut self) {
        self.state.ready = true;
        let written = serde_json::to_vec(&self.state)
            .map_err(anyhow::Error::from)
            .and_then(|state| self.write("state.json", &state));
        self.or_say(written);
        let app = |pod: &Pod| self.args.app(pod);
        let services = Manifests::of(&self.resources).services;
        let judges = report::Judges::of(&self.resources, &self.plan.pods);
        let start = report::Start {
            took: self.started.elapsed(),
            path: &self.mesh.run,
            others: run_directory::others(&run_directory::base(), &self.mesh.run),
        };
        crate::say::say!("\n{}", report::summary(&self.plan, &services, &judges, app, &start));
    }

    /// An app on 0.0.0.0 can be reached around its sidecar: nothing here can prevent that, so it is said.
    fn warn_of_open_apps(&mut self) -> anyhow::Result<()> {
        if self.args.apps.is_empty() {
            return Ok(());
        }
        let own = |pod: &&Pod| pod.sidecar && self.args.app(pod) != App::StandIn;
        let listening = Listening::now()?;
        let mut warnings = Vec::new();
        for pod in self.plan.pods.iter().filter(own) {
            let Some(group) = self.groups.get(&app_name(pod)) else { continue };
            for port in listening.everywhere(*group) {
                warnings.push(format!(
                    "weft: warning: the app of {}/{} listens on 0.0.0.0:{port}: whoever reaches this machine reaches it around its sidecar, without mTLS and without policy; let it listen on $HOST:$PORT",
                    pod.namespace, pod.name
                ));
            }
        }
        warnings.iter().for_each(|warning| self.report.once(warning));
        Ok(())
    }
}

pub(super) fn complain(waiting: &[(Key, Progress)]) {
    const MOST: usize = 8;
    let lines: Vec<String> =
        waiting.iter().filter_map(|(key, progress)| ready::waiting_for(key, progress)).collect();
    if lines.is_empty() {
        crate::say::say!(
            "weft: still waiting for the control plane; its log: control.log in the run directory"
        );
    }
    for line in lines.iter().take(MOST) {
        crate::say::say!("weft: still waiting for {line}");
    }
    if lines.len() > MOST {
        crate::say::say!("weft: ... and for {} more pods", lines.len() - MOST);
    }
}

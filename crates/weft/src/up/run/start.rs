//! The start of a pod's processes, in their order.

use super::Up;
use crate::up::plan::Pod;
use crate::up::programs::{App, RESERVED};
use crate::up::ready;

/// Whether the app of `pod` starts after its sidecar.
fn waits_for_sidecar(pod: &Pod) -> bool {
    pod.is_turned() || (pod.sidecar && pod.proxy.holds_app)
}

impl Up {
    fn start_app(&mut self, pod: &Pod, app: &App) -> anyhow::Result<()> {
        for port in pod.ports.iter().filter(|port| pod.sidecar && RESERVED.contains(&port.number)) {
            self.report.once(&format!(
                "weft: {}/{}: its port {} is its sidecar's here; the app will not get it",
                pod.namespace, pod.name, port.number
            ));
        }
        let program = self.mesh.app(pod, app, &self.folder(pod)?);
        self.supervisor.start(program);
        Ok(())
    }

    /// In namespaces an app starts after its sidecar: its first connections would be handed to nobody. One that is held
    /// until its proxy starts (`holdApplicationUntilProxyStarts`) waits for that to be ready.
    pub(super) async fn start_waiting_apps(&mut self) -> anyhow::Result<()> {
        let mut started = Ok(());
        for pod in std::mem::take(&mut self.waiting_apps) {
            if self.leaving.contains(&ready::key(&pod)) {
                continue;
            }
            let may_start = match pod.proxy.holds_app {
                true => ready::has_ready_sidecar(&pod).await,
                false => ready::intercepts(&pod),
            };
            if may_start {
                started = started.and(self.start_app(&pod, &self.args.app(&pod)));
            } else {
                self.waiting_apps.push(pod);
            }
        }
        started
    }

    pub(super) fn start_stand_in(&mut self, pod: &Pod) -> anyhow::Result<()> {
        if waits_for_sidecar(pod) {
            self.waiting_apps.push(pod.clone());
            return Ok(());
        }
        match self.args.app(pod) {
            App::StandIn => self.start_app(pod, &App::StandIn),
            App::Command(_) => Ok(()),
        }
    }

    /// The user's program, after the stand-ins: one that wants a port on all addresses is then itself told that
    /// it cannot have it, and not everybody else.
    pub(super) fn start_own_app(&mut self, pod: &Pod) -> anyhow::Result<()> {
        if waits_for_sidecar(pod) {
            return Ok(());
        }
        match self.args.app(pod) {
            App::StandIn => Ok(()),
            // Before, the start of the mesh itself will come to it.
            App::Command(_) if !self.has_control => Ok(()),
            app @ App::Command(_) => self.start_app(pod, &app),
        }
    }

    pub(super) fn start_sidecar(&mut self, pod: &Pod) -> anyhow::Result<()> {
        if pod.sidecar && self.has_control {
            let program = self.mesh.sidecar(&self.plan, pod, &self.folder(pod)?);
            self.supervisor.start(program);
        }
        Ok(())
    }
}

//! What an edit changes about the pods that stay: Services that lead to other ports of them, or that they call.
//!
//! Their processes run on. A stand-in is told its ports; a user's own program is the user's matter, and so is what it was
//! told at its start: its environment.

use super::Up;
use crate::up::plan::{Pod, Port};
use crate::up::programs::{App, RESERVED, app_address, listens};
use crate::up::protocol::Protocol;
use crate::up::ready;
use crate::up::report;

impl Up {
    /// Takes over what is wanted of pods that are not replaced for it.
    pub(super) fn let_stay(&mut self) {
        let staying = self.plan.pods.iter().filter(|pod| !self.leaving.contains(&ready::key(pod)));
        let changed: Vec<(Pod, Pod)> = staying
            .filter_map(|pod| {
                let is_same =
                    |wanted: &&Pod| ready::key(wanted) == ready::key(pod) && wanted.template == pod.template;
                Some((pod.clone(), changed(pod, self.wanted.iter().find(is_same)?)?))
            })
            .collect();
        if changed.is_empty() {
            return;
        }
        for (old, new) in &changed {
            let places = self.plan.pods.iter_mut().chain(&mut self.waiting_apps);
            places.filter(|pod| ready::key(pod) == ready::key(new)).for_each(|pod| pod.clone_from(new));
            let told = self.tell_ports(old, new);
            self.or_say(told);
        }
        self.save_plan();
    }

    fn tell_ports(&mut self, old: &Pod, new: &Pod) -> anyhow::Result<()> {
        let name = report::name_of(&self.plan, &new.namespace, &new.name);
        let app = self.args.app(new);
        if app == App::StandIn {
            let program = self.mesh.app(new, &app, &self.folder(new)?);
            self.supervisor.renew(program, listens(new).join(" "));
        }
        for port in gained(old, new) {
            let (number, speaks) = (port.number, report::protocol(port.protocol));
            if new.sidecar && RESERVED.contains(&number) {
                crate::say::say!(
                    "  {name}: its port {number} is its sidecar's here; the app will not get it"
                );
            } else if app == App::StandIn {
                crate::say::say!("  {name} listens on {number} ({speaks}) now");
            } else {
                let host = app_address(new);
                crate::say::say!(
                    "  {name}: port {number} ({speaks}) leads to your own program now, which runs on as it is: it is reached there once it listens on {host}:{number}"
                );
            }
        }
        Ok(())
    }
}

/// The pod as it is from now on; `None` if nothing of it changes while it runs. What it was started with stays.
fn changed(pod: &Pod, wanted: &Pod) -> Option<Pod> {
    let new = Pod {
        services: wanted.services.clone(),
        ports: wanted.ports.clone(),
        tcp: wanted.tcp.clone(),
        update: wanted.update,
        dns: wanted.dns.clone(),
        ..pod.clone()
    };
    (new != *pod).then_some(new)
}

/// Ports that are new, or speak something else.
fn gained<'a>(old: &'a Pod, new: &'a Pod) -> impl Iterator<Item = &'a Port> {
    let is_new = |port: &&Port| {
        port.protocol != Protocol::Udp
            && !old.ports.iter().any(|known| (known.number, known.protocol) == (port.number, port.protocol))
    };
    new.ports.iter().filter(is_new)
}

#[cfg(test)]
mod tests;

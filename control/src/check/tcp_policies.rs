//! AuthorizationPolicies that ask about requests at ports where there are only connections: an ALLOW lets nobody in there,
//! a DENY stops everybody.

use std::collections::BTreeMap;

use super::Checked;
use crate::resources::Object;
use crate::resources::authorization_policy::{Action, AuthorizationPolicy, Rule};
use crate::translate::{authorization, gates};
use crate::world::protocol::Protocol;
use crate::world::workload::Workload;

impl Checked<'_> {
    pub(super) fn tcp_policies(&mut self) {
        let resources = std::sync::Arc::clone(&self.world.resources);
        let trust = gates::trust(self.world);
        let asks = |object: &Object<AuthorizationPolicy>, rule: &Rule| {
            authorization::of_requests(rule, &object.meta.namespace, &trust)
        };
        // Of each rule the first port, with its workload and what the rule asks of requests.
        let mut found: BTreeMap<(usize, usize), (u16, String, &str)> = BTreeMap::new();
        for workload in self.workloads {
            let ports = self.ports_of_bytes(workload);
            if ports.is_empty() {
                continue;
            }
            let target = authorization::Target {
                namespace: &workload.namespace,
                labels: &workload.labels,
                root_namespace: &self.world.mesh.root_namespace,
            };
            let applying = authorization::applying(&resources.authorization_policies, &target);
            for port in ports.into_iter().filter(|port| self.has_sidecar(workload, *port)) {
                let allows = applying.iter().filter(|object| object.spec.action == Action::Allow);
                let mut rules =
                    allows.flat_map(|object| object.spec.rules.iter().map(move |of| (object, of)));
                let is_open = rules.any(|(object, rule)| is_for(rule, port) && asks(object, rule).is_none());
                for object in &applying {
                    let counts = match object.spec.action {
                        Action::Allow => !is_open,
                        Action::Deny => true,
                        Action::Audit | Action::Custom => false,
                    };
                    let policies = resources.authorization_policies.iter();
                    let Some(place) = policies.clone().position(|known| std::ptr::eq(known, *object)) else {
                        continue;
                    };
                    let concerned = object.spec.rules.iter().enumerate();
                    for (at, rule) in concerned.filter(|(_, rule)| counts && is_for(rule, port)) {
                        if let Some(what) = asks(object, rule) {
                            found.entry((place, at)).or_insert_with(|| (port, workload.owner.clone(), what));
                        }
                    }
                }
            }
        }
        for ((place, at), (port, owner, what)) in found {
            let Some(object) = resources.authorization_policies.get(place) else { continue };
            let (so, hint) = match object.spec.action {
                Action::Deny => (
                    "is left out there, so the rule stops all connections that the rest of it holds for",
                    "name the ports that it is for in `to.operation.ports`",
                ),
                _ => (
                    "never holds there, so the rule lets in no connection, and no other does",
                    "a rule of `ports` and `from` alone lets connections in",
                ),
            };
            let message =
                format!("port {port} of {owner} is TCP, and {what} is a matter of requests: it {so}");
            self.warn(
                "AuthorizationPolicy",
                object,
                format!("spec.rules[{at}]"),
                message,
                Some(hint.to_owned()),
            );
        }
    }

    /// The ports of a workload that its services say carry no HTTP.
    fn ports_of_bytes(&self, workload: &Workload) -> Vec<u16> {
        let mut ports: BTreeMap<u16, Protocol> = BTreeMap::new();
        let is_it = |of: &&Workload| std::ptr::eq(*of, workload);
        for backed in self.services.iter().filter(|backed| backed.behind.iter().any(is_it)) {
            for port in &backed.service.ports {
                if let Some(number) = port.of(workload) {
                    // Of several the oldest says what is spoken.
                    ports.entry(number).or_insert(port.protocol);
                }
            }
        }
        let bytes = |protocol: Protocol| !protocol.is_http() && protocol != Protocol::Auto;
        ports.into_iter().filter(|(_, protocol)| bytes(*protocol)).map(|(number, _)| number).collect()
    }
}

/// Whether the rule may hold at that port.
fn is_for(rule: &Rule, port: u16) -> bool {
    let named = port.to_string();
    rule.to.is_empty()
        || rule.to.iter().any(|to| {
            to.operation.as_ref().is_none_or(|of| {
                (of.ports.is_empty() || of.ports.contains(&named)) && !of.not_ports.contains(&named)
            })
        })
}

//! Policies that name accounts or ports that no workload has, and rules that say less than they seem to.

use std::collections::{BTreeMap, BTreeSet};

use super::backed::Backed;
use super::{Checked, listed};
use crate::resources::Object;
use crate::resources::authorization_policy::{Action, AuthorizationPolicy, Rule};
use crate::world::workload::{Workload, selects};

const KIND: &str = "AuthorizationPolicy";

impl Checked<'_> {
    pub(super) fn policies(&mut self) {
        let resources = std::sync::Arc::clone(&self.world.resources);
        let accounts: BTreeSet<(String, String)> = self
            .workloads
            .iter()
            .filter(|workload| !workload.service_account.is_empty())
            .map(|workload| (workload.namespace.clone(), workload.service_account.clone()))
            .collect();
        for object in &resources.authorization_policies {
            for (place, rule) in object.spec.rules.iter().enumerate() {
                self.accounts(object, rule, &format!("spec.rules[{place}]"), &accounts);
                self.operation_ports(object, rule, &format!("spec.rules[{place}]"));
            }
            self.split(object);
        }
        for object in &resources.peer_authentications {
            let labels = object.spec.selector.as_ref().map(|s| s.match_labels.clone()).unwrap_or_default();
            // It is ignored as a whole, which is said of its selector.
            if object.meta.namespace == self.world.mesh.root_namespace && !labels.is_empty() {
                continue;
            }
            let Some(known) = self.ports_of(&object.meta.namespace, &labels) else { continue };
            for port in object.spec.port_level_mtls.keys().filter(|port| !known.contains(port)) {
                let message =
                    format!("no workload that it selects has a port {port}: the mode is in force nowhere");
                let hint = Some(format!(
                    "ports of the workload count here, not the service's; they are {}",
                    listed(known.iter())
                ));
                self.warn(
                    "PeerAuthentication",
                    object,
                    format!("spec.portLevelMtls[\"{port}\"]"),
                    message,
                    hint,
                );
            }
        }
    }

    /// Accounts that nobody runs as: a rule that names them lets nobody in, or stops nobody.
    fn accounts(
        &mut self,
        object: &Object<AuthorizationPolicy>,
        rule: &Rule,
        at: &str,
        accounts: &BTreeSet<(String, String)>,
    ) {
        for (place, from) in rule.from.iter().enumerate() {
            let Some(source) = &from.source else { continue };
            let at = format!("{at}.from[{place}].source");
            let lists = [
                ("principals", &source.principals, true),
                ("notPrincipals", &source.not_principals, true),
                ("serviceAccounts", &source.service_accounts, false),
                ("notServiceAccounts", &source.not_service_accounts, false),
            ];
            for (field, values, whole) in lists {
                for (place, value) in values.iter().enumerate() {
                    let named = if whole { principal(value) } else { account(value, &object.meta.namespace) };
                    let Some(named) = named.filter(|named| !accounts.contains(named)) else { continue };
                    let message =
                        format!("no pod of namespace {} runs as service account {}", named.0, named.1);
                    let there = accounts.iter().filter(|(namespace, _)| *namespace == named.0);
                    let near =
                        there.map(|(_, name)| (strsim::damerau_levenshtein(name, &named.1), name)).min();
                    let hint =
                        near.filter(|(far, _)| *far <= 2).map(|(_, name)| format!("did you mean {name}?"));
                    self.warn(KIND, object, format!("{at}.{field}[{place}]"), message, hint);
                }
            }
        }
    }

    fn operation_ports(&mut self, object: &Object<AuthorizationPolicy>, rule: &Rule, at: &str) {
        let labels = object.spec.selector.as_ref().map(|s| s.match_labels.clone()).unwrap_or_default();
        // Without a selector the rule is for many, and some of them may have the port.
        if labels.is_empty() {
            return;
        }
        let Some(known) = self.ports_of(&object.meta.namespace, &labels) else { return };
        for (place, to) in rule.to.iter().enumerate() {
            let Some(operation) = &to.operation else { continue };
            for (inner, written) in operation.ports.iter().enumerate() {
                let Ok(port) = written.parse::<u16>() else { continue };
                if known.contains(&port) {
                    continue;
                }
                let message =
                    format!("no workload that it selects has a port {port}: the rule never matches");
                let hint = Some(format!(
                    "ports of the workload count here, not the service's; they are {}",
                    listed(known.iter())
                ));
                self.warn(KIND, object, format!("{at}.to[{place}].operation.ports[{inner}]"), message, hint);
            }
        }
    }

    /// The ports of the workloads with these labels, if they say which they have.
    fn ports_of(&self, namespace: &str, labels: &BTreeMap<String, String>) -> Option<BTreeSet<u16>> {
        let selected: Vec<&Workload> = self.selected(Some(namespace), labels).collect();
        if selected.is_empty() || selected.iter().any(|workload| workload.ports.is_empty()) {
            return None;
        }
        let mut ports: BTreeSet<u16> =
            selected.iter().flat_map(|workload| &workload.ports).map(|port| port.number).collect();
        // A service may lead to a port that no container declares, whether or not anything runs.
        for Backed { service, behind } in self.services.iter().filter(|of| of.service.namespace == namespace)
        {
            for workload in behind.iter().filter(|workload| selects(labels, &workload.labels)) {
                ports.extend(service.ports.iter().filter_map(|port| port.of(workload)));
            }
        }
        Some(ports)
    }

    /// `- from: ...` and `- to: ...` as two items are two rules, either of which lets in.
    fn split(&mut self, object: &Object<AuthorizationPolicy>) {
        if object.spec.action != Action::Allow {
            return;
        }
        for (place, pair) in object.spec.rules.windows(2).enumerate() {
            let [first, second] = pair else { continue };
            let only_from = |rule: &Rule| !rule.from.is_empty() && rule.to.is_empty() && rule.when.is_empty();
            let only_to = |rule: &Rule| rule.from.is_empty() && !rule.to.is_empty() && rule.when.is_empty();
            if (only_from(first) && only_to(second)) || (only_to(first) && only_from(second)) {
                let message = format!(
                    "rules[{place}] has only `{}` and rules[{}] only `{}`: these are two rules, and either of them lets in",
                    if only_from(first) { "from" } else { "to" },
                    place + 1,
                    if only_from(first) { "to" } else { "from" },
                );
                let hint = "if both must hold, write them in one item: leave out the dash before the second"
                    .to_owned();
                self.warn(KIND, object, format!("spec.rules[{}]", place + 1), message, Some(hint));
            }
        }
    }
}

/// Namespace and account of `domain/ns/NAMESPACE/sa/ACCOUNT`, if there is no wildcard in it.
fn principal(value: &str) -> Option<(String, String)> {
    let parts: Vec<&str> = value.split('/').collect();
    match parts[..] {
        [_, "ns", namespace, "sa", account] if !value.contains('*') => {
            Some((namespace.to_owned(), account.to_owned()))
        }
        _ => None,
    }
}

/// `namespace/account`, or `account` of the policy's own namespace.
fn account(value: &str, own: &str) -> Option<(String, String)> {
    if value.contains('*') {
        return None;
    }
    let (namespace, name) = value.split_once('/').unwrap_or((own, value));
    Some((namespace.to_owned(), name.to_owned()))
}

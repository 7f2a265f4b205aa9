//! Whom a policy is for: the mesh, a namespace, workloads by labels, or a gateway by name.

use std::collections::BTreeMap;

use crate::resources::Object;
use crate::resources::selector::{Selector, TargetRef};

/// The label by which a workload says that it is a gateway of the Kubernetes Gateway API, and which one.
const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

/// The workload that policies are looked for.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its labels.
    pub labels: &'a BTreeMap<String, String>,
    /// Whose policies are for every namespace.
    pub root_namespace: &'a str,
}

/// What a policy says of whom it is for.
pub(in crate::translate) struct Reach<'a> {
    pub(in crate::translate) selector: Option<&'a Selector>,
    pub(in crate::translate) references: Vec<&'a TargetRef>,
}

impl Target<'_> {
    /// The policies that are for this workload: those of the root namespace, then its namespace's; the older first, as
    /// istiod lists them.
    pub(in crate::translate) fn choose<'p, S>(
        &self,
        policies: impl IntoIterator<Item = &'p Object<S>>,
        reach: impl Fn(&'p S) -> Reach<'p>,
    ) -> Vec<&'p Object<S>> {
        let in_reach = |policy: &&'p Object<S>| {
            let namespace = policy.meta.namespace.as_str();
            (namespace == self.namespace || namespace == self.root_namespace)
                && self.is_meant(namespace, &reach(&policy.spec))
        };
        let mut chosen: Vec<_> = policies.into_iter().filter(in_reach).collect();
        chosen.sort_by(|a, b| {
            let key = |policy: &Object<S>| (policy.meta.namespace != self.root_namespace, policy.meta.age);
            let name = |policy: &'p Object<S>| policy.meta.name.as_str();
            key(a).cmp(&key(b)).then_with(|| name(a).cmp(name(b)))
        });
        chosen
    }

    /// References are for gateways of the Gateway API alone: to a sidecar they say nothing, as in Istio.
    fn is_meant(&self, namespace: &str, reach: &Reach<'_>) -> bool {
        if reach.references.is_empty() {
            return reach.selector.is_none_or(|selector| self.has(&selector.match_labels));
        }
        let Some(gateway) = self.labels.get(GATEWAY_NAME) else { return false };
        let names_it = |reference: &&TargetRef| {
            reference.group == "gateway.networking.k8s.io"
                && reference.kind == "Gateway"
                && reference.name == *gateway
                && (reference.namespace.is_empty() || reference.namespace == self.namespace)
        };
        namespace == self.namespace && reach.references.iter().any(names_it)
    }

    fn has(&self, labels: &BTreeMap<String, String>) -> bool {
        labels.iter().all(|(name, value)| self.labels.get(name) == Some(value))
    }
}

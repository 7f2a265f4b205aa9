//! Which DestinationRule holds for a client and a service: looked up in the client's namespace, the service's, and the
//! root namespace, in this order; several of one host in one namespace are one.
//!
//! One with a `workloadSelector` and one without are put together, too, as Istio does: the older gets what it has not from
//! the younger, and the younger stands beside it as it is. So what is put together depends on which is older.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::host;
use super::mesh::Mesh;
use super::service::{Service, Visibility};
use super::workload::selects;
use crate::resources::destination_rule::{DestinationRule, Subset, TrafficPolicy};
use crate::resources::{Object, Resources};

/// Every DestinationRule, by namespace.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DestinationRules {
    by_namespace: BTreeMap<String, Vec<Arc<MergedRule>>>,
}

/// DestinationRules of one host and one namespace, as one.
#[derive(Debug, Clone, PartialEq)]
pub struct MergedRule {
    /// The host in full.
    pub host: String,
    /// Where it stands.
    pub namespace: String,
    /// The name of the oldest of them.
    pub name: String,
    /// The policy of the oldest that has one.
    pub traffic_policy: Option<TrafficPolicy>,
    /// The subsets of all of them; of one name the oldest.
    pub subsets: Vec<Subset>,
    /// Only for callers with these labels, of the same namespace.
    pub selector: BTreeMap<String, String>,
    export_to: Visibility,
    /// Clients of its own namespace go by it: unless its `exportTo` names others alone. What the mesh exports by
    /// default is for others, and does not take it away from them.
    at_home: bool,
}

impl MergedRule {
    /// How Istio names the resource in metadata.
    pub fn config(&self) -> String {
        config_path("destination-rule", &self.namespace, &self.name)
    }

    /// The subset of that name.
    pub fn subset(&self, name: &str) -> Option<&Subset> {
        self.subsets.iter().find(|subset| subset.name == name)
    }
}

/// How Istio names a resource in metadata.
pub fn config_path(kind: &str, namespace: &str, name: &str) -> String {
    format!("/apis/networking.istio.io/v1/namespaces/{namespace}/{kind}/{name}")
}

impl DestinationRules {
    pub(crate) fn new(resources: &Resources, mesh: &Mesh) -> Self {
        let mut sorted: Vec<&Object<DestinationRule>> = resources.destination_rules.iter().collect();
        sorted.sort_by_key(|object| object.meta.age);
        let mut merged: BTreeMap<String, Vec<MergedRule>> = BTreeMap::new();
        for object in sorted {
            let rule = MergedRule::new(object, mesh);
            let here = merged.entry(object.meta.namespace.clone()).or_default();
            let mut stands_alone = true;
            for known in here.iter_mut().filter(|known| known.is_put_with(&rule)) {
                known.absorb(&rule);
                stands_alone &= !known.is_one_with(&rule);
            }
            if stands_alone {
                here.push(rule);
            }
        }
        let shared = |rules: Vec<MergedRule>| rules.into_iter().map(Arc::new).collect();
        Self {
            by_namespace: merged.into_iter().map(|(namespace, rules)| (namespace, shared(rules))).collect(),
        }
    }

    /// The rule that a client with these labels goes by.
    pub fn find(
        &self,
        root_namespace: &str,
        client: &str,
        labels: &BTreeMap<String, String>,
        service: &Service,
    ) -> Option<&Arc<MergedRule>> {
        // The root namespace is everybody's default, so a client of its own does not make it come first.
        let own = || {
            let rules = self.by_namespace.get(client).filter(|_| client != root_namespace);
            best(rules, &service.host, |rule| rule.at_home && selects(&rule.selector, labels))
        };
        let exported = |namespace: &str| {
            best(self.by_namespace.get(namespace), &service.host, |rule| {
                let selected =
                    rule.selector.is_empty() || (namespace == client && selects(&rule.selector, labels));
                rule.export_to.sees(client) && selected
            })
        };
        own().or_else(|| exported(&service.namespace)).or_else(|| exported(root_namespace))
    }

    /// Every rule.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<MergedRule>> {
        self.by_namespace.values().flatten()
    }
}

impl MergedRule {
    /// What one resource says.
    pub(crate) fn new(object: &Object<DestinationRule>, mesh: &Mesh) -> Self {
        let (meta, spec) = (&object.meta, &object.spec);
        let default = &mesh.config.default_destination_rule_export_to;
        let said = Visibility::new(&spec.export_to, &[], &meta.namespace);
        Self {
            host: host::full(&spec.host, &meta.namespace),
            namespace: meta.namespace.clone(),
            name: meta.name.clone(),
            traffic_policy: spec.traffic_policy.clone(),
            subsets: spec.subsets.clone(),
            selector: spec.workload_selector.as_ref().map(|s| s.match_labels.clone()).unwrap_or_default(),
            export_to: Visibility::new(&spec.export_to, default, &meta.namespace),
            at_home: said.sees(&meta.namespace),
        }
    }

    /// Whether the older gets what the younger has beyond it: of one namespace, for the same host, exported alike, and
    /// not each for callers of its own.
    pub(crate) fn is_put_with(&self, other: &Self) -> bool {
        let callers =
            self.selector.is_empty() || other.selector.is_empty() || self.selector == other.selector;
        self.namespace == other.namespace
            && self.host == other.host
            && self.export_to == other.export_to
            && self.at_home == other.at_home
            && callers
    }

    /// Whether nothing is left of the younger: both are for the same callers, too.
    pub(crate) fn is_one_with(&self, other: &Self) -> bool {
        self.is_put_with(other) && self.selector == other.selector
    }

    fn absorb(&mut self, younger: &Self) {
        if self.traffic_policy.is_none() {
            self.traffic_policy.clone_from(&younger.traffic_policy);
        }
        for subset in &younger.subsets {
            if self.subset(&subset.name).is_none() {
                self.subsets.push(subset.clone());
            }
        }
    }
}

/// The most specific; of equal ones that with a selector, then the oldest.
fn best<'a>(
    rules: Option<&'a Vec<Arc<MergedRule>>>,
    host: &str,
    holds: impl Fn(&MergedRule) -> bool,
) -> Option<&'a Arc<MergedRule>> {
    let candidates = rules?.iter().filter(|rule| host::covers(&rule.host, host) && holds(rule));
    // `max_by_key` takes the last of equal ones.
    candidates.rev().max_by_key(|rule| (host::specificity(&rule.host), !rule.selector.is_empty()))
}

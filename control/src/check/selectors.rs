//! Selectors that match nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{Checked, listed};
use crate::resources::Object;
use crate::resources::peer_authentication::PeerAuthentication;
use crate::resources::selector::Selector;
use crate::world::workload::Workload;

impl Checked<'_> {
    pub(super) fn selectors(&mut self) {
        let resources = std::sync::Arc::clone(&self.world.resources);
        for object in &resources.services {
            let selector = object.spec.selector.clone().unwrap_or_default();
            self.selector("Service", object, "spec.selector", &selector, "nobody answers");
        }
        for object in &resources.service_entries {
            let selector = object.spec.workload_selector.as_ref().map(|selector| &selector.labels);
            self.maybe("ServiceEntry", object, "spec.workloadSelector.labels", selector, "nobody answers");
        }
        for object in &resources.sidecars {
            let selector = object.spec.workload_selector.as_ref().map(|selector| &selector.labels);
            self.maybe("Sidecar", object, "spec.workloadSelector.labels", selector, "it is nobody's scope");
        }
        for object in &resources.destination_rules {
            let selector = object.spec.workload_selector.as_ref();
            self.policy("DestinationRule", object, "spec.workloadSelector.matchLabels", selector);
        }
        for object in &resources.peer_authentications {
            self.peer_authentication(object);
        }
        for object in &resources.authorization_policies {
            self.policy("AuthorizationPolicy", object, MATCH_LABELS, object.spec.selector.as_ref());
        }
        for object in &resources.request_authentications {
            self.policy("RequestAuthentication", object, MATCH_LABELS, object.spec.selector.as_ref());
        }
        for object in &resources.telemetries {
            self.policy("Telemetry", object, MATCH_LABELS, object.spec.selector.as_ref());
        }
    }

    /// Alone of its kind, it is nothing at all with a selector in the root namespace.
    fn peer_authentication(&mut self, object: &Object<PeerAuthentication>) {
        let labels = object.spec.selector.as_ref().map(|selector| &selector.match_labels);
        let root = &self.world.mesh.root_namespace;
        if object.meta.namespace != *root || labels.is_none_or(BTreeMap::is_empty) {
            self.policy("PeerAuthentication", object, MATCH_LABELS, object.spec.selector.as_ref());
            return;
        }
        let message = format!(
            "in the root namespace {root} a PeerAuthentication with a selector is ignored: it applies to nothing"
        );
        let hint =
            "write it in the workloads' own namespace, or leave out the selector: then it is the mesh's";
        self.warn("PeerAuthentication", object, MATCH_LABELS.to_owned(), message, Some(hint.to_owned()));
    }

    fn policy<S>(&mut self, kind: &str, object: &Object<S>, path: &str, selector: Option<&Selector>) {
        let labels = selector.map(|selector| &selector.match_labels);
        self.maybe(kind, object, path, labels, "it applies to nothing");
    }

    fn maybe<S>(
        &mut self,
        kind: &str,
        object: &Object<S>,
        path: &str,
        labels: Option<&BTreeMap<String, String>>,
        so: &str,
    ) {
        if let Some(labels) = labels {
            self.selector(kind, object, path, labels, so);
        }
    }

    fn selector<S>(
        &mut self,
        kind: &str,
        object: &Object<S>,
        path: &str,
        labels: &BTreeMap<String, String>,
        so: &str,
    ) {
        let namespace = object.meta.namespace.as_str();
        // These of the root namespace are for the workloads of all.
        let is_for_all = matches!(kind, "AuthorizationPolicy" | "RequestAuthentication")
            && namespace == self.world.mesh.root_namespace;
        let reach = (!is_for_all).then_some(namespace);
        if labels.is_empty() || self.selected(reach, labels).next().is_some() {
            return;
        }
        let message = format!("no workload of namespace {namespace} has {}: {so}", written(labels));
        let hint = self.elsewhere(namespace, labels);
        self.warn(kind, object, path.to_owned(), message, hint);
    }

    /// Where somebody has these labels, or which of them it is that nobody here has.
    fn elsewhere(&self, namespace: &str, labels: &BTreeMap<String, String>) -> Option<String> {
        if let Some(other) = self.selected(None, labels).next() {
            return Some(format!("namespace {} has such workloads", other.namespace));
        }
        instead(self.workloads.iter().filter(|workload| workload.namespace == namespace), labels)
    }
}

/// What these workloads have of the label that none of them has as it is asked for.
pub(super) fn instead<'w>(
    workloads: impl Iterator<Item = &'w Workload> + Clone,
    labels: &BTreeMap<String, String>,
) -> Option<String> {
    workloads.clone().next()?;
    labels.iter().find_map(|(name, value)| {
        let known: BTreeSet<&String> =
            workloads.clone().filter_map(|workload| workload.labels.get(name)).collect();
        let quoted = listed(known.iter().map(|value| if value.is_empty() { "\"\"" } else { value.as_str() }));
        match known.len() {
            _ if known.contains(value) => None,
            0 => Some(format!("nobody there has a label {name}")),
            1 => Some(format!("{name} is {quoted} there")),
            2..=8 => Some(format!("{name} is one of {quoted} there")),
            _ => None,
        }
    })
}

const MATCH_LABELS: &str = "spec.selector.matchLabels";

/// `app=web, version=v1`
pub(super) fn written(labels: &BTreeMap<String, String>) -> String {
    listed(labels.iter().map(|(name, value)| format!("{name}={value}")))
}

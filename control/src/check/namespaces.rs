//! Namespaces in which nothing runs: a policy that stands in one, or names one, is for nobody.

use std::collections::BTreeSet;

use super::Checked;
use crate::read::nearest;
use crate::resources::Object;
use crate::resources::authorization_policy::AuthorizationPolicy;
use crate::resources::sidecar::Sidecar;

impl Checked<'_> {
    pub(super) fn namespaces(&mut self) {
        // Of a mesh without workloads, which other files may bring, nothing can be said.
        if self.workloads.is_empty() {
            return;
        }
        let resources = std::sync::Arc::clone(&self.world.resources);
        let known = self.inhabited();
        for object in &resources.authorization_policies {
            let for_all = object.spec.selector.as_ref().is_none_or(|of| of.match_labels.is_empty());
            self.uninhabited("AuthorizationPolicy", object, for_all, &known);
            self.sources(object, &known);
        }
        for object in &resources.peer_authentications {
            let for_all = object.spec.selector.as_ref().is_none_or(|of| of.match_labels.is_empty());
            self.uninhabited("PeerAuthentication", object, for_all, &known);
        }
        for object in &resources.request_authentications {
            let for_all = object.spec.selector.as_ref().is_none_or(|of| of.match_labels.is_empty());
            self.uninhabited("RequestAuthentication", object, for_all, &known);
        }
        for object in &resources.telemetries {
            let for_all = object.spec.selector.as_ref().is_none_or(|of| of.match_labels.is_empty());
            self.uninhabited("Telemetry", object, for_all, &known);
        }
        for object in &resources.sidecars {
            let for_all = object.spec.workload_selector.as_ref().is_none_or(|of| of.labels.is_empty());
            self.uninhabited("Sidecar", object, for_all, &known);
            self.egress(object, &known);
        }
    }

    /// Those that have workloads, and the root namespace, whose gateways nobody need write down.
    fn inhabited(&self) -> BTreeSet<String> {
        let groups = self.world.resources.workload_groups.iter().map(|object| object.meta.namespace.clone());
        let workloads = self.workloads.iter().map(|workload| workload.namespace.clone());
        workloads.chain(groups).chain([self.world.mesh.root_namespace.clone()]).collect()
    }

    /// One that selects by labels is told by them.
    fn uninhabited<S>(&mut self, kind: &str, object: &Object<S>, for_all: bool, known: &BTreeSet<String>) {
        let namespace = object.meta.namespace.as_str();
        // One that is written down may be there before its workloads.
        if !for_all || known.contains(namespace) || self.world.namespace_labels(namespace).is_some() {
            return;
        }
        let hint = self.inhabited_near(namespace, known).unwrap_or_else(|| {
            format!("`metadata.namespace` says where it holds; without it that is {DEFAULT}")
        });
        let message = format!("namespace {namespace} has no workload: it applies to nothing");
        self.warn(kind, object, "metadata.namespace".to_owned(), message, Some(hint));
    }

    fn inhabited_near(&self, namespace: &str, known: &BTreeSet<String>) -> Option<String> {
        let near = nearest(namespace, known.iter().map(String::as_str))?;
        Some(format!("did you mean {near}?"))
    }

    /// Callers of namespaces that have none.
    fn sources(&mut self, object: &Object<AuthorizationPolicy>, known: &BTreeSet<String>) {
        let mut named: Vec<(String, &String)> = Vec::new();
        for (place, rule) in object.spec.rules.iter().enumerate() {
            for (from, source) in rule.from.iter().enumerate() {
                let Some(source) = &source.source else { continue };
                let lists = [("namespaces", &source.namespaces), ("notNamespaces", &source.not_namespaces)];
                for (field, values) in lists {
                    let at = format!("spec.rules[{place}].from[{from}].source.{field}");
                    named.extend(
                        values.iter().enumerate().map(|(place, value)| (format!("{at}[{place}]"), value)),
                    );
                }
            }
            let of_namespaces =
                rule.when.iter().enumerate().filter(|(_, condition)| condition.key == "source.namespace");
            for (when, condition) in of_namespaces {
                let lists = [("values", &condition.values), ("notValues", &condition.not_values)];
                for (field, values) in lists {
                    let at = format!("spec.rules[{place}].when[{when}].{field}");
                    named.extend(
                        values.iter().enumerate().map(|(place, value)| (format!("{at}[{place}]"), value)),
                    );
                }
            }
        }
        for (path, value) in named {
            if value.contains('*') || known.contains(value) || self.world.namespace_labels(value).is_some() {
                continue;
            }
            let message = format!("namespace {value} has no workload: nobody calls from there");
            let hint = self.inhabited_near(value, known);
            self.warn("AuthorizationPolicy", object, path, message, hint);
        }
    }

    /// Hosts of namespaces that have none.
    fn egress(&mut self, object: &Object<Sidecar>, known: &BTreeSet<String>) {
        let resources = &self.world.resources;
        let services = self.world.services.iter().map(|service| service.namespace.clone());
        let routes = resources.virtual_services.iter().map(|object| object.meta.namespace.clone());
        let known: BTreeSet<String> = services.chain(routes).chain(known.iter().cloned()).collect();
        let mut found = Vec::new();
        for (place, listener) in object.spec.egress.iter().enumerate() {
            for (at, written) in listener.hosts.iter().enumerate() {
                let Some((namespace, _)) = written.split_once('/') else { continue };
                if matches!(namespace, "*" | "." | "~")
                    || known.contains(namespace)
                    || self.world.namespace_labels(namespace).is_some()
                {
                    continue;
                }
                let message = format!("namespace {namespace} has no service: this lets in nothing");
                found.push((format!("spec.egress[{place}].hosts[{at}]"), message, namespace));
            }
        }
        for (path, message, namespace) in found {
            let hint = self.inhabited_near(namespace, &known);
            self.warn("Sidecar", object, path, message, hint);
        }
    }
}

/// Where a resource is that names no namespace.
const DEFAULT: &str = "default";

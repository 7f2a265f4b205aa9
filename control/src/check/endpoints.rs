//! Services that select workloads and yet lead nowhere: a port's name that no container has, workloads without replicas.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::PodTemplateSpec;

use super::backed::Backed;
use super::{Checked, listed};
use crate::read::nearest;
use crate::resources::{Meta, Object};
use crate::world::service::Target;
use crate::world::workload::selects;

type KubernetesService = Object<k8s_openapi::api::core::v1::ServiceSpec>;

impl Checked<'_> {
    pub(super) fn endpoints(&mut self) {
        let resources = std::sync::Arc::clone(&self.world.resources);
        for object in &resources.services {
            let is_it = |of: &&Backed<'_>| {
                !of.service.external
                    && of.service.name == object.meta.name
                    && of.service.namespace == object.meta.namespace
            };
            let Some(service) = self.services.iter().find(is_it) else { continue };
            self.target_names(object, service);
            self.replicas(object, service);
        }
    }

    /// A name leads to the container's port of that name, and nowhere if there is none.
    fn target_names(&mut self, object: &KubernetesService, Backed { service, behind }: &Backed<'_>) {
        if behind.is_empty() {
            return;
        }
        for port in &service.ports {
            let Target::Name(name) = &port.target else { continue };
            if behind.iter().any(|workload| port.of(workload).is_some()) {
                continue;
            }
            let place = object.spec.ports.iter().flatten().position(|of| of.port == i32::from(port.number));
            let known: BTreeSet<&str> =
                behind.iter().flat_map(|workload| workload.named_ports.keys()).map(String::as_str).collect();
            let hint = match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None if known.is_empty() => {
                    "none of their ports has a name: give it one, or write its number".to_owned()
                }
                None => format!("their ports are named {}", listed(known.iter())),
            };
            let message = format!(
                "no container of its pods has a port named {name}: port {} leads nowhere, requests to it fail with 503",
                port.number
            );
            let path = format!("spec.ports[{}].targetPort", place.unwrap_or_default());
            self.warn("Service", object, path, message, Some(hint));
        }
    }

    /// Where whatever it selects has 0 replicas, it has no endpoints.
    fn replicas(&mut self, object: &KubernetesService, Backed { service, behind }: &Backed<'_>) {
        let resources = &self.world.resources;
        let is_behind = |meta: &Meta, template: &PodTemplateSpec| {
            let labels = template.metadata.as_ref().and_then(|meta| meta.labels.as_ref());
            meta.namespace == service.namespace
                && labels.is_some_and(|labels| selects(&service.selector, labels))
        };
        let deployments = resources.deployments.iter();
        let sets = resources.stateful_sets.iter();
        let idle: Vec<String> = deployments
            .map(|of| ("Deployment", &of.meta, &of.spec.template, of.spec.replicas))
            .chain(sets.map(|of| ("StatefulSet", &of.meta, &of.spec.template, of.spec.replicas)))
            .filter(|(_, meta, template, replicas)| *replicas == Some(0) && is_behind(meta, template))
            .map(|(kind, meta, ..)| format!("{kind} {}", meta.name))
            .collect();
        // Each of them is one of the workloads; any more are others, or run.
        if idle.is_empty() || behind.len() > idle.len() {
            return;
        }
        let message = format!("{} has 0 replicas: nobody answers, requests fail with 503", idle.join(", "));
        self.warn("Service", object, "spec.selector".to_owned(), message, None);
    }
}

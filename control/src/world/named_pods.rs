//! Pods that have names of their own: `web-0.web`, the pod `web-0` of the headless service `web`, as a StatefulSet's have.
//!
//! Where DNS knows such a name, its client says by the address which pod it means. A client of the HTTP proxy says so by
//! the name alone: for it, each such pod is a service of its own.

use std::sync::Arc;

use super::service::{Registry, Service, ServiceEndpoint};
use super::workload::Workload;

/// The pods of `service` that have a name there, with the first part of it; also those that take no requests now.
pub fn of(service: &Service) -> impl Iterator<Item = (&str, &ServiceEndpoint)> {
    let is_named = service.headless && service.registry == Registry::Kubernetes;
    let endpoints = service.endpoints.iter().chain(&service.unready).filter(move |_| is_named);
    endpoints.filter_map(|endpoint| Some((name(&endpoint.workload, service)?, endpoint)))
}

/// A service for each of them: called as the whole is, at that pod alone.
pub fn services(service: &Service) -> impl Iterator<Item = Service> {
    of(service).map(|(name, endpoint)| Service {
        host: format!("{name}.{}", service.host),
        name: format!("{name}.{}", service.name),
        headless: false,
        // A pod that is not ready is known, and not called.
        endpoints: service.endpoints.iter().filter(|ready| *ready == endpoint).cloned().collect(),
        unready: Vec::new(),
        // Other names of the service are not names of one pod.
        aliases: Vec::new(),
        ..service.clone()
    })
}

fn name<'w>(workload: &'w Arc<Workload>, service: &Service) -> Option<&'w str> {
    let (name, subdomain) = workload.dns.as_ref()?;
    (*subdomain == service.name && workload.namespace == service.namespace).then_some(name.as_str())
}

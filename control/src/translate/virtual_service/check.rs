//! What the author of a VirtualService should know: that another one has its host, or that a part of it does nothing.

use std::collections::BTreeSet;

use super::{MESH, choose, filters, matching};
use crate::read::{Diagnostic, Severity};
use crate::resources::Object;
use crate::resources::mesh_config::MeshConfig;
use crate::resources::virtual_service::VirtualService;
use crate::world::host;

/// Warnings about all of a mesh's VirtualServices.
#[must_use]
pub fn check(services: &[Object<VirtualService>], mesh: &MeshConfig) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for service in services {
        warnings.extend(lost_hosts(service, services, mesh));
        for (at, route) in service.spec.http.iter().enumerate() {
            let at = format!("spec.http[{at}]");
            if route.delegate.is_some() {
                let message = "weft does not delegate: requests of this route are answered with an error";
                warnings.push(warning(service, &format!("{at}.delegate"), message.to_owned(), None));
            }
            let Some(fault) = &route.fault else { continue };
            let hint = Some("write percentage: {value: 100} for all of them".to_owned());
            if fault.delay.as_ref().is_some_and(|delay| filters::delayed(delay).is_none()) {
                let message = "without a percentage no request is delayed".to_owned();
                warnings.push(warning(service, &format!("{at}.fault.delay"), message, hint.clone()));
            }
            if fault.abort.as_ref().is_some_and(|abort| filters::aborted(abort).is_none()) {
                let message = "without a percentage no request is aborted".to_owned();
                warnings.push(warning(service, &format!("{at}.fault.abort"), message, hint));
            }
        }
    }
    warnings
}

/// Hosts that an older one has, for sidecars of the same namespaces. (A gateway puts several together.)
fn lost_hosts(
    service: &Object<VirtualService>,
    services: &[Object<VirtualService>],
    mesh: &MeshConfig,
) -> Vec<Diagnostic> {
    let mut lost = Vec::new();
    if !is_for_sidecars(service) {
        return lost;
    }
    for (at, name) in service.spec.hosts.iter().enumerate() {
        let name = host::full(name, &service.meta.namespace);
        let has_it = |other: &&Object<VirtualService>| {
            let names = other.spec.hosts.iter().map(|name| host::full(name, &other.meta.namespace));
            choose::age(other) < choose::age(service)
                && is_for_sidecars(other)
                && see_each_other(other, service, mesh)
                && names.into_iter().any(|of_other| of_other == name)
        };
        if let Some(winner) =
            services.iter().filter(has_it).min_by(|a, b| choose::age(a).cmp(&choose::age(b)))
        {
            let (by, source) = (&winner.meta, &winner.source);
            lost.push(warning(
                service,
                &format!("spec.hosts[{at}]"),
                format!("{name} has another VirtualService that comes first, {}/{} ({source}; by creationTimestamp, then by file): where both have routes, these are not used", by.namespace, by.name),
                Some("put the routes into one VirtualService".to_owned()),
            ));
        }
    }
    lost
}

/// Whether sidecars go by it: what names gateways alone is not for them.
pub(crate) fn is_for_sidecars(service: &Object<VirtualService>) -> bool {
    let gateways = &service.spec.gateways;
    let is_mesh = |name: &String| matching::gateway(name, &service.meta.namespace) == MESH;
    gateways.is_empty() || gateways.iter().any(is_mesh)
}

/// Whether some namespace sees both.
fn see_each_other(a: &Object<VirtualService>, b: &Object<VirtualService>, mesh: &MeshConfig) -> bool {
    match (seen_by(a, mesh), seen_by(b, mesh)) {
        (None, None) => true,
        (None, Some(some)) | (Some(some), None) => !some.is_empty(),
        (Some(a), Some(b)) => !a.is_disjoint(&b),
    }
}

/// The namespaces that see it; `None`: all.
fn seen_by(service: &Object<VirtualService>, mesh: &MeshConfig) -> Option<BTreeSet<String>> {
    let own = &service.spec.export_to;
    let written = if own.is_empty() { &mesh.default_virtual_service_export_to } else { own };
    if written.is_empty() || written.iter().any(|to| to == "*") {
        return None;
    }
    let name = |to: &String| if to == "." { service.meta.namespace.clone() } else { to.clone() };
    Some(written.iter().filter(|to| *to != "~").map(name).collect())
}

fn warning(
    service: &Object<VirtualService>,
    path: &str,
    message: String,
    hint: Option<String>,
) -> Diagnostic {
    Diagnostic {
        severity: Severity::Warning,
        file: service.source.file.clone(),
        line: service.source.line,
        column: 1,
        resource: Some(format!("VirtualService {}/{}", service.meta.namespace, service.meta.name)),
        path: path.to_owned(),
        message,
        hint,
    }
}

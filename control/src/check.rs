//! What is wrong between resources: names that nothing has, labels that no pod has, ports that nobody exposes.
//!
//! Each resource by itself is fine, so a cluster takes them in silence and they do nothing, or the opposite of what was
//! meant. Nothing here is an error: what is missing may come later, from another file.

mod accounts;
mod backed;
mod destination_rules;
mod doubled;
mod endpoints;
mod health_checks;
mod idle_routes;
mod loopback;
mod namespaces;
mod outliers;
mod policies;
mod rules_by_age;
mod selectors;
mod tcp_policies;
mod telemetry;
mod transport;
mod virtual_services;

use std::collections::BTreeMap;
use std::sync::Arc;

use backed::Backed;
use rules_by_age::RulesByAge;

use crate::read::{Diagnostic, Reading, Severity};
use crate::resources::{Meta, Object, Resources};
use crate::translate::{authorization, gates, jwt, names, virtual_service};
use crate::world::World;
use crate::world::service::Service;
use crate::world::workload::{Workload, selects};

/// What `look` finds in what was read. Of files with errors that is what is so with and without the resources that have a
/// wrong value, so that it will be so when those are mended; nothing where some could not be read at all.
#[must_use]
pub fn found(reading: &Reading, look: impl Fn(&World) -> Vec<Diagnostic>) -> Vec<Diagnostic> {
    let of = |resources: Resources| look(&World::new(Arc::new(resources), &[]));
    if reading.is_unclear {
        return Vec::new();
    }
    let mut found = of(reading.resources.clone());
    if reading.has_errors() {
        let with = of(reading.resources.clone().and(reading.doubted.clone()));
        found.retain(|finding| with.contains(finding));
    }
    found
}

/// Warnings about what does nothing on loopback, where nobody intercepts connections.
#[must_use]
pub fn check_loopback(world: &World) -> Vec<Diagnostic> {
    let mut checked = Checked { world, workloads: &[], services: &[], warnings: Vec::new() };
    checked.loopback();
    checked.warnings
}

/// Warnings about what does nothing where connections are intercepted.
#[must_use]
pub fn check_interception(world: &World) -> Vec<Diagnostic> {
    let mut checked = Checked { world, workloads: &[], services: &[], warnings: Vec::new() };
    checked.headless_outliers();
    checked.headless_health_checks();
    checked.warnings
}

/// Warnings about everything in the world, file by file.
///
/// Workloads are those that templates describe as well as those that run: what is not started is no mistake.
#[must_use]
pub fn check(world: &World) -> Vec<Diagnostic> {
    let workloads = world.described();
    let services = Backed::all(world, &workloads);
    let mut checked = Checked { world, workloads: &workloads, services: &services, warnings: Vec::new() };
    let rules = RulesByAge::new(&world.resources.destination_rules, &world.mesh);
    checked.selectors();
    checked.endpoints();
    checked.namespaces();
    checked.destination_rules(&rules);
    checked.virtual_services();
    checked.policies();
    checked.tcp_policies();
    checked.doubled(&rules);
    checked.service_accounts();
    checked.health_checks();
    checked.log_providers();
    let mut warnings = checked.warnings;
    let resources = &world.resources;
    let issuers: Vec<&str> = jwt::issuers(&resources.request_authentications).into_iter().collect();
    let find = |name: &str| gates::authorizer(world, name);
    let context = authorization::Context { trust: gates::trust(world), authorizer: &find };
    for policy in &resources.authorization_policies {
        warnings.extend(authorization::check(policy, &issuers, &context));
    }
    for policy in &resources.request_authentications {
        warnings.extend(jwt::check(policy, &|host, port| {
            let known =
                world.services.iter().any(|service| service.host == host && service.port(port).is_some());
            known.then(|| names::outbound(port, "", host))
        }));
    }
    warnings.extend(virtual_service::check(&resources.virtual_services, &world.mesh.config));
    warnings.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    warnings
}

struct Checked<'a> {
    world: &'a World,
    workloads: &'a [Workload],
    services: &'a [Backed<'a>],
    warnings: Vec<Diagnostic>,
}

impl Checked<'_> {
    fn warn<S>(
        &mut self,
        kind: &str,
        object: &Object<S>,
        path: String,
        message: String,
        hint: Option<String>,
    ) {
        let Meta { namespace, name, .. } = &object.meta;
        self.warnings.push(Diagnostic {
            severity: Severity::Warning,
            file: object.source.file.clone(),
            line: object.source.line,
            column: 1,
            resource: Some(format!("{kind} {namespace}/{name}")),
            path,
            message,
            hint,
        });
    }

    /// The workloads of `namespace` (`None`: of any) that have all of these labels.
    fn selected<'s>(
        &'s self,
        namespace: Option<&'s str>,
        labels: &'s BTreeMap<String, String>,
    ) -> impl Iterator<Item = &'s Workload> {
        self.workloads.iter().filter(move |workload| {
            namespace.is_none_or(|namespace| workload.namespace == namespace)
                && selects(labels, &workload.labels)
        })
    }

    /// The service that `host` is, as `namespace` sees it.
    fn service(&self, host: &str, namespace: &str) -> Option<&Service> {
        let visible = |service: &&std::sync::Arc<Service>| {
            service.export_to.sees(namespace) && crate::world::host::covers(&service.host, host)
        };
        self.world
            .services
            .iter()
            .filter(visible)
            .max_by_key(|service| service.host == host)
            .map(|found| &**found)
    }

    /// What a host that nobody of `namespace` sees may have been meant to be.
    fn near(&self, host: &str, namespace: &str) -> Option<String> {
        let hidden = self.world.services.iter().find(|service| service.host == host);
        if let Some(service) = hidden {
            return Some(format!("it is at {}, whose exportTo does not name this namespace", service.source));
        }
        let mut labels = host.split('.');
        let name = labels.next().unwrap_or_default();
        let elsewhere = self.world.services.iter().find(|service| {
            service.name == name
                && (labels.clone().next() == Some(&service.namespace) || service.namespace != namespace)
        });
        if let Some(service) = elsewhere {
            return Some(format!("did you mean {}?", service.host));
        }
        let here = self.world.services.iter().filter(|service| service.namespace == namespace);
        let nearest =
            here.map(|service| (strsim::damerau_levenshtein(&service.name, name), &service.name)).min()?;
        (nearest.0 <= 2).then(|| format!("did you mean {}?", nearest.1))
    }
}

/// `80, 9000`
fn listed<T: ToString>(values: impl Iterator<Item = T>) -> String {
    values.map(|value| value.to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;

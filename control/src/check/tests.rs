//! The mistakes of SELFMONITOR's kind: each is found, and the good manifests have none.

use super::check;
use crate::sample;

/// `path: message` of every warning about a text.
fn found_in(yaml: &str) -> Vec<String> {
    let warnings = check(&sample::world(yaml));
    warnings.iter().map(|warning| format!("{}: {}", warning.path, warning.message)).collect()
}

/// `path: message; hint` of every warning about a text.
fn said_in(yaml: &str) -> Vec<String> {
    let warnings = check(&sample::world(yaml));
    warnings
        .into_iter()
        .map(|told| format!("{}: {}; {}", told.path, told.message, told.hint.unwrap_or_default()))
        .collect()
}

/// The first of these for a text beside [`WEB`], in which nothing is wrong.
fn found(yaml: &str) -> Vec<String> {
    found_in(&format!("{WEB}{yaml}"))
}

/// The second of them for such a text.
fn said(yaml: &str) -> Vec<String> {
    said_in(&format!("{WEB}{yaml}"))
}

const WEB: &str = r"
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: shop}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8000}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, version: v1}}
    spec: {serviceAccountName: web, containers: [{name: app, image: web, ports: [{containerPort: 8000}]}]}
---
";

#[test]
fn the_manifests_of_selfmonitor_have_no_such_mistake() {
    let warnings = check(&sample::running(sample::selfmonitor().resources));
    assert_eq!(warnings, []);
}

#[test]
fn nor_have_those_that_meshes_are_compared_with() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench/compare/mesh");
    let reading = crate::read::read(&[path]);
    assert_eq!(reading.diagnostics, []);
    // Policies that are there to be many name accounts of nobody.
    for told in check(&sample::running(reading.resources)) {
        assert!(told.message.contains("runs as service account other-"), "{told}");
    }
}

mod accounts;
mod destination_rules;
mod doubled;
mod doubted;
mod endpoints;
mod health_checks;
mod interception;
mod namespaces;
mod outliers;
mod policies;
mod routes;
mod selectors;
mod tcp_policies;
mod telemetry;
mod transport;
mod virtual_services;

//! The repository's own manifests, and everything that is not about one document alone.

use super::*;

mod documents;
mod fields;
mod files;
mod honoured;
mod hostile;
mod kubernetes;
mod kustomizations;
mod shapes;
mod slips;
mod strangers;
mod together;
mod traps;
mod values;

/// What reading `text` has to say, a line each.
fn said(text: &str) -> Vec<String> {
    read_str("t.yaml", text).diagnostics.iter().map(ToString::to_string).collect()
}

/// Reads an Istio resource of which only the spec matters; its first line is line 4.
fn said_of(api: &str, kind: &str, spec: &str) -> Vec<String> {
    let text = format!("apiVersion: {api}\nkind: {kind}\nmetadata: {{name: x, namespace: ns}}\n{spec}");
    let suffix = format!(" [{kind} ns/x]");
    said(&text).into_iter().map(|line| line.trim_end_matches(&suffix).to_owned()).collect()
}

fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn is_of_breakers(path: &str) -> bool {
    path.contains("outlierDetection") || path.contains("connectionPool")
}

#[test]
fn the_self_monitor_manifests_have_nothing_wrong() {
    let reading = read(&[repository("deploy/selfmonitor")]);
    // Circuit breakers are not done yet, and each one asked for is told; nothing else is.
    for told in &reading.diagnostics {
        assert!(!told.is_error() && is_of_breakers(&told.path), "{told}");
    }
    assert!(reading.passed_over.is_empty());
    let resources = &reading.resources;
    assert_eq!(resources.deployments.len(), 25);
    assert_eq!(resources.stateful_sets.len(), 1);
    assert_eq!(resources.services.len(), 25);
    assert_eq!(resources.service_accounts.len(), 25);
    assert_eq!(resources.destination_rules.len(), 28);
    assert!(resources.authorization_policies.iter().any(|policy| policy.spec.rules.is_empty()));
    let canary = resources
        .virtual_services
        .iter()
        .find(|service| service.meta.name == "predictive-analytics")
        .unwrap();
    let weights: Vec<_> = canary.spec.http[1].route.iter().map(|route| route.weight).collect();
    assert_eq!(weights, [Some(90), Some(10)]);
    assert!(canary.source.file.ends_with("traffic/virtual-services.yaml"));
    assert_eq!(canary.source.line, 2);
}

#[test]
fn a_mesh_of_every_feature_is_read_with_warnings_for_what_is_not_honoured() {
    let reading = read(&[repository("tests/conformance/mesh")]);
    let mut said: Vec<String> = Vec::new();
    for diagnostic in &reading.diagnostics {
        assert!(!diagnostic.is_error(), "{diagnostic}");
        if is_of_breakers(&diagnostic.path) {
            continue;
        }
        said.push(format!("{}: {}", diagnostic.resource.as_deref().unwrap_or_default(), diagnostic.path));
    }
    assert_eq!(
        said,
        [
            "Gateway selfmonitor/selfmonitor-gateway: spec.servers",
            "AuthorizationPolicy selfmonitor/user-profile-service: spec.rules[0].to[0].operation.notPaths[0]",
            "AuthorizationPolicy selfmonitor/transactions-service: spec.rules[0].from[0].source.requestPrincipals",
            "AuthorizationPolicy selfmonitor/transactions-service: spec.rules[0].when[0].key",
            "RequestAuthentication selfmonitor/transactions-service: spec.jwtRules",
            "Telemetry istio-system/mesh: spec.tracing",
        ]
    );
    assert_eq!(reading.resources.service_entries.len(), 10);
    assert_eq!(reading.resources.workload_entries.len(), 12);
    assert_eq!(reading.resources.mesh.as_ref().unwrap().spec.trust_domain, "cluster.local");
}

//! Whom policies are for.

use super::*;

const ALL: &str = r#"
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: mesh, namespace: istio-system}
spec: {}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: mesh-selected, namespace: istio-system}
spec: {selector: {matchLabels: {app: a}}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: young, namespace: foo, creationTimestamp: "2026-02-02T00:00:00Z"}
spec: {}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: old, namespace: foo, creationTimestamp: "2026-01-01T00:00:00Z"}
spec: {selector: {matchLabels: {app: a, version: v1}}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: elsewhere, namespace: bar}
spec: {}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: gateway, namespace: foo}
spec: {targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: front}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: waypoint, namespace: foo}
spec: {targetRef: {kind: Service, name: a}}
"#;

fn names(namespace: &str, labels: &[(&str, &str)]) -> Vec<String> {
    let policies = read(ALL);
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let target = Target { namespace, labels: &labels, root_namespace: "istio-system" };
    applying(&policies, &target).iter().map(|policy| policy.meta.name.clone()).collect()
}

#[test]
fn the_meshs_policies_come_first_then_the_namespaces_the_older_first() {
    assert_eq!(
        names("foo", &[("app", "a"), ("version", "v1"), ("x", "y")]),
        ["mesh", "mesh-selected", "old", "young"]
    );
    assert_eq!(names("foo", &[("app", "a"), ("version", "v2")]), ["mesh", "mesh-selected", "young"]);
    assert_eq!(names("bar", &[]), ["mesh", "elsewhere"]);
    assert_eq!(names("istio-system", &[("app", "b")]), ["mesh"]);
}

#[test]
fn a_reference_is_for_the_gateway_that_it_names_alone() {
    let front = [("gateway.networking.k8s.io/gateway-name", "front")];
    assert_eq!(names("foo", &front), ["mesh", "young", "gateway"]);
    assert_eq!(names("bar", &front), ["mesh", "elsewhere"]);
    assert_eq!(names("foo", &[("gateway.networking.k8s.io/gateway-name", "back")]), ["mesh", "young"]);
}

//! Values of Kubernetes' own kinds.

use super::values::{check, found};

#[test]
fn kubernetes_services_and_workloads() {
    check(
        "v1",
        "Service",
        &[
            ("{}", "error: spec: `ports` is missing"),
            ("{ports: [{port: 0}]}", "error: spec.ports[0].port: 0 is not a port"),
            ("{ports: [{port: 80}, {port: 81}]}", "error: spec.ports[0]: `name` is missing"),
            (
                "{ports: [{port: 80, protocol: HTTP}]}",
                "error: spec.ports[0].protocol: \"HTTP\" is not one of TCP, UDP, SCTP",
            ),
            ("{clusterIP: None, selector: {a: b}}", ""),
            ("{type: ExternalName}", "error: spec.externalName: a host is missing"),
            ("{ports: [{port: 80, targetPort: http}]}", ""),
        ],
    );
    check(
        "apps/v1",
        "Deployment",
        &[
            (
                "{selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: c}}, spec: {containers: [{name: c}]}}}",
                "error: spec.selector.matchLabels.a: the template has no label a: b",
            ),
            ("{template: {spec: {containers: [{name: c}]}}}", "error: spec: `selector` is missing"),
            (
                "{selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {}}}",
                "error: spec.template.spec: `containers` is missing",
            ),
            (
                "{selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, env: [{name: A, value: b, valueFrom: {fieldRef: {fieldPath: x}}}]}]}}}",
                "error: spec.template.spec.containers[0].env[0].valueFrom: only one of value and valueFrom",
            ),
            (
                "{replicas: -1, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c}]}}}",
                "error: spec.replicas: -1 is negative",
            ),
        ],
    );
    assert!(
        found("apps/v1", "Deployment", "").iter().any(|line| line.starts_with("error: `spec` is missing"))
    );
}

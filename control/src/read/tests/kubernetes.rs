//! Values of Kubernetes' own kinds.

use super::said;
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
            (
                "{ports: [{port: 80, protocol: HTTP}]}",
                "error: spec.ports[0].protocol: \"HTTP\" is not one of TCP, UDP, SCTP; what is spoken on the port",
            ),
            (
                "{ports: [{port: 80, protocol: tcp}]}",
                "error: spec.ports[0].protocol: \"tcp\" is not one of TCP, UDP, SCTP; did you mean TCP?",
            ),
            (
                "{ports: [{port: 80, protocol: UPD}]}",
                "error: spec.ports[0].protocol: \"UPD\" is not one of TCP, UDP, SCTP; did you mean UDP?",
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

#[test]
fn amounts_that_a_cluster_refuses_are_named() {
    let of = |resources: &str| {
        let spec = format!("{{containers: [{{name: c, resources: {resources}}}]}}");
        found("v1", "Pod", &spec)
    };
    for (amount, hint) in [
        ("1x", "a number, and behind it one of n, u, m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei or nothing"),
        ("1GB", "did you mean 1G?"),
        ("256mib", "did you mean 256Mi?"),
        ("1K", "did you mean 1k?"),
    ] {
        assert_eq!(
            of(&format!("{{limits: {{memory: {amount}}}}}")),
            [format!(
                "error: spec.containers[0].resources.limits.memory: \"{amount}\" is not an amount; {hint}"
            )]
        );
    }
    for amount in ["Mi", "'1 Gi'", "1.2.3", "'.'", "1e", "1ee3", "--1", "''", "1-1"] {
        let told = of(&format!("{{requests: {{cpu: {amount}}}}}"));
        assert!(told.len() == 1 && told[0].contains("is not an amount"), "{amount}: {told:?}");
    }
    for amount in
        ["1", "'1'", "0.5", "'.5'", "'5.'", "500m", "1e3", "1E-3", "'1E'", "64Mi", "100u", "-0", "+1"]
    {
        assert_eq!(of(&format!("{{limits: {{cpu: {amount}}}}}")), [""; 0], "{amount}");
    }
    assert_eq!(
        of("{limits: {cpu: -500m}}"),
        ["error: spec.containers[0].resources.limits.cpu: -500m is negative"]
    );
}

#[test]
fn a_container_s_port_has_its_protocol_in_capitals() {
    check(
        "v1",
        "Pod",
        &[(
            "{containers: [{name: c, ports: [{containerPort: 80, protocol: udp}]}]}",
            "error: spec.containers[0].ports[0].protocol: \"udp\" is not one of TCP, UDP, SCTP; did you mean UDP?",
        )],
    );
}

#[test]
fn a_config_map_s_key_that_no_cluster_takes_is_told() {
    let of = |key: &str| {
        said(&format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c, namespace: ns}}\ndata:\n  {key}: x\n"
        ))
    };
    assert_eq!(
        of("a b"),
        [
            "t.yaml:5:3: warning: data[\"a b\"]: \"a b\" is not a key that a cluster takes; at most 253 letters, digits, -, _ and ., and not .. at the beginning [ConfigMap ns/c]"
        ]
    );
    for key in ["a/b", "..a", ".", "é"] {
        assert_eq!(of(key).len(), 1, "{key}");
    }
    for key in ["A_b-c.d", ".hidden", "1"] {
        assert_eq!(of(key), [""; 0], "{key}");
    }
}

use super::*;
use crate::up::pods::{Draft, Kind};
use std::collections::BTreeMap;

fn draft(containers: Value) -> Draft {
    Draft {
        name: "web-1".into(),
        namespace: "shop".into(),
        kind: Kind::Deployment,
        workload: "web".into(),
        update: crate::up::update::Update::default(),
        dns: None,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        spec: serde_json::from_value(json!({ "containers": containers })).unwrap(),
    }
}

#[test]
fn a_pods_probes_are_handed_over_as_an_injector_does() {
    let of = draft(json!([
        {
            "name": "app",
            "ports": [{ "name": "web", "containerPort": 8443 }],
            "readinessProbe": {
                "httpGet": { "path": "/ready", "port": "web", "scheme": "HTTPS" }, "timeoutSeconds": 3
            },
            "livenessProbe": { "grpc": { "port": 9000, "service": "a" } },
            "startupProbe": { "tcpSocket": { "port": 8443 } },
        },
        { "name": "other", "livenessProbe": { "exec": { "command": ["true"] } } },
        { "name": "istio-proxy", "readinessProbe": { "tcpSocket": { "port": 1 } } },
    ]));
    let written: Value = serde_json::from_str(&super::of(&of)).unwrap();
    assert_eq!(
        written,
        json!({
            "/app-health/app/readyz": {
                "httpGet": { "path": "/ready", "port": 8443, "scheme": "HTTPS" }, "timeoutSeconds": 3
            },
            "/app-health/app/livez": { "grpc": { "port": 9000, "service": "a" } },
            "/app-health/app/startupz": { "tcpSocket": { "port": 8443 } },
        })
    );
}

#[test]
fn without_probes_or_with_an_annotation_against_it_nothing_is_handed_over() {
    assert_eq!(of(&draft(json!([{ "name": "app" }]))), "");
    let probed = json!([{ "name": "app", "readinessProbe": { "tcpSocket": { "port": 1 } } }]);
    let annotations = BTreeMap::from([(REWRITE.to_owned(), "false".to_owned())]);
    assert_eq!(of(&Draft { annotations, ..draft(probed) }), "");
}

use super::*;
use serde_json::json;

fn pod(ports: &serde_json::Value) -> Pod {
    serde_json::from_value(json!({
        "name": "web-1", "namespace": "shop", "kind": "Deployment", "workload": "web", "service_account": "default",
        "services": ["web"], "labels": {}, "annotations": {}, "address": "127.64.0.1", "localhost": "127.64.0.2",
        "sidecar": true, "containers": [], "ports": ports, "tcp": {}, "environment": [["A", "before"]],
        "rewritten": [], "ready": true, "template": "same", "place": "web-1",
    }))
    .unwrap()
}

#[test]
fn ports_change_while_a_pod_runs_and_its_environment_does_not() {
    let old = pod(&json!([{ "name": null, "number": 80, "protocol": "http" }]));
    assert_eq!(changed(&old, &old), None);
    let edited = json!([
        { "name": null, "number": 80, "protocol": "grpc" }, { "name": null, "number": 81, "protocol": "http" },
        { "name": null, "number": 53, "protocol": "udp" },
    ]);
    let wanted = Pod { environment: vec![("A".into(), "after".into())], ready: false, ..pod(&edited) };
    let new = changed(&old, &wanted).unwrap();
    assert_eq!((&new.ports, new.ready), (&wanted.ports, true));
    assert_eq!(new.environment, old.environment, "it was started with that");
    let numbers: Vec<u16> = gained(&old, &new).map(|port| port.number).collect();
    assert_eq!(numbers, [80, 81], "one speaks something else, one is new, one is not carried");
}

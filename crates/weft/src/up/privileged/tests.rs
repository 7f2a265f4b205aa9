use super::*;
use serde_json::json;

#[test]
fn ports_of_root_are_named_with_their_pods_and_the_way_out() {
    let plan: Plan = serde_json::from_value(json!({ "base": { "Loopback": 64 }, "notes": [], "pods": [{
        "name": "web-1", "namespace": "shop", "kind": "Deployment", "workload": "web", "service_account": "default",
        "services": [], "labels": {}, "annotations": {}, "address": "127.64.1.1", "localhost": "127.64.1.2",
        "sidecar": true, "containers": [],
        "ports": [{ "name": null, "number": 80, "protocol": "http" }, { "name": null, "number": 8000, "protocol": "http" },
                  { "name": null, "number": 53, "protocol": "udp" }],
        "tcp": { "ldap.shop:389": "127.64.1.10" }, "environment": [], "rewritten": [], "ready": true, "template": "",
    }] }))
    .unwrap();
    let said = warning(&plan, 1024).unwrap();
    assert!(said.contains("web need 80, 389;") && said.contains("port_start=80"), "{said}");
    assert_eq!(warning(&plan, 80).map(|said| said.contains("389")), None);
    assert_eq!(warning(&plan, 0), None);
}

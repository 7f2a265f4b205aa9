use super::*;
use serde_json::json;

fn pod(namespace: &str, workload: &str) -> Pod {
    serde_json::from_value(json!({
        "name": format!("{workload}-1"), "namespace": namespace, "kind": "Deployment", "workload": workload,
        "service_account": "default", "services": [workload], "labels": {}, "annotations": {},
        "address": "127.64.0.1", "localhost": "127.64.0.2", "sidecar": true, "containers": [], "ports": [],
        "tcp": {}, "environment": [["CART_URL", "http://cart"]], "rewritten": [], "ready": true, "template": "",
    }))
    .unwrap()
}

fn said(pods: &[Pod]) -> String {
    let plan = Plan { pods: pods.to_vec(), ..Plan::default() };
    summary(&plan, |_| App::StandIn, Duration::ZERO)
}

#[test]
fn services_of_one_name_in_two_namespaces_are_told_apart() {
    let text = said(&[pod("front", "web"), pod("shop", "web")]);
    assert!(text.contains("front/web ") && text.contains("shop/web "), "{text}");
    assert!(text.contains("weft curl --from front/web http://cart"), "{text}");
}

#[test]
fn in_one_namespace_a_service_has_its_short_name() {
    let text = said(&[pod("shop", "web"), pod("shop", "cart")]);
    assert!(!text.contains("shop/"), "{text}");
}

use super::*;
use serde_json::json;

fn pod(namespace: &str, name: &str, workload: &str, services: &[&str]) -> Pod {
    serde_json::from_value(json!({
        "name": name, "namespace": namespace, "kind": "Deployment", "workload": workload,
        "service_account": "default", "services": services, "labels": {}, "annotations": {},
        "address": "127.64.0.1", "localhost": "127.64.0.2", "sidecar": true, "containers": [], "ports": [],
        "tcp": {}, "environment": [], "rewritten": [], "ready": true, "template": "",
    }))
    .unwrap()
}

fn mesh() -> Plan {
    let pods = vec![
        pod("shop", "cart-1", "cart", &["basket"]),
        pod("shop", "cart-2", "cart", &["basket"]),
        pod("shop", "web-1", "web", &["web"]),
        pod("blog", "web-1", "web", &["web"]),
    ];
    Plan { pods, ..Plan::default() }
}

fn found(name: &str) -> Result<Vec<String>, FindError> {
    let plan = mesh();
    let names = pods(&plan, name)?.iter().map(|pod| format!("{}/{}", pod.namespace, pod.name)).collect();
    Ok(names)
}

#[test]
fn a_workload_a_service_and_a_pod_are_found_by_name() {
    assert_eq!(found("cart").unwrap(), ["shop/cart-1", "shop/cart-2"]);
    assert_eq!(found("basket.shop").unwrap(), ["shop/cart-1", "shop/cart-2"]);
    assert_eq!(found("cart-2").unwrap(), ["shop/cart-2"]);
    assert_eq!(found("blog/web").unwrap(), ["blog/web-1"]);
    assert_eq!(found("web-1.blog").unwrap(), ["blog/web-1"]);
}

#[test]
fn something_runs_in_a_pod_that_takes_requests_where_there_is_one() {
    let mut plan = mesh();
    let chosen = |plan: &Plan| one(plan, "cart").unwrap().name.clone();
    assert_eq!(chosen(&plan), "cart-1");
    plan.pods[0].ready = false;
    assert_eq!(chosen(&plan), "cart-2");
    plan.pods[1].ready = false;
    assert_eq!(chosen(&plan), "cart-1");
    assert_eq!(one(&plan, "cart-1").unwrap().name, "cart-1");
}

#[test]
fn what_is_in_several_namespaces_must_be_said_in_full() {
    let error = found("web").unwrap_err().to_string();
    assert!(error.contains("blog, shop") && error.contains("web.NAMESPACE"), "{error}");
}

#[test]
fn a_slip_is_answered_with_what_was_meant() {
    assert!(found("crat").unwrap_err().to_string().contains("did you mean cart?"));
    assert!(found("zzzzzz").unwrap_err().to_string().contains("there are cart, web"));
    assert!(found("").is_err());
    assert!(found("cart.blog").is_err());
}

use super::*;
use crate::up::only::LeftOut;
use serde_json::json;

fn pod(name: &str, namespace: &str) -> Pod {
    let pod = json!({
        "name": name, "namespace": namespace, "kind": "Deployment", "workload": name, "service_account": "default",
        "services": [name], "labels": {}, "annotations": {}, "address": "127.64.1.1", "localhost": "127.64.1.2",
        "sidecar": true, "containers": [], "ports": [], "tcp": {}, "environment": [], "rewritten": [], "ready": true,
        "template": "",
    });
    serde_json::from_value(pod).unwrap()
}

fn asked(host: &str, status: Option<u16>) -> Option<String> {
    let left_out = vec![LeftOut { name: "cart".into(), namespace: "shop".into() }];
    let plan = Plan { pods: vec![pod("web", "shop"), pod("oracle", "data")], left_out, ..Plan::default() };
    of(&plan, &plan.pods[0], host, status.map(|status| StatusCode::from_u16(status).unwrap()))
}

#[test]
fn a_service_that_only_left_out_is_told_as_such_however_it_is_written() {
    for host in ["cart", "Cart.shop", "cart.shop.svc", "cart.shop.svc.cluster.local."] {
        assert!(asked(host, Some(503)).is_some_and(|hint| hint.contains("--only leaves it out")), "{host}");
    }
    for host in ["cart.data", "carts", "cart.shop.example.com", "web"] {
        assert_eq!(asked(host, Some(503)), None, "{host}");
    }
}

#[test]
fn a_service_of_another_namespace_is_named_in_full() {
    let hint = "namespace shop has no service oracle; did you mean oracle.data?";
    assert_eq!(asked("oracle", Some(502)).as_deref(), Some(hint));
    assert_eq!(asked("oracle", None).as_deref(), Some(hint));
    assert_eq!(asked("oracle.data", Some(502)), None);
}

#[test]
fn an_answer_needs_no_hint() {
    assert_eq!(asked("cart", Some(404)), None);
}

#[test]
fn a_service_of_the_mesh_is_called_in_clear() {
    let plan = Plan { pods: vec![pod("web", "shop"), pod("oracle", "data")], ..Plan::default() };
    let said = |host: &str| of_no_tls(&plan, &plan.pods[0], host);
    for host in ["web", "web.shop", "Oracle.data.svc.cluster.local."] {
        assert!(said(host).is_some_and(|hint| hint.contains("write http://")), "{host}");
    }
    assert_eq!((said("oracle"), said("example.org")), (None, None));
}

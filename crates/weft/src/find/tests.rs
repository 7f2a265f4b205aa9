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

/// The same, of which `old` rests, and a service leads to a host outside.
fn mesh_with_more() -> Plan {
    let podless = |kind: &str, name: &str, namespace: &str, why: &str, hosts: &[&str]| Podless {
        kind: kind.into(),
        name: name.into(),
        namespace: namespace.into(),
        why: why.into(),
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
    };
    let podless = vec![
        podless("Deployment", "old", "shop", "replicas: 0", &["basket.shop.svc.cluster.local"]),
        podless("ServiceEntry", "api.example.org", "", "it is a host outside", &["api.example.org"]),
        podless("Service", "cart", "blog", "it has no selector", &["cart.blog.svc.cluster.local"]),
        podless("Job", "seed", "shop", "nobody runs it", &[]),
    ];
    Plan { podless, ..mesh() }
}

#[test]
fn what_stands_in_the_files_and_runs_nowhere_has_no_pods_and_is_not_unknown() {
    let plan = mesh_with_more();
    let said = |name: &str| one(&plan, name).unwrap_err().to_string();
    assert_eq!(said("old"), "Deployment old of namespace shop has no pods: replicas: 0");
    assert_eq!(said("api.example.org"), "ServiceEntry api.example.org has no pods: it is a host outside");
    assert_eq!(said("cart.blog"), "Service cart of namespace blog has no pods: it has no selector");
    assert_eq!(one(&plan, "cart").unwrap().name, "cart-1", "what runs comes first");
    assert!(said("odl").contains("did you mean old?"));
}

#[test]
fn calls_are_told_by_the_services_that_lead_to_what_is_meant() {
    let plan = mesh_with_more();
    let of = |name: &str| {
        let meant = meant(&plan, name).unwrap();
        (meant.pods.len(), meant.services.into_iter().collect::<Vec<_>>())
    };
    assert_eq!(of("cart"), (2, vec!["basket.shop.svc.cluster.local".to_owned()]));
    assert_eq!(of("shop/old"), (0, vec!["basket.shop.svc.cluster.local".to_owned()]));
    assert_eq!(of("api.example.org"), (0, vec!["api.example.org".to_owned()]));
    assert!(matches!(meant(&plan, "nobody"), Err(FindError::Unknown { .. })));
    // What nobody can have called is told, rather than shown as nothing.
    assert_eq!(
        meant(&plan, "seed").unwrap_err().to_string(),
        "Job seed of namespace shop has no pods: nobody runs it"
    );
}

use super::*;
use crate::up::services::Service;
use serde_json::{Value, json};

fn pod(namespace: &str, workload: &str, environment: &Value) -> Pod {
    serde_json::from_value(json!({
        "name": format!("{workload}-1"), "namespace": namespace, "kind": "Deployment", "workload": workload,
        "service_account": "default", "services": [workload], "labels": {}, "annotations": {},
        "address": "127.64.0.1", "localhost": "127.64.0.2", "sidecar": true, "containers": [], "ports": [],
        "tcp": {}, "environment": environment, "rewritten": [], "ready": true, "template": "",
    }))
    .unwrap()
}

/// A service of that name, one port.
fn service(namespace: &str, name: &str, port: &Value) -> Service {
    let spec = json!({ "selector": { "app": name }, "ports": [port] });
    Service::read(name, namespace, &serde_json::from_value(spec).unwrap()).unwrap()
}

fn said_beside(pods: &[Pod], services: &[Service], others: Vec<Other>) -> String {
    let plan = Plan { pods: pods.to_vec(), ..Plan::default() };
    let start = Start { took: Duration::ZERO, path: Path::new("/run/up-7"), others };
    summary(&plan, services, &Judges::default(), |_| App::StandIn, &start)
}

fn said(pods: &[Pod], services: &[Service]) -> String {
    said_beside(pods, services, Vec::new())
}

fn http() -> Value {
    json!({ "name": "http", "port": 80 })
}

#[test]
fn services_of_one_name_in_two_namespaces_are_told_apart() {
    let calls = json!([["NEWS", "http://news.example.org"], ["WEB_URL", "http://web.shop/x"]]);
    let services = [service("front", "web", &http()), service("shop", "web", &http())];
    let text = said(&[pod("front", "web", &calls), pod("shop", "web", &json!([]))], &services);
    assert!(text.contains("front/web ") && text.contains("shop/web "), "{text}");
    assert!(text.contains("    weft curl --from front/web http://web.shop/x\n"), "{text}");
}

#[test]
fn in_one_namespace_a_service_has_its_short_name() {
    let none = json!([]);
    let text = said(&[pod("shop", "web", &none), pod("shop", "cart", &none)], &[]);
    assert!(!text.contains("shop/"), "{text}");
}

#[test]
fn whatever_the_environments_say_there_are_commands_for_this_mesh() {
    let none = json!([]);
    let pods = [pod("shop", "web", &none), pod("shop", "cart", &none)];
    let grpc = json!({ "name": "grpc", "port": 90 });
    let text = said(
        &pods,
        &[service("shop", "web", &grpc), service("shop", "cart", &json!({ "name": "http", "port": 8080 }))],
    );
    let commands =
        "\n\n    weft curl --from web http://cart:8080/\n    weft status\n    weft logs web -f\n\nCtrl-C";
    assert!(text.contains(commands), "{text}");
    let without = said(&pods, &[service("shop", "web", &grpc)]);
    assert!(without.contains("\n\n    weft status\n    weft logs web -f\n\nCtrl-C"), "{without}");
    let far = [pod("shop", "web", &none), pod("blog", "posts", &none)];
    let text = said(&far, &[service("blog", "posts", &http())]);
    assert!(text.contains("weft curl --from shop/web http://posts.blog/\n"), "{text}");
}

#[test]
fn a_mesh_tells_where_its_files_are_and_which_others_run() {
    let pods = [pod("shop", "web", &json!([]))];
    let alone = said(&pods, &[]);
    assert!(alone.contains("1 services, 1 pods; its files are in /run/up-7\n\n"), "{alone}");
    let other = Other { path: "/run/up-8".into(), of: "/blog".into() };
    let beside = said_beside(&pods, &[], vec![other]);
    let words = "\nbeside it one runs: that of /blog (WEFT_RUN=/run/up-8); `weft status` and its like take the newest\n";
    assert!(beside.contains(words), "{beside}");
}

#[test]
fn of_a_refused_edit_only_that_is_kept_which_no_file_tells_by_itself() {
    let mut report = Report::new(true);
    report.refused(Refusal::Files);
    assert_eq!(report.refusal(), None);
    report.refused(Refusal::Plan("two pods of one name".to_owned()));
    assert_eq!(report.refusal(), Some("two pods of one name"));
    report.as_it_runs();
    assert_eq!(report.refusal(), None);
}

#[test]
fn the_ports_of_a_service_are_its_own_and_not_its_apps() {
    let mut web = pod("shop", "web", &json!([]));
    web.ports =
        serde_json::from_value(json!([{ "name": "http", "number": 8000, "protocol": "http" }])).unwrap();
    let ports = |services: &[Service]| {
        rows(&Plan { pods: vec![web.clone()], ..Plan::default() }, services, |_| App::StandIn)[0]
            .ports
            .clone()
    };
    assert_eq!(
        ports(&[service("shop", "web", &json!({ "name": "http", "port": 80, "targetPort": 8000 }))]),
        "80 http"
    );
    assert_eq!(ports(&[]), "8000 http");
    web.services.push("web-metrics".to_owned());
    let more = |port: Value| [service("shop", "web-metrics", &port), service("shop", "web", &http())];
    let ports = |services: &[Service]| {
        rows(&Plan { pods: vec![web.clone()], ..Plan::default() }, services, |_| App::StandIn)[0]
            .ports
            .clone()
    };
    assert_eq!(ports(&more(json!({ "name": "http-metrics", "port": 9001 }))), "80 http, 9001 http");
    assert_eq!(ports(&more(http())), "80 http");
}

#[test]
fn of_thousands_of_warnings_each_kind_is_told_once_and_in_no_time() {
    let of = |nth: usize| Diagnostic {
        severity: weft_control::read::Severity::Warning,
        file: "mesh.yaml".into(),
        line: 1,
        column: 1,
        resource: None,
        path: String::new(),
        message: format!("{:05} is odd", nth % 40_000),
        hint: None,
    };
    let all: Vec<Diagnostic> = (0..40_001).map(of).collect();
    let began = std::time::Instant::now();
    let told = alike(all.iter());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(told.len(), 40_000);
    assert!(
        told[0].1.contains("00000 is odd") && told[0].1.ends_with(" (and 1 more of this kind)"),
        "{:?}",
        told[0]
    );
}

#[test]
fn the_first_call_is_to_another_and_one_that_is_let_through() {
    let text = r#"
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: all, namespace: shop }
spec: {}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: cart, namespace: shop }
spec:
  selector: { matchLabels: { app: cart } }
  rules:
  - from: [{ source: { principals: [cluster.local/ns/shop/sa/web] } }]
    to: [{ operation: { methods: [GET], ports: ["8080"] } }]
"#;
    let reading = weft_control::read::read_str("t.yaml", text);
    assert_eq!(reading.diagnostics, []);
    let own = |workload: &str, environment: &Value| Pod {
        labels: [("app".to_owned(), workload.to_owned())].into(),
        service_account: workload.to_owned(),
        ..pod("shop", workload, environment)
    };
    // bank is denied, and api's URL is its own.
    let pods = [
        own("api", &json!([["SELF", "http://api/"], ["BANK", "http://bank/x"]])),
        own("bank", &json!([])),
        own("cart", &json!([])),
        own("web", &json!([["CART", "http://cart/items?all#top"]])),
    ];
    let port = |target: u16| json!({ "name": "http", "port": 80, "targetPort": target });
    let services = |target| ["api", "bank", "cart", "web"].map(|name| service("shop", name, &port(target)));
    let called = |pods: &[Pod], target| {
        let plan = Plan { pods: pods.to_vec(), ..Plan::default() };
        let judges = Judges::of(&reading.resources, &plan.pods);
        let (from, url) = example::of(&plan, &services(target), &judges).unwrap();
        format!("{} {url}", from.workload)
    };
    assert_eq!(called(&pods, 8080), "web http://cart/items?all#top");
    // Where the environment has none that is let through, there may be another.
    let silent = [&pods[..3], &[own("web", &json!([]))]].concat();
    assert_eq!(called(&silent, 8080), "web http://cart/");
    // Nobody is let through: a refusal is something to see, too.
    assert_eq!(called(&pods, 9090), "api http://bank/x");
}

#[test]
fn the_first_call_of_a_thousand_services_is_found_in_no_time() {
    let text = r#"
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: nobody, namespace: shop }
spec: {}
"#;
    let reading = weft_control::read::read_str("t.yaml", text);
    let names: Vec<String> = (0..1000).map(|nth| format!("app-{nth:03}")).collect();
    let environment = json!([["FAR", "http://example.org/"], ["ODD", "http://nobody/"]]);
    let pods = names.iter().map(|name| pod("shop", name, &environment)).collect();
    let services: Vec<Service> = names.iter().map(|name| service("shop", name, &http())).collect();
    let plan = Plan { pods, ..Plan::default() };
    let judges = Judges::of(&reading.resources, &plan.pods);
    let began = std::time::Instant::now();
    let (from, url) = example::of(&plan, &services, &judges).unwrap();
    assert_eq!((from.workload.as_str(), url.as_str()), ("app-000", "http://app-001/"));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

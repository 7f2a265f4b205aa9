use super::super::pods::Kind;
use super::*;
use serde_json::{Value, json};

fn workload(name: &str, replicas: u32, env: &[(&str, &str)]) -> Workload {
    let env: Vec<Value> = env.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    let spec = json!({ "serviceAccountName": name, "containers": [
        { "name": "app", "env": env, "ports": [{ "containerPort": 8000, "name": "http" }] },
    ] });
    Workload {
        kind: Kind::Deployment,
        name: name.into(),
        namespace: "shop".into(),
        replicas,
        update: Update::Surge { surge: 1, unavailable: 0 },
        service_name: None,
        labels: BTreeMap::from([("app".into(), name.into())]),
        annotations: BTreeMap::new(),
        spec: serde_json::from_value(spec).unwrap(),
    }
}

fn service(name: &str, port: &Value) -> Service {
    let spec = json!({ "selector": { "app": name }, "ports": [port] });
    Service::read(name, "shop", &serde_json::from_value(spec).unwrap()).unwrap()
}

fn shop() -> Manifests {
    Manifests {
        workloads: vec![
            workload("web", 2, &[("CART_URL", "http://cart"), ("LEVEL", "info")]),
            workload("cart", 1, &[("DB", "postgresql://u@db:5432/x"), ("POD", "$(DB)")]),
            workload("db", 1, &[]),
            workload("alone", 1, &[("NOTHING", "here")]),
        ],
        services: vec![
            service("web", &json!({ "name": "http", "port": 80, "targetPort": "http" })),
            service("cart", &json!({ "name": "grpc", "port": 80, "targetPort": 9000 })),
            service("db", &json!({ "name": "tcp", "port": 5432 })),
        ],
        ..Manifests::default()
    }
}

fn planned(manifests: &Manifests, only: &[&str]) -> Plan {
    let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
    plan(manifests, Base::default(), &mut BTreeMap::new(), &only, &[]).unwrap()
}

fn pod_named<'a>(plan: &'a Plan, name: &str) -> &'a Pod {
    plan.pods.iter().find(|pod| pod.name == name).unwrap()
}

fn value<'a>(pod: &'a Pod, variable: &str) -> &'a str {
    pod.environment.iter().find(|(name, _)| name == variable).map_or("", |(_, value)| value)
}

#[test]
fn every_replica_is_a_pod_with_addresses_of_its_own() {
    let plan = planned(&shop(), &[]);
    let seen: Vec<_> = plan.pods.iter().map(|pod| (pod.name.as_str(), pod.address.to_string())).collect();
    let expected = ["alone-1", "cart-1", "db-1", "web-1", "web-2"];
    for (nth, ((name, address), expected)) in seen.iter().zip(expected).enumerate() {
        assert_eq!((*name, address.as_str()), (expected, format!("127.64.{}.1", nth + 1).as_str()));
    }
    assert_eq!(seen.len(), expected.len());
}

#[test]
fn http_leads_through_the_sidecar_and_tcp_to_an_address_of_the_pod() {
    let plan = planned(&shop(), &[]);
    let cart = pod_named(&plan, "cart-1");
    assert_eq!(value(cart, "DB"), "postgresql://u@127.64.2.10:5432/x");
    assert_eq!(value(cart, "POD"), "postgresql://u@127.64.2.10:5432/x");
    assert_eq!(cart.tcp, BTreeMap::from([("db.shop:5432".into(), Ipv4Addr::new(127, 64, 2, 10))]));
    assert_eq!(value(cart, "DB_SERVICE_HOST"), "127.64.2.10");
    assert_eq!(value(cart, "http_proxy"), "http://127.64.2.2:15007");
    assert!(value(cart, "NO_PROXY").contains("127.64.2.10"));
    assert_eq!((value(cart, "HOST"), value(cart, "PORT")), ("127.64.2.2", "8000"));
    assert_eq!(cart.rewritten.len(), 2);
    assert_eq!(value(pod_named(&plan, "web-2"), "CART_URL"), "http://cart");
}

#[test]
fn ports_are_those_of_containers_and_services_and_speak_what_services_say() {
    let plan = planned(&shop(), &[]);
    let ports = |name: &str| -> Vec<(u16, Protocol)> {
        pod_named(&plan, name).ports.iter().map(|port| (port.number, port.protocol)).collect()
    };
    assert_eq!(ports("web-1"), [(8000, Protocol::Http)]);
    assert_eq!(ports("cart-1"), [(8000, Protocol::Http), (9000, Protocol::Grpc)]);
    assert_eq!(ports("db-1"), [(8000, Protocol::Http), (5432, Protocol::Tcp)]);
}

#[test]
fn a_part_brings_what_it_calls_and_nothing_else() {
    let names = |only: &[&str]| -> Vec<String> {
        planned(&shop(), only).pods.into_iter().map(|pod| pod.name).collect()
    };
    assert_eq!(names(&["web"]), ["cart-1", "db-1", "web-1", "web-2"]);
    assert_eq!(names(&["shop/cart"]), ["cart-1", "db-1"]);
    assert_eq!(names(&["db", "alone"]), ["alone-1", "db-1"]);
    let error = plan(&shop(), Base::default(), &mut BTreeMap::new(), &["wbe".into()], &[]).unwrap_err();
    assert!(error.to_string().contains("alone, cart, db, web"), "{error}");
}

#[test]
fn what_only_leaves_without_pods_is_told() {
    let part = planned(&shop(), &["cart"]);
    assert_eq!(part.left_out.iter().map(|service| service.name.as_str()).collect::<Vec<_>>(), ["web"]);
    assert!(
        part.notes.iter().any(|note| note.starts_with("--only leaves out web.shop: ")),
        "{:?}",
        part.notes
    );
    assert_eq!(planned(&shop(), &[]).left_out, []);
}

#[test]
fn a_pod_calls_itself_by_its_name_or_as_its_manifest_says() {
    let mut manifests = shop();
    manifests.workloads[1].spec.hostname = Some("trolley".into());
    manifests.workloads.push(workload("own", 1, &[("HOSTNAME", "mine")]));
    manifests.workloads.push(workload(&"long".repeat(20), 1, &[]));
    let plan = planned(&manifests, &[]);
    let called = |name: &str| {
        let pod = pod_named(&plan, name);
        (pod.hostname().to_owned(), value(pod, "HOSTNAME").to_owned())
    };
    assert_eq!(called("web-2"), ("web-2".into(), "web-2".into()));
    assert_eq!(called("cart-1"), ("trolley".into(), "trolley".into()));
    assert_eq!(called("own-1"), ("own-1".into(), "mine".into()));
    assert_eq!(called(&format!("{}-1", "long".repeat(20))).0.len(), 63);
}

#[test]
fn a_pod_that_wants_no_sidecar_has_none_and_listens_at_its_own_address() {
    let mut manifests = shop();
    manifests.workloads[3].labels.insert("sidecar.istio.io/inject".into(), "false".into());
    let plan = planned(&manifests, &[]);
    let alone = pod_named(&plan, "alone-1");
    assert!(!alone.sidecar);
    assert_eq!(value(alone, "HOST"), alone.address.to_string());
    assert_eq!(value(alone, "http_proxy"), "");
    assert!(!alone.resource()["metadata"]["labels"].to_string().contains("tlsMode"));
    manifests
        .namespaces
        .insert("shop".into(), BTreeMap::from([("istio-injection".into(), "disabled".into())]));
    assert!(planned(&manifests, &[]).pods.iter().all(|pod| !pod.sidecar));
}

#[test]
fn the_control_plane_sees_pods_as_a_cluster_shows_them() {
    let plan = planned(&shop(), &[]);
    let web = pod_named(&plan, "web-1").resource();
    assert_eq!(web["status"]["podIP"], "127.64.4.1");
    assert_eq!(web["spec"]["serviceAccountName"], "web");
    assert_eq!(web["metadata"]["labels"]["service.istio.io/canonical-name"], "web");
    assert_eq!(web["metadata"]["labels"]["security.istio.io/tlsMode"], "istio");
    assert_eq!(web["metadata"]["annotations"]["weft.dev/localhost"], "127.64.4.2");
    assert_eq!(web["metadata"]["annotations"]["weft.dev/tcp-addresses"], r#"{"db.shop:5432":"127.64.4.10"}"#);
    let pod: k8s_openapi::api::core::v1::Pod = serde_json::from_value(web).unwrap();
    assert_eq!(pod.spec.unwrap().containers[0].ports.as_ref().unwrap()[0].container_port, 8000);
}

#[test]
fn an_edit_moves_no_pod_that_stays() {
    let mut numbers = BTreeMap::new();
    let before = plan(&shop(), Base::default(), &mut numbers, &[], &[]).unwrap();
    let mut edited = shop();
    edited.workloads.push(workload("ant", 1, &[]));
    edited.workloads.retain(|workload| workload.name != "cart");
    let after = plan(&edited, Base::default(), &mut numbers, &[], &[]).unwrap();
    for pod in after.pods.iter().filter(|pod| pod.name != "ant-1") {
        assert_eq!(pod.address, pod_named(&before, &pod.name).address, "{}", pod.name);
    }
    assert_eq!(pod_named(&after, "ant-1").address, pod_named(&before, "cart-1").address);
}

#[test]
fn nothing_to_run_and_too_much_to_run_are_said() {
    let nothing = plan(&Manifests::default(), Base::default(), &mut BTreeMap::new(), &[], &[]);
    assert_eq!(nothing, Err(PlanError::Nothing));
    let many = Manifests { workloads: vec![workload("a", 100_000, &[])], ..Manifests::default() };
    assert_eq!(plan(&many, Base::default(), &mut BTreeMap::new(), &[], &[]), Err(PlanError::TooManyPods));
}

#[test]
fn a_changed_template_gets_a_name_and_an_address_beside_the_pod_that_runs_and_keeps_them() {
    let mut numbers = BTreeMap::new();
    let before = plan(&shop(), Base::default(), &mut numbers, &[], &[]).unwrap();
    let mut edited = shop();
    edited.workloads[1] = workload("cart", 1, &[("LEVEL", "debug")]);
    let after = plan(&edited, Base::default(), &mut numbers, &[], &before.pods).unwrap();
    let cart = after.pods.iter().find(|pod| pod.workload == "cart").unwrap();
    assert!(cart.name.starts_with("cart-1-") && cart.place == "cart-1", "{}", cart.name);
    assert!(before.pods.iter().all(|old| old.address != cart.address));
    assert_eq!(pod_named(&after, "web-1"), pod_named(&before, "web-1"), "who is not edited stays");
    let again = plan(&edited, Base::default(), &mut numbers, &[], &after.pods).unwrap();
    assert_eq!(again.pods, after.pods, "the next edit of something else leaves it alone");
    edited.workloads[1].update = Update::InPlace { partition: 0 };
    let set = plan(&edited, Base::default(), &mut numbers, &[], &before.pods).unwrap();
    assert_eq!(pod_named(&set, "cart-1").address, pod_named(&before, "cart-1").address);
}

#[test]
fn a_stateful_sets_pod_is_written_by_its_own_name_and_has_an_address_of_its_own() {
    let mut shop = shop();
    shop.workloads[2] = Workload {
        kind: Kind::StatefulSet,
        update: Update::default(),
        service_name: Some("db".into()),
        ..workload("db", 2, &[])
    };
    shop.services[2].headless = true;
    shop.workloads[1] =
        workload("cart", 1, &[("FIRST", "postgresql://db-0.db:5432/x"), ("ALL", "db.shop:5432")]);
    let plan = planned(&shop, &["cart"]);
    let names: Vec<_> = plan.pods.iter().map(|pod| pod.name.as_str()).collect();
    assert_eq!(names, ["cart-1", "db-0", "db-1"]);
    let cart = pod_named(&plan, "cart-1");
    let first = cart.tcp["db-0.db.shop:5432"];
    assert_eq!(value(cart, "FIRST"), format!("postgresql://{first}:5432/x"));
    assert_ne!(first, cart.tcp["db.shop:5432"]);
    let db = pod_named(&plan, "db-0");
    assert_eq!(db.services, ["db"], "its name is no service of its own");
    assert_eq!(db.resource()["spec"]["hostname"], "db-0");
    assert_eq!(db.resource()["spec"]["subdomain"], "db");
}

#[test]
fn of_a_udp_and_a_tcp_port_of_one_number_the_app_has_the_tcp_one() {
    let mut manifests = shop();
    let quic = json!({ "name": "quic", "port": 80, "protocol": "UDP", "targetPort": 7001 });
    let http = json!({ "name": "http", "port": 80, "targetPort": 8080 });
    let dns = json!({ "name": "dns", "port": 53, "protocol": "UDP" });
    let dns_tcp = json!({ "name": "tcp-dns", "port": 53 });
    let spec = json!({ "selector": { "app": "alone" }, "ports": [quic, http, dns_tcp, dns] });
    manifests.services.push(Service::read("alone", "shop", &serde_json::from_value(spec).unwrap()).unwrap());
    let containers = json!([{ "name": "app", "ports": [
        { "containerPort": 8080, "protocol": "UDP", "name": "a" },
        { "containerPort": 8080, "name": "http" },
    ] }]);
    let alone = manifests.workloads.iter_mut().find(|workload| workload.name == "alone").unwrap();
    alone.spec.containers = serde_json::from_value(containers).unwrap();
    assert_eq!(manifests.services[3].port(80).unwrap().protocol, Protocol::Http);
    let plan = planned(&manifests, &[]);
    let pod = pod_named(&plan, "alone-1");
    let ports: Vec<_> = pod.ports.iter().map(|port| (port.number, port.protocol)).collect();
    assert_eq!(ports, [(8080, Protocol::Http), (7001, Protocol::Udp), (53, Protocol::Tcp)]);
    assert_eq!(value(pod, "ALONE_PORT_53_UDP"), "udp://127.64.1.10:53");
    assert_eq!(value(pod, "ALONE_PORT_53_TCP"), "tcp://127.64.1.10:53");
}

#[test]
fn of_services_that_contradict_each_other_about_a_port_the_first_counts_and_the_user_is_told() {
    let ports = |ports: Value| -> (Protocol, Vec<String>) {
        let mut manifests = shop();
        let spec = json!({ "selector": { "app": "web" }, "ports": ports });
        let shared = Service::read("shared", "shop", &serde_json::from_value(spec).unwrap()).unwrap();
        // The only one that selects web.
        manifests.services.retain(|service| service.name != "web");
        manifests.services.push(shared);
        let web = manifests.workloads.iter_mut().find(|workload| workload.name == "web").unwrap();
        web.replicas = 2;
        let plan = planned(&manifests, &[]);
        let protocol = pod_named(&plan, "web-1").ports[0].protocol;
        (protocol, plan.notes.into_iter().filter(|note| note.contains("service shop/shared")).collect())
    };
    let http = || json!({ "name": "http-web", "port": 80, "targetPort": "http" });
    let grpc = || json!({ "name": "grpc", "port": 90, "targetPort": 8000 });
    let sniffed = || json!({ "name": "web", "port": 70, "targetPort": "http" });
    let note = "port 8000 of an app is http by port 80 of service shop/shared, and grpc by port 90 of service \
        shop/shared: one port speaks one protocol; a stand-in speaks http";
    assert_eq!(ports(json!([http(), grpc()])), (Protocol::Http, vec![note.to_owned()]));
    assert_eq!(ports(json!([sniffed(), http(), grpc(), sniffed()])), (Protocol::Http, vec![note.to_owned()]));
    let (protocol, notes) = ports(json!([grpc(), http()]));
    assert_eq!((protocol, notes.len()), (Protocol::Grpc, 1));
    assert_eq!(ports(json!([sniffed(), grpc()])), (Protocol::Grpc, vec![]));
    let again = json!({ "name": "http-too", "port": 81, "targetPort": "http" });
    assert_eq!(ports(json!([http(), again, sniffed()])), (Protocol::Http, vec![]));
}

#[test]
fn an_address_that_an_app_was_told_stays_whatever_services_come_and_go() {
    let mut manifests = shop();
    let plan_beside = |manifests: &Manifests, runs: &[Pod]| {
        plan(manifests, Base::default(), &mut BTreeMap::new(), &[], runs).unwrap()
    };
    let first = planned(&manifests, &[]);
    let db = pod_named(&first, "cart-1").tcp["db.shop:5432"];
    // By its name it comes before.
    manifests.services.push(service("cache", &json!({ "name": "tcp", "port": 6379 })));
    let second = plan_beside(&manifests, &first.pods);
    let cart = pod_named(&second, "cart-1");
    assert_eq!(cart.tcp["db.shop:5432"], db);
    assert_ne!(cart.tcp["cache.shop:6379"], db);
    // What is gone leaves its address, which nobody gets as long as there are others.
    manifests.services.retain(|service| service.name != "db");
    manifests.services.push(service("queue", &json!({ "name": "tcp", "port": 5672 })));
    let third = plan_beside(&manifests, &second.pods);
    assert!(!pod_named(&third, "cart-1").tcp.values().any(|address| *address == db));
    // Of another template it is another pod, which is told anew.
    let mut other = manifests;
    other.workloads[1].labels.insert("version".into(), "2".into());
    let fresh = plan_beside(&other, &third.pods);
    let cart = fresh.pods.iter().find(|pod| pod.workload == "cart").unwrap();
    assert_eq!(cart.tcp["cache.shop:6379"].octets()[3], 10);
}

#[test]
fn in_namespaces_a_pod_that_wants_no_interception_calls_its_sidecars_own_ports_and_nobody_turns_it() {
    let mut manifests = shop();
    let mode =
        |mode: &str| BTreeMap::from([("sidecar.istio.io/interceptionMode".to_owned(), mode.to_owned())]);
    manifests.workloads[1].annotations = mode("NONE");
    let within =
        |manifests: &Manifests| plan(manifests, Base::Namespaces(7), &mut BTreeMap::new(), &[], &[]).unwrap();
    let first = within(&manifests);
    assert!(first.notes.iter().all(|note| !note.contains("interceptionMode")), "{:?}", first.notes);
    let (cart, web) = (pod_named(&first, "cart-1"), pod_named(&first, "web-1"));
    assert!(cart.is_bound() && !cart.is_turned() && web.is_turned() && !web.is_bound());
    assert_eq!(value(cart, "http_proxy"), "http://127.0.0.1:15007");
    assert_eq!(value(web, "http_proxy"), "");
    assert_eq!((value(cart, "HOST"), value(web, "HOST")), ("127.0.0.1", "0.0.0.0"));
    assert_eq!(cart.tcp["db.shop:5432"].to_string(), "127.0.0.10");
    assert_eq!(value(cart, "DB"), "postgresql://u@127.0.0.10:5432/x");
    assert!(web.tcp.is_empty());
    assert_eq!(cart.annotated()["weft.dev/localhost"], "127.0.0.1");
    assert!(!web.annotated().contains_key("weft.dev/localhost"));
    // Its names are those of its own addresses; what has none of these, it asks its proxy for.
    let (of_cart, of_web) = (named::hosts(&first.named, cart), named::hosts(&first.named, web));
    assert!(of_cart.contains("127.0.0.10 db db.shop db.shop.svc db.shop.svc.cluster.local\n"), "{of_cart}");
    assert!(!of_cart.contains(" web ") && of_web.contains(" web "), "{of_cart}{of_web}");
    // The mesh may ask for it too, and a pod for another mode.
    manifests.workloads[1].annotations = mode("TPROXY");
    manifests.proxies.interception_mode =
        weft_control::resources::mesh_config::InterceptionMode::named("NONE");
    let second = within(&manifests);
    assert!(pod_named(&second, "cart-1").is_turned() && pod_named(&second, "web-1").is_bound());
    assert_eq!(second.notes, first.notes);
}

#[test]
fn in_namespaces_a_pod_has_an_address_of_each_family_and_a_service_those_that_it_asks_for() {
    let mut manifests = shop();
    manifests.workloads[1].annotations.insert("sidecar.istio.io/interceptionMode".into(), "NONE".into());
    manifests.services[0].families = vec![Family::V6, Family::V4];
    let both = plan(&manifests, Base::Namespaces(7), &mut BTreeMap::new(), &[], &[]).unwrap();
    let (cart, db, web) = (pod_named(&both, "cart-1"), pod_named(&both, "db-1"), pod_named(&both, "web-2"));
    let six = web.six.unwrap();
    assert_eq!(six.to_string().replace("fd00:10:244::", "10.244.0."), web.address.to_string());
    assert_eq!(web.resource()["status"]["podIPs"], json!([{ "ip": web.address }, { "ip": six }]));
    let of_db = named::hosts(&both.named, db);
    let lines: Vec<&str> = of_db.lines().filter(|line| line.contains(" web ")).collect();
    assert!(lines[0].starts_with("fd00:10:96::") && lines[1].starts_with("10.96."), "{of_db}");
    assert!(of_db.contains(&format!("{} db-1\n", db.six.unwrap())), "{of_db}");
    assert_eq!(of_db.lines().filter(|line| line.contains(" cart ")).count(), 1, "{of_db}");
    assert!(
        value(db, "WEB_PORT").starts_with("tcp://[fd00:10:96::") && value(db, "WEB_PORT").ends_with("]:80")
    );
    assert!(both.notes.iter().all(|note| !note.contains("IPv6")), "{:?}", both.notes);
    // Where nothing is turned, and on loopback, there is IPv4 alone.
    assert_eq!(cart.six, None);
    let alone = planned(&manifests, &[]);
    assert!(alone.pods.iter().all(|pod| pod.six.is_none()));
    assert!(
        alone.notes.iter().any(|note| note.starts_with("service shop/web asks for IPv6")),
        "{:?}",
        alone.notes
    );
}

#[test]
fn in_namespaces_a_template_s_names_of_addresses_stand_in_its_pods_hosts_before_the_mesh_s() {
    let mut manifests = shop();
    let aliases = json!([
        { "ip": "10.1.2.3", "hostnames": ["ledger.bank", "cart"] },
        { "ip": "fd00::3", "hostnames": ["ledger.bank"] },
        { "ip": "ledger", "hostnames": ["other"] },
        { "ip": "10.1.2.4", "hostnames": [] },
    ]);
    manifests.workloads[0].spec.host_aliases = serde_json::from_value(aliases).unwrap();
    let within = plan(&manifests, Base::Namespaces(7), &mut BTreeMap::new(), &[], &[]).unwrap();
    let hosts = |pod: &str| named::hosts(&within.named, pod_named(&within, pod));
    let of_web = hosts("web-1");
    assert!(of_web.contains("\n10.1.2.3 ledger.bank cart\nfd00::3 ledger.bank\n"), "{of_web}");
    assert!(!of_web.contains("10.1.2.4"), "{of_web}");
    assert_eq!(
        of_web.lines().filter(|line| line.split(' ').any(|name| name == "cart")).count(),
        1,
        "{of_web}"
    );
    assert!(of_web.contains(" cart.shop cart.shop.svc "), "{of_web}");
    assert!(!hosts("db-1").contains("ledger") && hosts("db-1").contains(" cart cart.shop "));
    let noted = |plan: &Plan, words: &str| plan.notes.iter().any(|note| note.contains(words));
    assert!(noted(&within, "pod shop/web-1: hostAliases: \"ledger\" is no address"), "{:?}", within.notes);
    let on_loopback = planned(&manifests, &[]);
    assert!(noted(&on_loopback, "pod shop/web-1: hostAliases: on loopback"), "{:?}", on_loopback.notes);
}

#[test]
fn what_runs_no_pod_is_known_by_name_with_the_reason() {
    let mut manifests = shop();
    manifests.workloads[1].replicas = 0;
    manifests.services.push(Service { selector: BTreeMap::new(), ..manifests.services[0].clone() });
    manifests.services.last_mut().unwrap().name = "bare".into();
    let (name, namespace) = ("blog".to_owned(), "shop".to_owned());
    manifests.aliases.push(Alias { name, namespace, of: "blog.example.org".into() });
    manifests.jobs.push(Job { kind: "Job".into(), name: "seed".into(), namespace: "shop".into() });
    let known = |plan: &Plan| -> Vec<String> {
        plan.podless.iter().map(|of| format!("{} {}: {} {:?}", of.kind, of.name, of.why, of.hosts)).collect()
    };
    let host = |name: &str| format!("[\"{name}.shop.svc.cluster.local\"]");
    assert_eq!(
        known(&planned(&manifests, &[])),
        [
            format!("Deployment cart: replicas: 0 {}", host("cart")),
            format!("Service cart: its selector matches none that runs {}", host("cart")),
            format!("Service bare: it has no selector {}", host("bare")),
            format!("Service blog: it is another name for blog.example.org (ExternalName) {}", host("blog")),
            "Job seed: `weft up` runs none of that kind; `weft exec WORKLOAD -- COMMAND` runs a command as a workload []".to_owned(),
        ]
    );
    let part = known(&planned(&shop(), &["cart"]));
    assert!(part.contains(&format!("Deployment web: --only leaves it out {}", host("web"))), "{part:?}");
    assert!(part.contains(&format!("Service web: --only leaves them out {}", host("web"))), "{part:?}");
    assert_eq!(known(&planned(&shop(), &[])), [""; 0]);
}

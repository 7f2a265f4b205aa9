use super::super::protocol::Protocol;
use super::super::services::{Port, Target};
use super::*;
use serde_json::{Value, json};

fn container(value: Value) -> core::Container {
    serde_json::from_value(value).unwrap()
}

fn settings() -> Settings {
    let values = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<BTreeMap<_, _>>()
    };
    let key = |name: &str| ("shop".to_owned(), name.to_owned());
    let app = values(&[("LEVEL", "info"), ("not=a name", "x"), ("PORT", "1")]);
    let db = values(&[("user", "app"), ("url", "a:1")]);
    Settings { config_maps: [(key("app"), app)].into(), secrets: [(key("db"), db)].into() }
}

fn pod() -> Downward {
    Downward {
        name: "cart-1".into(),
        namespace: "shop".into(),
        service_account: "cart".into(),
        node: "laptop".into(),
        address: "127.64.1.1".into(),
        addresses: vec!["127.64.1.1".into(), "fd00::1".into()],
        node_address: "127.63.0.1".into(),
        labels: BTreeMap::from([("app".into(), "cart".into())]),
        annotations: BTreeMap::from([("a.b/c".into(), "d".into())]),
    }
}

fn made(value: Value) -> Environment {
    let mut environment = Environment::default();
    environment.add_container(&container(value), &settings(), &pod());
    environment
}

#[test]
fn later_definitions_win_and_may_use_earlier_ones() {
    let made = made(json!({ "name": "c",
        "envFrom": [{ "configMapRef": { "name": "app" } }, { "prefix": "DB_", "secretRef": { "name": "db" } }],
        "env": [
            { "name": "PORT", "value": "8000" },
            { "name": "BIND", "value": "0.0.0.0:$(PORT)" },
            { "name": "LATER", "value": "$(NOT_YET)" },
            { "name": "NOT_YET", "value": "x" },
            { "name": "EMPTY" },
        ] }));
    assert_eq!(made.missing, Vec::<String>::new());
    for (name, value) in [
        ("LEVEL", "info"),
        ("DB_user", "app"),
        ("DB_url", "a:1"),
        ("PORT", "8000"),
        ("BIND", "0.0.0.0:8000"),
        ("LATER", "$(NOT_YET)"),
        ("EMPTY", ""),
    ] {
        assert_eq!(made.value(name), Some(value), "{name}");
    }
    assert_eq!(made.variables.len(), 8, "what is no variable's name is passed over: {made:?}");
}

#[test]
fn values_come_from_maps_secrets_and_the_pod_itself() {
    let field = |path: &str| json!({ "fieldRef": { "fieldPath": path } });
    for (source, expected) in [
        (json!({ "configMapKeyRef": { "name": "app", "key": "LEVEL" } }), "info"),
        (json!({ "secretKeyRef": { "name": "db", "key": "user" } }), "app"),
        (field("metadata.name"), "cart-1"),
        (field("metadata.namespace"), "shop"),
        (field("metadata.labels['app']"), "cart"),
        (field("metadata.labels['none']"), ""),
        (field("metadata.annotations['a.b/c']"), "d"),
        (field("status.podIP"), "127.64.1.1"),
        (field("status.podIPs"), "127.64.1.1,fd00::1"),
        (field("status.hostIP"), "127.63.0.1"),
        (field("spec.serviceAccountName"), "cart"),
        (field("spec.nodeName"), "laptop"),
        (json!({ "resourceFieldRef": { "resource": "limits.memory", "divisor": "1Mi" } }), "64"),
        (json!({ "resourceFieldRef": { "resource": "requests.memory" } }), "67108864"),
    ] {
        let container = json!({ "name": "c", "resources": { "limits": { "memory": "64Mi" } },
            "env": [{ "name": "V", "valueFrom": source }] });
        assert_eq!(made(container).value("V"), Some(expected), "{source}");
    }
}

#[test]
fn what_is_missing_is_told_unless_it_is_optional() {
    let made = made(json!({ "name": "c",
        "envFrom": [{ "secretRef": { "name": "gone" } }, { "configMapRef": { "name": "gone", "optional": true } }],
        "env": [
            { "name": "A", "valueFrom": { "secretKeyRef": { "name": "db", "key": "gone" } } },
            { "name": "B", "valueFrom": { "secretKeyRef": { "name": "db", "key": "gone", "optional": true } } },
            { "name": "C", "valueFrom": { "fieldRef": { "fieldPath": "spec.hostname" } } },
        ] }));
    assert_eq!(made.variables, []);
    assert_eq!(made.missing.len(), 3);
    for (line, words) in made.missing.iter().zip([
        ["envFrom", "Secret \"gone\""],
        ["A: ", "\"db\" with key \"gone\""],
        ["C: ", "spec.hostname"],
    ]) {
        assert!(words.iter().all(|word| line.contains(word)), "{line}");
    }
}

#[test]
fn a_service_has_kubernetes_variables_at_the_address_the_pod_reaches_it_by() {
    let service = |name: &str, protocol| Service {
        name: name.into(),
        namespace: "shop".into(),
        selector: BTreeMap::new(),
        ports: vec![Port { name: Some("x-y".into()), number: 5432, target: Target::Number(5432), protocol }],
        headless: false,
        outside: false,
        addresses: Vec::new(),
        families: Vec::new(),
    };
    let services = [service("my-db", Protocol::Tcp), service("web", Protocol::Http)];
    let address = |service: &Service| -> Option<IpAddr> {
        service.needs_address().then_some(IpAddr::from([127, 64, 1, 10]))
    };
    let variables: BTreeMap<_, _> = service_variables(&services, "shop", address).into_iter().collect();
    for (name, value) in [
        ("MY_DB_SERVICE_HOST", "127.64.1.10"),
        ("MY_DB_SERVICE_PORT", "5432"),
        ("MY_DB_SERVICE_PORT_X_Y", "5432"),
        ("MY_DB_PORT", "tcp://127.64.1.10:5432"),
        ("MY_DB_PORT_5432_TCP", "tcp://127.64.1.10:5432"),
        ("MY_DB_PORT_5432_TCP_PROTO", "tcp"),
        ("MY_DB_PORT_5432_TCP_PORT", "5432"),
        ("MY_DB_PORT_5432_TCP_ADDR", "127.64.1.10"),
        ("WEB_SERVICE_HOST", "web.shop.svc.cluster.local"),
    ] {
        assert_eq!(variables.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert_eq!(service_variables(&services, "other", address), []);
}

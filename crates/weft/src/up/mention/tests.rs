use super::super::protocol::Protocol;
use super::super::services::{Port, Target};
use super::*;
use std::collections::BTreeMap;

fn service(name: &str, namespace: &str, ports: &[(u16, Protocol)]) -> Service {
    let ports = ports.iter().map(|(number, protocol)| Port {
        name: None,
        number: *number,
        target: Target::Number(*number),
        protocol: *protocol,
    });
    Service {
        name: name.into(),
        namespace: namespace.into(),
        selector: BTreeMap::new(),
        ports: ports.collect(),
        headless: false,
        addresses: Vec::new(),
        families: Vec::new(),
        outside: false,
    }
}

fn services() -> Vec<Service> {
    vec![
        service("postgres", "money", &[(5432, Protocol::Tcp)]),
        service("redis", "data", &[(6379, Protocol::Auto)]),
        service("auth-service", "money", &[(80, Protocol::Http)]),
        service("mixed", "money", &[(80, Protocol::Http), (9999, Protocol::Tcp)]),
        Service { outside: true, ..service("db.bank.example", "money", &[(5432, Protocol::Tcp)]) },
    ]
}

/// The value as an app of namespace `money` would see it.
fn seen(variable: &str, value: &str) -> String {
    let services = services();
    let mentions = mentions(variable, value, "money", &services);
    let address = |service: &Service| {
        let nth = services.iter().position(|other| other == service).unwrap();
        Some(Ipv4Addr::new(127, 64, 1, 10 + u8::try_from(nth).unwrap()))
    };
    rewrite(value, &mentions, address).unwrap_or_else(|| value.to_owned())
}

#[test]
fn tcp_services_become_addresses_wherever_an_address_can_stand() {
    for (value, expected) in [
        ("postgres:5432", "127.64.1.10:5432"),
        ("postgres.money:5432", "127.64.1.10:5432"),
        ("POSTGRES.money.svc:5432", "127.64.1.10:5432"),
        ("postgres.money.svc.cluster.local.:5432", "127.64.1.10:5432"),
        ("postgresql://app@postgres:5432/postgres", "postgresql://app@127.64.1.10:5432/postgres"),
        (
            "postgresql://postgres:postgres@postgres:5432/x",
            "postgresql://postgres:postgres@127.64.1.10:5432/x",
        ),
        ("jdbc:postgresql://postgres:5432/db", "jdbc:postgresql://127.64.1.10:5432/db"),
        ("postgres://postgres/db", "postgres://127.64.1.10/db"),
        ("redis://redis.data/0", "redis://127.64.1.11/0"),
        ("redis.data:6379,redis.data:6379", "127.64.1.11:6379,127.64.1.11:6379"),
        ("host=postgres port=5432 dbname=postgres", "host=127.64.1.10 port=5432 dbname=postgres"),
        ("db.bank.example:5432", "127.64.1.14:5432"),
        ("mixed:9999", "127.64.1.13:9999"),
        ("http://mixed:9999/x", "http://127.64.1.13:9999/x"),
    ] {
        assert_eq!(seen("X", value), expected);
    }
}

#[test]
fn http_names_and_other_words_stay() {
    for value in [
        "http://auth-service",
        "http://auth-service:80/postgres",
        "auth-service:80",
        "http://redis.data:6379",
        "mixed:80",
        "http://mixed",
        "postgres",
        "postgres:5433",
        "postgres:99999",
        "redis:6379",
        "my-postgres:5432",
        "postgres-2:5432",
        "x_postgres:5432",
        "postgres:5432@elsewhere",
        "postgres:5432.5",
        "https://elsewhere/postgres:5432",
        "postgres.elsewhere:5432",
        "postgres.money.svc.example.org:5432",
        "",
        ":",
        "://",
        "é:1",
    ] {
        assert_eq!(seen("DB_TYPE", value), value);
    }
}

#[test]
fn a_bare_name_is_a_host_where_the_variable_says_so() {
    assert_eq!(seen("POSTGRES_HOST", "postgres"), "127.64.1.10");
    assert_eq!(seen("PGHOST", "postgres"), "127.64.1.10");
    assert_eq!(seen("DB_HOST", "postgres.money.svc"), "127.64.1.10");
    assert_eq!(seen("MIXED_HOST", "mixed"), "mixed", "one of its ports is HTTP, which stays a name");
    assert_eq!(seen("DB_KIND", "postgres"), "postgres");
}

#[test]
fn http_services_are_mentioned_though_not_rewritten() {
    let services = services();
    let found = mentions("AUTH_URL", "http://auth-service/x", "money", &services);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].service.name.as_str(), found[0].scheme.as_deref()), ("auth-service", Some("http")));
}

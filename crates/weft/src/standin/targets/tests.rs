use super::*;

fn found(pairs: &[(&str, &str)]) -> Vec<(String, Kind)> {
    let environment: Vec<_> = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    targets(&environment).into_iter().map(|target| (target.authority, target.kind)).collect()
}

#[test]
fn urls_name_services_by_their_scheme() {
    for (value, authority, kind) in [
        ("http://auth-service", "auth-service", Kind::Http),
        ("http://auth-service:80/v1?x", "auth-service", Kind::Http),
        (
            "http://auth-service.other.svc.cluster.local:8080/",
            "auth-service.other.svc.cluster.local:8080",
            Kind::Http,
        ),
        ("https://api.bank.example/v2", "api.bank.example:443", Kind::Tls),
        ("grpc://transactions-service:9000", "transactions-service:9000", Kind::Grpc),
        ("postgresql://app:secret@127.64.3.10:5432/db", "127.64.3.10:5432", Kind::Tcp),
        ("redis://127.64.3.11/0", "127.64.3.11:6379", Kind::Tcp),
    ] {
        assert_eq!(found(&[("A_URL", value)]), [(authority.to_owned(), kind)], "{value}");
    }
}

#[test]
fn a_bare_address_is_grpc_by_its_variable_or_behind_a_proxy_by_its_name() {
    assert_eq!(found(&[("X_GRPC_ADDR", "a:9000")]), [("a:9000".to_owned(), Kind::Grpc)]);
    assert_eq!(found(&[("X_ADDR", "a:9000")]), [("a:9000".to_owned(), Kind::Tcp)]);
    let proxied =
        [("X_ADDR", "a:9000"), ("Y", "127.64.1.10:5432"), ("http_proxy", "http://127.64.1.2:15007")];
    assert_eq!(
        found(&proxied),
        [("a:9000".to_owned(), Kind::Grpc), ("127.64.1.10:5432".to_owned(), Kind::Tcp)]
    );
}

#[test]
fn each_of_a_list_is_asked_and_nothing_twice() {
    let brokers = [("A", "kafka-0.kafka:9092, kafka-1.kafka:9092"), ("B", "kafka-0.kafka:9092")];
    assert_eq!(found(&brokers).len(), 2);
}

#[test]
fn what_names_no_service_is_left_alone() {
    for (name, value) in [
        ("LOG_LEVEL", "info"),
        ("START", "12:30"),
        ("PATH", "/usr/bin:/bin"),
        ("IMAGE", "registry/app:v1"),
        ("http_proxy", "http://127.64.1.2:15007"),
        ("NO_PROXY", "localhost,127.0.0.1"),
        ("POSTGRES_PORT", "tcp://127.64.1.10:5432"),
        ("POSTGRES_PORT_5432_TCP", "tcp://127.64.1.10:5432"),
        ("ODD", "http://"),
        ("ODD", "http://[::1"),
        ("ODD", "a:99999"),
    ] {
        assert_eq!(found(&[(name, value)]), [], "{name}={value}");
    }
}

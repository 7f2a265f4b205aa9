use super::*;

#[test]
fn a_port_speaks_what_it_declares() {
    for (name, app, transport, expected) in [
        (Some("http"), None, None, Protocol::Http),
        (Some("http-web"), None, Some("TCP"), Protocol::Http),
        (Some("http2-x"), None, None, Protocol::Http),
        (Some("grpc-web"), None, None, Protocol::Http),
        (Some("tcp-postgres"), None, None, Protocol::Tcp),
        (Some("redis"), None, None, Protocol::Tcp),
        (Some("https"), None, None, Protocol::Tls),
        (Some("postgres"), None, None, Protocol::Auto),
        (Some("httpish"), None, None, Protocol::Auto),
        (None, None, None, Protocol::Auto),
        (Some("http"), Some("tcp"), None, Protocol::Tcp),
        (Some("x"), Some("GRPC"), None, Protocol::Grpc),
        (None, Some("kubernetes.io/h2c"), None, Protocol::Http),
        (Some("dns"), None, Some("UDP"), Protocol::Udp),
    ] {
        assert_eq!(
            Protocol::declared(name, app, transport, 8000),
            expected,
            "{name:?} {app:?} {transport:?}"
        );
    }
    assert_eq!(Protocol::declared(None, None, None, 3306), Protocol::Tcp, "a server that speaks first");
}

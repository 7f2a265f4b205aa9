use super::*;
use std::sync::Arc;

/// What a client of rustls sends first.
fn client_hello(name: &str) -> Vec<u8> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = name.to_owned().try_into().unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut sent = Vec::new();
    client.write_tls(&mut sent).unwrap();
    sent
}

#[test]
fn a_client_hello_tells_its_name_when_it_is_whole() {
    let sent = client_hello("WWW.example.com");
    assert_eq!(hello(&sent), Hello::Names(Some("www.example.com".into())));
    for cut in [1, 5, 6, sent.len() - 1] {
        assert_eq!(hello(&sent[..cut]), Hello::Partial, "{cut}");
    }
    assert_eq!(hello(&client_hello("192.0.2.1")), Hello::Names(None), "an address is no name");
    assert_eq!(hello(b"\x16\x03\x01\x00\x05hello"), Hello::Bad);
}

#[test]
fn a_virtual_host_tells_its_port() {
    assert_eq!(port_of("web:443"), "web:443");
    assert_eq!(port_of("*.a|sni|web:443"), "web:443");
}

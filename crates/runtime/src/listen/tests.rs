use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

#[test]
fn a_listener_takes_connections_and_does_not_block() {
    let listener = listen(loopback(), ListenSettings::default()).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut server = loop {
        match listener.accept() {
            Ok((server, _)) => break server,
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
    };
    client.write_all(b"hello").unwrap();
    server.set_nonblocking(false).unwrap();
    let mut bytes = [0; 5];
    server.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"hello");
}

#[test]
fn a_taken_port_names_its_holder() {
    let first = listen(loopback(), ListenSettings::default()).unwrap();
    let address = first.local_addr().unwrap();
    let error = listen(address, ListenSettings::default()).unwrap_err();
    let ListenError::InUse { holder: Some(holder), .. } = &error else { panic!("{error}") };
    assert_eq!(holder.pid, std::process::id());
    assert!(error.to_string().contains("two listeners of the configuration"), "{error}");
}

#[test]
fn the_text_says_what_to_do_for_each_kind_of_holder() {
    let address = "127.0.0.1:15001".parse().unwrap();
    let other = ListenError::InUse { address, holder: Some(Holder { pid: 1, command: "envoy".into() }) };
    let text = "cannot listen on 127.0.0.1:15001: process 1 (envoy) listens there already; stop it or choose another port";
    assert_eq!(other.to_string(), text);
    let hidden = ListenError::InUse { address, holder: None }.to_string();
    assert!(hidden.contains("ss -ltnp 'sport = :15001'"), "{hidden}");
}

#[test]
fn sockets_that_agree_share_a_port() {
    let settings = ListenSettings { reuse_port: true, ..Default::default() };
    let first = listen(loopback(), settings).unwrap();
    listen(first.local_addr().unwrap(), settings).unwrap();
}

#[test]
fn a_stranger_s_address_is_told_apart() {
    let error = listen("192.0.2.1:0".parse().unwrap(), ListenSettings::default()).unwrap_err();
    assert!(matches!(error, ListenError::NotOurs(_)), "{error}");
}

#[test]
fn an_ipv6_socket_can_leave_ipv4_alone() {
    let settings = ListenSettings { only_v6: Some(true), ..Default::default() };
    match listen("[::]:0".parse().unwrap(), settings) {
        Ok(v6) => {
            let port = v6.local_addr().unwrap().port();
            assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
            listen(SocketAddr::new("127.0.0.1".parse().unwrap(), port), ListenSettings::default()).unwrap();
        }
        // A system without IPv6 must at least say so.
        Err(error) => assert!(matches!(error, ListenError::NoFamily(_) | ListenError::NotOurs(_)), "{error}"),
    }
}

#[test]
fn transparency_without_the_right_is_refused_in_words() {
    let settings = ListenSettings { transparent: true, ..Default::default() };
    if let Err(error) = listen(loopback(), settings) {
        assert!(error.to_string().contains("CAP_NET_ADMIN"), "{error}");
    }
}

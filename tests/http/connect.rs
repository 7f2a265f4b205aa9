//! CONNECT on a listener that is an HTTP proxy: the tunnel's content is treated as what it is.

use weft_model::http::HttpConnectionManager;
use weft_model::route::{PathMatch, Upgrade};
use weft_testkit::settings;
use weft_testkit::wire::{End, Peer};

use super::{GET, Lone, OK, routes};

pub(super) fn proxy(manager: &mut HttpConnectionManager) {
    manager.upgrades.push(Upgrade { token: "CONNECT".into(), enabled: true, terminate_connect: true });
    let mut route = settings::route("connect", "/", settings::forward("outbound|80||app"));
    route.matches.path = PathMatch::Connect;
    routes(manager).virtual_hosts[0].routes.insert(0, route);
}

const CONNECT: &str = "CONNECT app:80 HTTP/1.1\r\nHost: app:80\r\n\r\n";

pub(super) async fn tunnel(lone: &Lone) -> Peer {
    let mut client = lone.client().await;
    client.send(CONNECT).await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    client
}

#[tokio::test]
async fn http_within_is_http_early_or_late() {
    let lone = Lone::with(proxy, |_| {}).await;
    let mut client = lone.client().await;
    client.send(format!("{CONNECT}{GET}")).await;
    assert!(client.head().await.starts_with("HTTP/1.1 200"));
    let mut app = lone.app.accept().await;
    let head = app.head().await;
    assert!(head.contains("x-envoy-attempt-count: 1"), "routed as HTTP: {head}");
    app.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
    client.send(GET).await;
    app.head().await;
}

#[tokio::test]
async fn a_server_that_speaks_first_is_heard_and_bytes_pass() {
    let lone = Lone::with(proxy, |_| {}).await;
    let mut client = tunnel(&lone).await;
    let mut app = lone.app.accept().await;
    app.send("220 mail\r\n").await;
    assert_eq!(client.until("\r\n").await, "220 mail\r\n");
    client.send("EHLO me\r\n").await;
    assert_eq!(app.until("\r\n").await, "EHLO me\r\n");
    app.break_off();
    assert_eq!(client.end().await.1, End::Reset, "what is broken off does not look ended");

    let mut client = lone.client().await;
    client.send(format!("{CONNECT}\u{16}\u{3}\u{1}\0\u{2}hi")).await;
    client.head().await;
    let mut app = lone.app.accept().await;
    assert_eq!(app.exactly(7).await, "\u{16}\u{3}\u{1}\0\u{2}hi", "TLS of the client's own passes");
    client.finish().await;
    assert_eq!(app.end().await.1, End::Closed);
}

#[tokio::test]
async fn a_client_that_was_silent_for_long_may_still_speak_http() {
    let lone = Lone::with(proxy, |_| {}).await;
    let mut client = tunnel(&lone).await;
    // The sidecar wonders whether the server speaks first, and connects.
    let mut asked = lone.app.accept().await;
    client.send(GET).await;
    let mut app = lone.app.accept().await;
    assert!(app.head().await.contains("x-envoy-attempt-count: 1"));
    assert_eq!(asked.end().await.0, "", "nothing is said on the connection that was not needed");
    app.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
}

#[tokio::test]
async fn http2_within_is_http2() {
    let lone = Lone::with(proxy, |_| {}).await;
    let mut client = tunnel(&lone).await;
    let socket = std::mem::replace(client.socket(), tokio::net::TcpStream::connect(lone.at).await.unwrap());
    let (mut send, connection) = h2::client::handshake(socket).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::builder().uri("http://app/h2").body(()).unwrap();
    let (response, _) = send.send_request(request, true).unwrap();
    let mut app = lone.app.accept().await;
    assert!(app.head().await.starts_with("GET /h2 HTTP/1.1"));
    app.send(OK).await;
    assert_eq!(response.await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_tunnel_holds_no_other_however_many_are_asked_for() {
    let lone = Lone::with(proxy, |_| {}).await;
    let mut client = lone.client().await;
    client.send(CONNECT.repeat(1000)).await;
    assert!(client.head().await.starts_with("HTTP/1.1 200"));
    let (rest, _) = client.end().await;
    assert!(rest.starts_with("HTTP/1.1 403"), "{rest}");
    assert_eq!(rest.matches("HTTP/1.1").count(), 1, "{rest}");
}

#[tokio::test]
async fn connect_with_a_body_or_where_no_proxy_is_gets_no_tunnel() {
    let lone = Lone::with(proxy, |_| {}).await;
    let mut client = lone.client().await;
    client.send("CONNECT app:80 HTTP/1.1\r\nHost: app:80\r\nContent-Length: 4\r\n\r\nbody").await;
    assert!(client.end().await.0.starts_with("HTTP/1.1 400"));
    let lone = Lone::new().await;
    let mut client = lone.client().await;
    client.send(format!("{CONNECT}{GET}")).await;
    let (answer, _) = client.end().await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "what follows a refused CONNECT is not served");
    assert!(lone.app.is_left_alone().await);
}

#[tokio::test]
async fn an_https_url_is_not_sent_on_in_clear_text() {
    let lone = Lone::with(proxy, |_| {}).await;
    for target in ["https://app/x", "HTTPS://app:443/x", "https://app:80/x"] {
        let mut client = lone.client().await;
        client.send(format!("GET {target} HTTP/1.1\r\nHost: app\r\n\r\n")).await;
        let (head, body) = client.response().await;
        assert!(head.starts_with("http/1.1 400"), "{target}: {head}");
        assert!(body.contains("use CONNECT for https"), "{target}: {body}");
    }
    assert!(lone.app.is_left_alone().await);
    let (_client, _app, head) = lone.asked("GET http://app/x HTTP/1.1\r\nHost: other\r\n\r\n").await;
    assert!(head.starts_with("GET /x HTTP/1.1\r\nHost: app\r\n"), "{head}");
}

/// A proxy whose service `two` has two ports, each of its own virtual host; the first named leads to the app.
fn two_ports(name: &'static str) -> impl FnOnce(&mut HttpConnectionManager) {
    move |manager| {
        proxy(manager);
        let routes = routes(manager);
        let mut port = routes.virtual_hosts[0].clone();
        port.name = "two:8000".into();
        port.domains = vec!["two:8000".into()];
        port.routes[0].name = name.into();
        // All else is answered 404.
        routes.virtual_hosts[0].domains = vec!["two".into(), "two:80".into(), "elsewhere:8000".into()];
        routes.virtual_hosts[0].routes.clear();
        routes.virtual_hosts.push(port);
    }
}

async fn within(name: &'static str, host: &str) -> (Lone, Peer) {
    let lone = Lone::with(two_ports(name), |_| {}).await;
    let mut client = lone.client().await;
    client.send("CONNECT two:8000 HTTP/1.1\r\nHost: two:8000\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 200"));
    client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
    (lone, client)
}

#[tokio::test]
async fn http_within_is_for_the_port_of_the_connect_whatever_port_its_host_names() {
    for host in ["two", "two:80", "two:8000"] {
        let (lone, _client) = within("connect", host).await;
        let head = lone.app.accept().await.head().await;
        assert!(head.contains(&format!("Host: {host}\r\n")), "Host stays as it was: {head}");
    }
    let (lone, mut client) = within("connect", "elsewhere").await;
    assert!(client.head().await.starts_with("HTTP/1.1 404"), "another host of that port is another host");
    assert!(lone.app.is_left_alone().await);
}

#[tokio::test]
async fn a_sniffed_port_takes_any_host_within_and_a_port_of_bytes_is_not_looked_into() {
    let (lone, _client) = within("connect_sniffed", "elsewhere").await;
    assert!(lone.app.accept().await.head().await.contains("x-envoy-attempt-count: 1"));
    let (lone, _client) = within("connect_bytes", "elsewhere").await;
    let head = lone.app.accept().await.head().await;
    assert_eq!(head, "GET / HTTP/1.1\r\nHost: elsewhere\r\n\r\n", "untouched");
}

/// A service whose TLS is routed by server names: `*.app` to a cluster that is not there, all else to the app.
fn by_server_name(manager: &mut HttpConnectionManager) {
    proxy(manager);
    let routes = routes(manager);
    routes.virtual_hosts[0].routes[0].name = "connect_bytes".into();
    let mut own = routes.virtual_hosts[0].clone();
    (own.name, own.domains) = ("tls:443".into(), vec!["tls:443".into(), "*|sni|tls:443".into()]);
    let mut named = own.clone();
    (named.name, named.domains) = ("*.app|sni|tls:443".into(), vec!["*.app|sni|tls:443".into()]);
    named.routes[0].action = settings::route("", "/", settings::forward("outbound|443||nowhere")).action;
    routes.virtual_hosts.extend([own, named]);
}

/// What a TLS client sends first that asks for this name (RFC 8446, 4.1.2), as short as may be.
fn client_hello(name: &str) -> Vec<u8> {
    fn sized(bytes: &[u8]) -> Vec<u8> {
        [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
    }
    let server_name = sized(&sized(&[&[0][..], &sized(name.as_bytes())].concat()));
    let signature_algorithms = sized(&sized(&[4, 3]));
    let versions = sized(&[2, 3, 4]);
    let extensions = [&[0, 0][..], &server_name, &[0, 13], &signature_algorithms, &[0, 43], &versions];
    let hello = [
        &[3, 3][..],
        &[7; 32],
        // No session, one suite, no compression.
        &[0, 0, 2, 0x13, 1, 1, 0],
        &sized(&extensions.concat()),
    ];
    let hello = [&[1, 0][..], &sized(&hello.concat())].concat();
    [&[0x16, 3, 1][..], &sized(&hello)].concat()
}

#[tokio::test]
async fn tls_within_goes_by_the_name_that_it_asks_for_however_its_first_bytes_come() {
    let lone = Lone::with(by_server_name, |_| {}).await;
    let connect = "CONNECT tls:443 HTTP/1.1\r\nHost: tls:443\r\n\r\n";
    let hello = client_hello("www.app");
    for cut in [0, 1, 5, 40] {
        let mut client = lone.client().await;
        client.send(connect).await;
        client.send(&hello[..cut]).await;
        assert!(client.head().await.starts_with("HTTP/1.1 200"));
        client.send(&hello[cut..]).await;
        assert_eq!(client.end().await.0, "", "it leads to a cluster that is not there");
    }
    assert!(lone.app.is_left_alone().await);
    // Another name is the service's own, and so is what is no TLS; not a byte of it is touched.
    for first in [client_hello("elsewhere"), b"\x16\x03\x01\x00\x05hello".to_vec(), b"hello\n".to_vec()] {
        let mut client = lone.client().await;
        client.send(connect).await;
        client.head().await;
        client.send(&first).await;
        let mut app = lone.app.accept().await;
        assert_eq!(app.exactly(first.len()).await, String::from_utf8_lossy(&first));
        app.send("from the app").await;
        assert_eq!(client.exactly(12).await, "from the app");
    }
    // Nor need the client speak first.
    let mut client = lone.client().await;
    client.send(connect).await;
    client.head().await;
    let mut app = lone.app.accept().await;
    app.send("220 mail").await;
    assert_eq!(client.exactly(8).await, "220 mail");
}

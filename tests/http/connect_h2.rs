//! CONNECT over HTTP/2: tunnels of an HTTP proxy's clients, and WebSocket (RFC 8441).

use bytes::Bytes;
use h2::client::SendRequest;
use h2::ext::Protocol;
use h2::{RecvStream, SendStream};
use http::{Method, Request, Response};
use weft_model::cluster::UpstreamProtocol;
use weft_model::http::HttpConnectionManager;
use weft_proxy::http::upgrade::understanding;
use weft_testkit::wire::{End, Peer};

use super::connect::proxy;
use super::judged::{change, denies};
use super::{GET, Lone, OK};

async fn client(lone: &Lone) -> SendRequest<Bytes> {
    let socket = tokio::net::TcpStream::connect(lone.at).await.unwrap();
    let (send, mut connection) = h2::client::handshake(socket).await.unwrap();
    tokio::spawn(async move {
        let _ = std::future::poll_fn(|cx| std::pin::Pin::new(&mut connection).poll(cx)).await;
    });
    send.ready().await.unwrap()
}

async fn may_extend(send: &SendRequest<Bytes>) {
    weft_testkit::eventually("the settings say so", async || send.is_extended_connect_protocol_enabled())
        .await;
}

fn chat(protocol: &'static str) -> Request<()> {
    let request = Request::builder().method(Method::CONNECT).uri("http://app/chat");
    let request =
        request.header("sec-websocket-version", "13").header("sec-websocket-key", "not mine to say");
    request.extension(Protocol::from_static(protocol)).body(()).unwrap()
}

/// A WebSocket that is asked for, with what its client says too early, and the app that is asked.
async fn asked(lone: &Lone) -> (h2::client::ResponseFuture, SendStream<Bytes>, Peer, String) {
    let mut send = client(lone).await;
    may_extend(&send).await;
    let (response, mut there) = send.send_request(chat("websocket"), false).unwrap();
    there.send_data(Bytes::from_static(b"early"), false).unwrap();
    let mut app = lone.app.accept().await;
    let head = app.head().await;
    (response, there, app, head)
}

fn agreed(head: &str) -> String {
    let key = head.lines().find_map(|l| l.strip_prefix("sec-websocket-key: ")).unwrap();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: chat\r\n\r\n",
        understanding(key)
    )
}

async fn opened(lone: &Lone) -> (RecvStream, SendStream<Bytes>, Peer, Response<()>) {
    let (response, there, mut app, head) = asked(lone).await;
    app.send(agreed(&head)).await;
    let (parts, back) = response.await.unwrap().into_parts();
    assert_eq!(app.exactly(5).await, "early");
    (back, there, app, Response::from_parts(parts, ()))
}

#[tokio::test]
async fn a_websocket_over_http2_is_an_upgrade_to_the_app() {
    let lone = Lone::new().await;
    let (response, mut there, mut app, head) = asked(&lone).await;
    let lower = head.to_ascii_lowercase();
    assert!(lower.starts_with("get /chat http/1.1\r\n") && lower.contains("host: app\r\n"), "{head}");
    assert!(lower.contains("connection: upgrade\r\n") && lower.contains("upgrade: websocket\r\n"), "{head}");
    assert!(lower.contains("sec-websocket-version: 13\r\n") && !lower.contains("not mine"), "{head}");
    // No byte of the client's goes up before the app has agreed: the app would take it for a request (CVE-2025-64763).
    app.send(format!("{}hello", agreed(&head))).await;
    assert_eq!(app.exactly(5).await, "early");
    let response = response.await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["sec-websocket-protocol"]),
        (200, &"chat".parse().unwrap())
    );
    for gone in ["upgrade", "connection", "sec-websocket-accept"] {
        assert!(!response.headers().contains_key(gone), "{gone}");
    }
    let mut back = response.into_body();
    assert_eq!(back.data().await.unwrap().unwrap(), "hello");
    there.send_data(Bytes::from_static(b"ping"), false).unwrap();
    assert_eq!(app.exactly(4).await, "ping");
    there.send_data(Bytes::new(), true).unwrap();
    assert_eq!(app.end().await, (String::new(), End::Closed));
    app.send("bye").await;
    drop(app);
    assert_eq!(back.data().await.unwrap().unwrap(), "bye");
    while let Some(piece) = back.data().await {
        assert_eq!(piece.unwrap(), "", "a half that is closed leaves the other open, and both end in order");
    }
}

#[tokio::test]
async fn what_breaks_off_on_one_side_breaks_off_on_the_other() {
    let lone = Lone::new().await;
    let (mut back, _there, app, _) = opened(&lone).await;
    app.break_off();
    assert!(matches!(back.data().await, Some(Err(e)) if e.is_reset()));
    let (_back, mut there, mut app, _) = opened(&lone).await;
    there.send_reset(h2::Reason::CANCEL);
    assert_eq!(app.end().await.1, End::Reset);
}

#[tokio::test]
async fn an_app_that_does_not_agree_opens_nothing() {
    let lone = Lone::new().await;
    let no_key = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let no = "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno";
    for (answer, status) in [(OK, 502), (no_key, 502), (no, 404)] {
        let (response, _there, mut app, _) = asked(&lone).await;
        app.send(answer).await;
        assert_eq!(response.await.unwrap().status(), status, "{answer}");
        if status == 502 {
            assert_eq!(app.end().await.0, "", "what came early goes nowhere");
        }
    }
}

#[tokio::test]
async fn what_this_port_does_not_pass_on_is_refused_before_the_app_hears_of_it() {
    let lone = Lone::new().await;
    let mut send = client(&lone).await;
    may_extend(&send).await;
    let (response, _) = send.send_request(chat("made-up"), false).unwrap();
    assert_eq!(response.await.unwrap().status(), 403);
    assert!(lone.app.is_left_alone().await);

    let lone = Lone::with(|_| {}, |c| c.http.protocol = UpstreamProtocol::Http2).await;
    let mut send = client(&lone).await;
    may_extend(&send).await;
    let (response, _) = send.send_request(chat("websocket"), false).unwrap();
    assert_eq!(response.await.unwrap().status(), 403);
    assert!(lone.app.is_left_alone().await);

    let lone = Lone::with(|m| m.upgrades.clear(), |_| {}).await;
    let mut send = client(&lone).await;
    let (response, _) = send.send_request(Request::get("http://app/").body(()).unwrap(), true).unwrap();
    let mut app = lone.app.accept().await;
    app.head().await;
    app.send(OK).await;
    response.await.unwrap();
    assert!(!send.is_extended_connect_protocol_enabled(), "nothing is offered where nothing is passed on");
}

#[tokio::test]
async fn policy_sees_the_path_and_ends_what_it_denies_later() {
    let shut = |m: &mut HttpConnectionManager| m.filters.insert(0, denies("/chat"));
    let lone = Lone::with(shut, |_| {}).await;
    let mut send = client(&lone).await;
    may_extend(&send).await;
    let (response, _) = send.send_request(chat("websocket"), false).unwrap();
    assert_eq!(response.await.unwrap().status(), 403);
    assert!(lone.app.is_left_alone().await);

    let lone = Lone::new().await;
    let (mut back, _there, mut app, _) = opened(&lone).await;
    change(&lone, shut).await;
    assert!(matches!(back.data().await, Some(Err(e)) if e.is_reset()));
    app.end().await;
}

fn connect() -> Request<()> {
    Request::builder().method(Method::CONNECT).uri("app:80").body(()).unwrap()
}

#[tokio::test]
async fn an_http_proxys_clients_have_their_tunnels_side_by_side() {
    let lone = Lone::with(proxy, |_| {}).await;
    let mut send = client(&lone).await;
    let mut tunnels = Vec::new();
    for said in [GET, "\u{16}\u{3}\u{1}\0\u{2}hi"] {
        let (response, mut there) = send.send_request(connect(), false).unwrap();
        there.send_data(Bytes::from_static(said.as_bytes()), false).unwrap();
        let response = response.await.unwrap();
        assert_eq!(response.status(), 200);
        let mut app = lone.app.accept().await;
        if said == GET {
            assert!(app.head().await.contains("x-envoy-attempt-count: 1"), "HTTP within is HTTP");
        } else {
            assert_eq!(app.exactly(7).await, said);
        }
        tunnels.push((response.into_body(), there, app));
        send = send.ready().await.unwrap();
    }
    for (back, _, app) in &mut tunnels {
        app.send(OK).await;
        let mut seen = Vec::new();
        while !seen.ends_with(b"ok") {
            let piece = back.data().await.unwrap().unwrap();
            back.flow_control().release_capacity(piece.len()).unwrap();
            seen.extend_from_slice(&piece);
        }
    }
}

#[tokio::test]
async fn a_tunnel_that_is_refused_passes_nothing_on_and_one_holds_no_other() {
    let lone = Lone::new().await;
    let mut send = client(&lone).await;
    let (response, mut there) = send.send_request(connect(), false).unwrap();
    there.send_data(Bytes::from_static(GET.as_bytes()), false).unwrap();
    assert_eq!(response.await.unwrap().status(), 403);
    assert!(lone.app.is_left_alone().await);

    let lone = Lone::with(proxy, |_| {}).await;
    let mut send = client(&lone).await;
    let (response, mut there) = send.send_request(connect(), false).unwrap();
    there.send_data(Bytes::from_static(b"CONNECT app:80 HTTP/1.1\r\nHost: app:80\r\n\r\n"), false).unwrap();
    let mut back = response.await.unwrap().into_body();
    let answer = back.data().await.unwrap().unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 403"), "{answer:?}");
}

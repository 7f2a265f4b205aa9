//! Limits of time that the configuration sets are kept.

use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::task::JoinHandle;
use weft_model::http::HttpConnectionManager;
use weft_model::route::RetryPolicy;
use weft_testkit::eventually;
use weft_testkit::wire::{End, Peer};

use super::connect::{proxy, tunnel};
use super::upgrades::{SWITCH, WEBSOCKET};
use super::{GET, Lone, OK, forward};

const SHORT: Duration = Duration::from_millis(60);

#[tokio::test]
async fn a_head_that_comes_too_slowly_is_answered_408() {
    let lone = Lone::with(|m| m.request_headers_timeout = Some(SHORT), |_| {}).await;
    let mut client = lone.client().await;
    client.send("GET / HTTP/1.1\r\nHost: ap").await;
    let (answer, _) = client.end().await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer:?}");
}

#[tokio::test]
async fn an_idle_client_is_let_go_and_one_whose_time_is_over_is_told() {
    let lone = Lone::with(|m| m.idle_timeout = Some(SHORT), |_| {}).await;
    let began = Instant::now();
    assert_eq!(lone.client().await.end().await, (String::new(), End::Closed));
    assert!(began.elapsed() >= SHORT);

    let lone = Lone::with(|m| m.max_connection_duration = Some(SHORT), |_| {}).await;
    let (mut client, mut app, _) = lone.asked(GET).await;
    app.send(OK).await;
    client.response().await;
    assert_eq!(client.end().await.1, End::Closed);
}

/// A client of HTTP/2, and how its connection ends.
async fn http2(lone: &Lone) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>) {
    let socket = tokio::net::TcpStream::connect(lone.at).await.unwrap();
    let (send, connection) = h2::client::handshake(socket).await.unwrap();
    (send, tokio::spawn(connection))
}

/// Waits until a connection has ended.
async fn over(connection: JoinHandle<Result<(), h2::Error>>) {
    let ended = tokio::time::timeout(Duration::from_secs(10), connection).await;
    ended.expect("it stays").unwrap().unwrap();
}

#[tokio::test]
async fn a_client_of_http2_is_let_go_when_it_is_idle_and_when_its_time_is_over_after_what_has_begun() {
    let idle = Lone::with(|m| m.idle_timeout = Some(SHORT), |_| {}).await;
    let began = Instant::now();
    let (_send, connection) = http2(&idle).await;
    over(connection).await;
    assert!(began.elapsed() >= SHORT);

    let short_lived = Lone::with(|m| m.max_connection_duration = Some(SHORT), |_| {}).await;
    let (mut send, connection) = http2(&short_lived).await;
    let request = http::Request::builder().uri("http://app/").body(()).unwrap();
    let (answer, _) = send.send_request(request, true).unwrap();
    let mut app = short_lived.app.accept().await;
    app.head().await;
    eventually("it is told to open no more streams", async || send.clone().ready().await.is_err()).await;
    app.send(OK).await;
    assert_eq!(answer.await.unwrap().status(), 200, "what had begun goes on");
    drop(send);
    over(connection).await;
}

#[tokio::test]
async fn the_routes_timeout_covers_the_answer_to_its_end() {
    let lone = Lone::with(|m| forward(m).timeout = Some(SHORT), |_| {}).await;
    let (mut client, mut app, _) = lone.asked(GET).await;
    let (head, body) = client.response().await;
    assert!(head.starts_with("http/1.1 504"), "{head}");
    assert_eq!(body, "upstream request timeout");
    assert_eq!(app.end().await.0, "", "the app is told to stop");

    let (mut client, mut app, _) = lone.asked(GET).await;
    app.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n").await;
    client.until("half").await;
    assert_eq!(client.end().await.1, End::Reset, "half an answer does not look whole");
    app.end().await;
}

#[tokio::test]
async fn each_try_has_its_own_limit_and_a_request_its_own() {
    let retry = RetryPolicy {
        retry_on: "reset".into(),
        num_retries: Some(1),
        per_try_timeout: Some(SHORT),
        ..RetryPolicy::default()
    };
    let lone = Lone::with(|m| forward(m).retry = Some(retry), |_| {}).await;
    let (mut client, mut first, head) = lone.asked(GET).await;
    assert!(head.contains("x-envoy-attempt-count: 1"), "{head}");
    first.end().await;
    let mut second = lone.app.accept().await;
    assert!(second.head().await.contains("x-envoy-attempt-count: 2"));
    second.send(OK).await;
    assert_eq!(client.response().await.1, "ok");

    let lone = Lone::with(|m| m.request_timeout = Some(SHORT), |_| {}).await;
    let upload = "POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 9\r\n\r\nhalf";
    let (mut client, _app, _) = lone.asked(upload).await;
    assert!(client.head().await.starts_with("HTTP/1.1 408"));
}

#[tokio::test]
async fn a_stream_in_which_nothing_moves_ends() {
    let lone = Lone::with(|m| m.stream_idle_timeout = Some(SHORT), |_| {}).await;
    let (mut client, mut app, _) = lone.asked(GET).await;
    app.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nevent\r\n").await;
    client.until("event").await;
    assert_eq!(client.end().await.1, End::Reset);
    app.end().await;
}

/// Of what is kept moving: a machine that is busy with other tests must not be idle for so long.
const LONG: Duration = Duration::from_millis(800);

async fn websocket(lone: &Lone) -> (Peer, Peer) {
    let (mut client, mut app, _) = lone.asked(WEBSOCKET).await;
    app.send(SWITCH).await;
    client.head().await;
    (client, app)
}

/// A tunnel to a server that speaks first, so that it is one of bytes.
async fn bytes(lone: &Lone) -> (Peer, Peer) {
    let mut client = tunnel(lone).await;
    let mut app = lone.app.accept().await;
    app.send("220 mail\r\n").await;
    client.until("\r\n").await;
    (client, app)
}

/// Bytes both ways, for so long; returns a moment before the last of them.
async fn move_for(time: Duration, client: &mut Peer, app: &mut Peer) -> Instant {
    let began = Instant::now();
    let mut last = began;
    while began.elapsed() < time {
        last = Instant::now();
        client.send("ping").await;
        assert_eq!(app.exactly(4).await, "ping");
        app.send("pong").await;
        assert_eq!(client.exactly(4).await, "pong");
    }
    last
}

#[tokio::test]
async fn a_tunnel_in_which_nothing_moves_ends_in_order_and_one_that_is_used_does_not() {
    let of_streams = |m: &mut HttpConnectionManager| m.stream_idle_timeout = Some(LONG);
    let of_route = |m: &mut HttpConnectionManager| {
        proxy(m);
        m.stream_idle_timeout = Some(Duration::ZERO);
        forward(m).idle_timeout = Some(LONG);
    };
    let (upgraded, connected) = (Lone::with(of_streams, |_| {}).await, Lone::with(of_route, |_| {}).await);
    for upgrade in [true, false] {
        let (mut client, mut app) =
            if upgrade { websocket(&upgraded).await } else { bytes(&connected).await };
        let last = move_for(LONG * 2, &mut client, &mut app).await;
        assert_eq!(client.end().await, (String::new(), End::Closed));
        assert!(last.elapsed() >= LONG, "it was closed after {:?}", last.elapsed());
        app.end().await;
    }
}

#[tokio::test]
async fn a_tunnel_lasts_no_longer_than_its_stream_may_however_busy() {
    let longest = |m: &mut HttpConnectionManager| forward(m).max_stream_duration = Some(LONG);
    let of_proxy = |m: &mut HttpConnectionManager| {
        proxy(m);
        longest(m);
    };
    let (upgraded, connected) = (Lone::with(longest, |_| {}).await, Lone::with(of_proxy, |_| {}).await);
    for upgrade in [true, false] {
        let began = Instant::now();
        let (mut client, mut app) =
            if upgrade { websocket(&upgraded).await } else { bytes(&connected).await };
        move_for(LONG / 2, &mut client, &mut app).await;
        assert_eq!(client.end().await, (String::new(), End::Reset));
        assert!(began.elapsed() >= LONG, "it was cut after {:?}", began.elapsed());
        assert_eq!(app.end().await.1, End::Reset, "neither end takes what came for whole");
    }
}

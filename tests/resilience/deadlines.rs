//! Whoever works on a request knows how long somebody waits for it.

use std::time::Duration;

use weft_model::cluster::Cluster;
use weft_model::http::HttpConnectionManager;
use weft_model::route::RetryPolicy;
use weft_testkit::app::Switched;
use weft_testkit::wire::Puppet;

use super::{Way, ask, forward, sockets};

async fn head(request: &str, per_try: Option<Duration>) -> String {
    let app = Puppet::new().await;
    let way = Way::with(
        &[app.address],
        |_| {},
        |manager| {
            forward(manager).timeout = Some(Duration::from_secs(5));
            forward(manager).retry = Some(RetryPolicy { per_try_timeout: per_try, ..RetryPolicy::default() });
        },
    )
    .await;
    let mut client = way.client().await;
    client.send(request).await;
    app.accept().await.head().await.to_ascii_lowercase()
}

fn value<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_is_told_how_long_its_answer_is_waited_for_whatever_the_client_claims() {
    let claimed = "GET / HTTP/1.1\r\nHost: app\r\nX-Envoy-Expected-Rq-Timeout-Ms: 99999\r\n\r\n";
    let told = head(claimed, Some(Duration::from_secs(1))).await;
    assert_eq!(value(&told, "x-envoy-expected-rq-timeout-ms"), Some("1000"), "{told}");
    let told = head(claimed, None).await;
    let left: u64 = value(&told, "x-envoy-expected-rq-timeout-ms").unwrap().parse().unwrap();
    assert!((1..=5000).contains(&left), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grpc_deadline_goes_on_no_longer_than_the_route_allows() {
    let told = head(&call("Grpc-Timeout: 1H\r\n"), None).await;
    let deadline = value(&told, "grpc-timeout").unwrap();
    let micros: u64 = deadline.strip_suffix('u').expect(deadline).parse().unwrap();
    assert!(micros <= 5_000_000, "{told}");
}

/// A call as a client of gRPC makes it, over HTTP/1.1: where it is not streamed, its status is in the answer's head.
fn call(more: &str) -> String {
    format!(
        "POST /s/M HTTP/1.1\r\nHost: app\r\nContent-Type: application/grpc\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_takes_too_long_has_exceeded_its_deadline_whoever_set_it() {
    let (app, limit) = (Puppet::new().await, Duration::from_millis(80));
    let routes = Way::with(&[app.address], |_| {}, |manager| forward(manager).timeout = Some(limit)).await;
    let tries = Way::with(
        &[app.address],
        |_| {},
        |manager| {
            let retry = RetryPolicy { per_try_timeout: Some(limit), ..RetryPolicy::default() };
            forward(manager).retry = Some(retry);
        },
    )
    .await;
    let clients = Way::with(
        &[app.address],
        |_| {},
        |manager| {
            forward(manager).timeout = Some(Duration::ZERO);
            forward(manager).grpc_timeout_cap = Some(Duration::ZERO);
        },
    )
    .await;
    let none_left = "Grpc-Timeout: 0n\r\n";
    for (way, more) in
        [(&routes, ""), (&tries, ""), (&clients, "Grpc-Timeout: 80m\r\n"), (&clients, none_left)]
    {
        let (status, head, _) = ask(&mut way.client().await, &call(more)).await;
        assert_eq!(status, 200);
        assert!(head.contains("grpc-status: 4\r\n"), "{head}");
        assert_eq!(value(&head, "grpc-message"), Some("upstream request timeout"), "{head}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_takes_too_long_ends_by_the_same_status_in_its_trailers() {
    let (app, limit) = (Puppet::new().await, Duration::from_millis(150));
    let way = Way::with(&[app.address], |_| {}, |manager| forward(manager).timeout = Some(limit)).await;
    let mut client = way.client().await;
    client.send(call("TE: trailers\r\n")).await;
    let mut served = app.accept().await;
    served.head().await;
    served.send("HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
    client.until("first").await;
    let rest = client.until("\r\n\r\n").await.to_ascii_lowercase();
    assert!(rest.contains("\r\n0\r\ngrpc-status: 4\r\n"), "{rest:?}");
    served.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_took_too_long_is_not_executed_again_by_whoever_tries_again_what_is_unavailable() {
    let (app, limit) = (Switched::new().await, Duration::from_millis(80));
    app.pause.store(600_000, std::sync::atomic::Ordering::SeqCst);
    let inner = Way::with(&[app.address], |_| {}, |manager| forward(manager).timeout = Some(limit)).await;
    // Istio's default, word for word.
    let policy = RetryPolicy {
        retry_on: "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes".into(),
        num_retries: Some(2),
        retriable_status_codes: vec![503],
        ..RetryPolicy::default()
    };
    let outer = Way::with(&[inner.at], |_| {}, |manager| forward(manager).retry = Some(policy)).await;
    let (_, head, _) = ask(&mut outer.client().await, &call("")).await;
    assert!(head.contains("grpc-status: 4\r\n"), "{head}");
    assert_eq!((app.seen(), outer.count("upstream_rq_retry")), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_with_a_body_takes_no_longer_than_it_may_where_no_connection_comes_about() {
    let (deaf, limit) = (sockets::deaf(), Duration::from_millis(80));
    let connects = |cluster: &mut Cluster| cluster.connect_timeout = Some(Duration::from_secs(60));
    let routes = Way::with(&[deaf.address], connects, |manager| forward(manager).timeout = Some(limit)).await;
    let clients = |manager: &mut HttpConnectionManager| {
        forward(manager).timeout = Some(Duration::ZERO);
        forward(manager).grpc_timeout_cap = Some(Duration::ZERO);
    };
    let clients = Way::with(&[deaf.address], connects, clients).await;
    let post = "POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 5\r\n\r\nhello";
    let call = "POST /s/M HTTP/1.1\r\nHost: app\r\nContent-Type: application/grpc\r\nGrpc-Timeout: 80m\r\nContent-Length: 5\r\n\r\nhello";
    for (way, request, told) in [(&routes, post, "http/1.1 504 "), (&clients, call, "grpc-status: 4\r\n")] {
        let mut client = way.client().await;
        let asked = tokio::time::timeout(Duration::from_secs(20), ask(&mut client, request)).await;
        let (_, head, _) = asked.expect("it takes as long as the connection may");
        assert!(head.to_ascii_lowercase().contains(told), "{head}");
    }
}

//! Whoever works on a request knows how long somebody waits for it.

use std::time::Duration;

use weft_model::route::RetryPolicy;
use weft_testkit::wire::Puppet;

use super::{Way, forward};

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
    let call = "POST /s/M HTTP/1.1\r\nHost: app\r\nContent-Type: application/grpc\r\nGrpc-Timeout: 1H\r\nContent-Length: 0\r\n\r\n";
    let told = head(call, None).await;
    let deadline = value(&told, "grpc-timeout").unwrap();
    let micros: u64 = deadline.strip_suffix('u').expect(deadline).parse().unwrap();
    assert!(micros <= 5_000_000, "{told}");
}

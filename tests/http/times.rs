//! Limits of time that the configuration sets are kept.

use std::time::{Duration, Instant};

use weft_model::route::RetryPolicy;
use weft_testkit::wire::End;

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

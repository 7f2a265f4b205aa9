//! How things end: cut short, abandoned, raced, drained; and what may be tried again.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use weft_model::route::RetryPolicy;
use weft_testkit::wire::End;

use super::{GET, Lone, OK, forward};

#[tokio::test]
async fn an_answer_cut_short_does_not_look_whole() {
    let lone = Lone::new().await;
    for (request, answer, reset) in [
        (GET, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", false),
        (GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", false),
        (GET, "HTTP/1.1 200 OK\r\n\r\nhalf", true),
        ("GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nhalf", true),
    ] {
        let (mut client, mut app, _) = lone.asked(request).await;
        app.send(answer).await;
        client.until("half").await;
        if reset {
            app.break_off();
        } else {
            drop(app);
        }
        let (rest, end) = client.end().await;
        assert_eq!(end, End::Reset, "{answer:?} looks whole");
        assert!(!rest.contains("0\r\n\r\n"), "{answer:?}: {rest:?}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_with_it() {
    let lone = Lone::new().await;
    let (client, mut app, _) = lone.asked(GET).await;
    drop(client);
    assert_eq!(app.end().await.0, "", "before the answer");

    let (mut client, mut app, _) = lone.asked(GET).await;
    app.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nevent\r\n").await;
    client.until("event").await;
    drop(client);
    app.end().await;

    let upload = "POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 9\r\n\r\nhalf";
    let (client, mut app, _) = lone.asked(upload).await;
    assert_eq!(app.exactly(4).await, "half");
    drop(client);
    assert_eq!(app.end().await.0, "", "a request cut short does not look whole");
}

/// A connection that has carried a request, and the app's end of it.
async fn used(lone: &Lone) -> (weft_testkit::wire::Peer, weft_testkit::wire::Peer) {
    let (mut client, mut app, _) = lone.asked(GET).await;
    app.send(OK).await;
    client.response().await;
    (client, app)
}

#[tokio::test]
async fn the_keep_alive_race_costs_no_idempotent_request_and_sends_no_other_twice() {
    let lone = Lone::new().await;
    let (mut client, mut app) = used(&lone).await;
    // In order, or, where the server's kernel still had something unread, by RST.
    for reset in [false, true] {
        client.send("GET /again HTTP/1.1\r\nHost: app\r\n\r\n").await;
        app.head().await;
        if reset {
            app.break_off();
        } else {
            drop(app);
        }
        app = lone.app.accept().await;
        assert!(app.head().await.starts_with("GET /again "));
        app.send(OK).await;
        assert_eq!(client.response().await.1, "ok");
    }

    let pay = "POST /pay HTTP/1.1\r\nHost: app\r\nContent-Length: 3\r\n\r\n100";
    client.send(pay).await;
    app.until("100").await;
    drop(app);
    let (head, _) = client.response().await;
    assert!(head.starts_with("http/1.1 503"), "{head}");
    // Were it sent again, the connection for it would be there before the answer.
    assert!(lone.app.is_left_alone().await, "a payment was sent twice");
}

#[tokio::test]
async fn in_the_keep_alive_race_an_idempotent_request_goes_again_with_its_body_once() {
    let lone = Lone::new().await;
    let (mut client, mut app) = used(&lone).await;
    let put = |n: usize| format!("PUT / HTTP/1.1\r\nHost: app\r\nContent-Length: {n}\r\n\r\n");
    // Half of the body has come when the connection ends: what came is sent again, and the rest behind it.
    client.send(put(10) + "01234").await;
    app.until("01234").await;
    drop(app);
    let mut second = lone.app.accept().await;
    assert!(second.head().await.starts_with("PUT / "));
    second.until("01234").await;
    client.send("56789").await;
    second.until("56789").await;
    second.send(OK).await;
    assert_eq!(client.response().await.1, "ok");

    // The connection of the second try is a new one: what ends on that was no race.
    client.send(put(3) + "abc").await;
    second.until("abc").await;
    drop(second);
    let mut third = lone.app.accept().await;
    third.until("abc").await;
    drop(third);
    assert!(client.response().await.0.starts_with("http/1.1 503"));
    assert!(lone.app.is_left_alone().await, "it was sent a third time");
}

#[tokio::test]
async fn in_the_keep_alive_race_a_body_that_is_too_large_to_be_kept_is_not_sent_again() {
    let lone = Lone::new().await;
    let (mut client, mut app) = used(&lone).await;
    let large = 100_000;
    client.send(format!("PUT / HTTP/1.1\r\nHost: app\r\nContent-Length: {large}\r\n\r\n")).await;
    client.send("x".repeat(large)).await;
    app.head().await;
    app.exactly(large).await;
    drop(app);
    assert!(client.response().await.0.starts_with("http/1.1 503"));
    assert!(lone.app.is_left_alone().await);
}

#[tokio::test]
async fn what_the_app_has_seen_on_a_new_connection_is_not_sent_again() {
    let lone = Lone::new().await;
    let (mut client, app, _) = lone.asked(GET).await;
    app.break_off();
    let (head, _) = client.response().await;
    assert!(head.starts_with("http/1.1 503"), "{head}");
    assert!(lone.app.is_left_alone().await);
}

#[tokio::test]
async fn a_body_goes_with_each_try_as_long_as_it_is_small() {
    let retry = RetryPolicy {
        retry_on: "5xx".into(),
        num_retries: Some(2),
        back_off_base: Some(Duration::from_millis(1)),
        ..RetryPolicy::default()
    };
    let lone = Lone::with(|m| forward(m).retry = Some(retry), |_| {}).await;
    let post = |n: usize| format!("POST / HTTP/1.1\r\nHost: app\r\nContent-Length: {n}\r\n\r\n");
    let body = |n: usize| "b".repeat(n);
    let (mut client, mut app, _) = lone.asked(&(post(50_000) + &body(50_000))).await;
    for attempt in 1..=3 {
        assert_eq!(app.exactly(50_000).await, body(50_000));
        app.send("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n").await;
        // All of the answer is here, so that its connection serves the next try.
        if attempt < 3 {
            assert!(app.head().await.contains(&format!("x-envoy-attempt-count: {}", attempt + 1)));
        }
    }
    assert!(client.response().await.0.starts_with("http/1.1 503"));

    client.send(post(100_000) + &body(100_000)).await;
    app.head().await;
    app.exactly(100_000).await;
    app.send("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n").await;
    assert!(client.response().await.0.starts_with("http/1.1 503"));
    assert!(lone.app.is_left_alone().await, "what is not kept is not sent again");
}

#[tokio::test]
async fn a_drain_finishes_what_is_in_flight_and_answers_what_is_on_its_way() {
    let lone = Lone::new().await;
    let (mut idle, app) = used(&lone).await;
    // The pooled connection is gone, so that the next request makes one that the test holds.
    drop(app);
    let (mut busy, mut app, _) = lone.asked(GET).await;
    lone.sidecar.remove_listener("out");
    weft_testkit::eventually("the port is closed", async || {
        tokio::net::TcpStream::connect(lone.at).await.is_err()
    })
    .await;
    app.send(OK).await;
    assert_eq!(busy.response().await.1, "ok");
    idle.send(GET).await;
    let (head, _) = idle.response().await;
    assert!(head.contains("connection: close"), "{head}");
    assert_eq!(idle.end().await.1, End::Closed);
    assert_eq!(busy.end().await.1, End::Closed);
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_the_app_from_writing() {
    let lone = Lone::new().await;
    let (_client, mut app, _) = lone.asked(GET).await;
    app.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").await;
    let piece = vec![b'x'; 64 * 1024];
    let mut written = 0;
    // The sockets' own buffers fill, then nothing moves.
    while let Ok(Ok(n)) = tokio::time::timeout(Duration::from_millis(300), app.socket().write(&piece)).await {
        written += n;
        assert!(written < 64 << 20, "the sidecar swallows whatever comes");
    }
    assert!(written > 0);
}

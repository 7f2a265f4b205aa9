//! An endpoint that misbehaves costs what was sent to it, is told of in plain words, and harms no other endpoint.

use std::time::{Duration, Instant};

use weft_model::route::RetryPolicy;
use weft_testkit::app::Switched;
use weft_testkit::wire::{Peer, Puppet};

use super::{GET, Way, ask, forward};

/// What it does with a request, and what the client is told.
type Act = (&'static str, &'static [u8], u16);

const ACTS: &[Act] = &[
    ("closes without a word", b"", 503),
    ("says garbage", b"\x00\x01\x02 this is no HTTP\r\n\r\n", 502),
    ("says two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 502),
    (
        "says length and chunks",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        502,
    ),
    ("stops within its head", b"HTTP/1.1 200 OK\r\nContent-Le", 503),
    (
        "changes protocols unasked",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        502,
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_one_endpoint_does_the_other_goes_on() {
    for (what, said, told) in ACTS {
        let (hostile, well) = (Puppet::new().await, Switched::new().await);
        let way = Way::to(&[hostile.address, well.address], |_| {}).await;
        let mut client = way.client().await;
        let (mut harmed, mut served) = (0, 0);
        for _ in 0..6 {
            let answer = async { ask(&mut client, GET).await };
            tokio::pin!(answer);
            let status = tokio::select! {
                (status, ..) = &mut answer => status,
                mut asked = hostile.accept() => {
                    asked.head().await;
                    asked.send(said).await;
                    asked.finish().await;
                    answer.await.0
                }
            };
            match status {
                200 => served += 1,
                status => {
                    assert_eq!(status, *told, "it {what}");
                    harmed += 1;
                }
            }
        }
        assert_eq!((harmed, served), (3, 3), "it {what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_without_end_is_given_up_at_a_bound() {
    let hostile = Puppet::new().await;
    let way = Way::to(&[hostile.address], |_| {}).await;
    let mut client = way.client().await;
    client.send(GET).await;
    let mut asked: Peer = hostile.accept().await;
    asked.head().await;
    asked.send("HTTP/1.1 200 OK\r\n").await;
    let line = format!("X-More: {}\r\n", "y".repeat(1000));
    let (mut sent, mut ended) = (0, false);
    while !ended && sent < 64 * 1024 * 1024 {
        use tokio::io::AsyncWriteExt as _;
        ended = asked.socket().write_all(line.as_bytes()).await.is_err();
        sent += line.len();
    }
    assert!(ended, "{sent} bytes of head are taken");
    assert!(client.head().await.starts_with("HTTP/1.1 502"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_accepts_and_never_answers_costs_its_try_and_no_more() {
    let (silent, well) = (Puppet::new().await, Switched::new().await);
    let retry = RetryPolicy {
        retry_on: "5xx".into(),
        num_retries: Some(2),
        per_try_timeout: Some(Duration::from_millis(60)),
        avoid_previous_hosts: true,
        ..RetryPolicy::default()
    };
    let way = Way::with(&[silent.address, well.address], |_| {}, |m| forward(m).retry = Some(retry)).await;
    let mut client = way.client().await;
    let began = Instant::now();
    for _ in 0..4 {
        assert_eq!(ask(&mut client, GET).await.0, 200);
    }
    assert!(began.elapsed() >= Duration::from_millis(120), "nobody was waited for");
    // A retry takes a turn, too, so the silent one may be asked first each time.
    assert!((2..=4).contains(&way.count("weft_retry_after_app_may_have_seen_it")));
}

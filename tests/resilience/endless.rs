//! An endpoint that never comes to the point: it is given up at a bound, which the log names, and the other serves on.

use tokio::io::AsyncWriteExt as _;
use weft_testkit::app::Switched;
use weft_testkit::wire::{Peer, Puppet};

use super::hostile::{Log, the_other_serves, trapped};
use super::{GET, Way};

/// More than that is no answer.
const PATIENCE: usize = 16 * 1024 * 1024;

/// Says it over and over until nobody listens; how many bytes were taken.
async fn on_and_on(endpoint: &mut Peer, piece: &str) -> usize {
    let mut sent = 0;
    while sent < PATIENCE && endpoint.socket().write_all(piece.as_bytes()).await.is_ok() {
        sent += piece.len();
    }
    sent
}

/// What it does, how it begins, what it says over and over, how the client's answer ends, and the words of the log.
type Endless = (&'static str, &'static str, String, &'static str);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_never_comes_to_the_point_is_given_up_at_a_bound_and_the_other_serves() {
    let cases: [Endless; 4] = [
        (
            "writes long headers for ever",
            "HTTP/1.1 200 OK\r\n",
            format!("X-More: {}\r\n", "y".repeat(1000)),
            "the head is larger than the limit (max_head_bytes)",
        ),
        (
            "writes one header for ever",
            "HTTP/1.1 200 OK\r\nX-More: ",
            "y".repeat(1000),
            "the head is larger than the limit (max_head_bytes)",
        ),
        (
            "writes short headers for ever",
            "HTTP/1.1 200 OK\r\n",
            "A: b\r\n".repeat(100),
            "the head has more headers than the limit (max_headers)",
        ),
        (
            "informs for ever",
            "",
            "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n".repeat(10),
            "more than 64 informational answers (1xx) came in the place of the one that was asked for",
        ),
    ];
    for (what, begin, piece, words) in cases {
        let (hostile, well) = (Puppet::new().await, Switched::new().await);
        let log = Log::new("endless");
        let way = Way::with(&[hostile.address, well.address], |_| {}, |m| log.of(m)).await;
        let (mut client, mut asked) = trapped(&way, &hostile, GET).await;
        asked.send(begin).await;
        the_other_serves(&way, &hostile).await;
        let sent = on_and_on(&mut asked, &piece).await;
        assert!(sent < PATIENCE, "it {what}: {sent} bytes are taken");
        let mut head = client.head().await;
        let mut informed = 0;
        while head.starts_with("HTTP/1.1 103") {
            informed += 1;
            head = client.head().await;
        }
        assert!(head.starts_with("HTTP/1.1 502"), "it {what}: {head}");
        assert!(informed == 0 || informed == 64, "it {what}: {informed} times");
        log.says(words).await;
        the_other_serves(&way, &hostile).await;
    }
}

//! Connections that are only passed on: how long they last, and how long nothing may move on them.

use std::time::{Duration, Instant};

use weft_testkit::wire::Peer;

use crate::client::about;
use crate::proxy::Place;
use crate::scene::{Line, Scene, line, scene};

const LIFE: Duration = Duration::from_millis(1500);
const IDLE: Duration = Duration::from_millis(700);

/// Where the difference is documented.
const BROKEN_OFF: &str = "proxy/README.md, A TCP connection's time: neither end takes what came for whole";

pub(crate) fn scenes() -> Vec<Scene> {
    vec![
        Scene {
            bytes: true,
            rule: "  trafficPolicy: {connectionPool: {tcp: {maxConnectionDuration: 1500ms}}}",
            differs: &[("as its client sees it", BROKEN_OFF)],
            ..scene("passed-on", |place| Box::pin(used(place)))
        },
        Scene {
            bytes: true,
            rule: "  trafficPolicy: {connectionPool: {tcp: {idleTimeout: 700ms}}}",
            ..scene("silent", |place| Box::pin(silent(place)))
        },
    ]
}

/// A connection that is used until it is taken away.
async fn used(at: Place) -> Vec<Line> {
    let began = Instant::now();
    let mut client = Peer::connect(at.bytes()).await;
    while began.elapsed() < LIFE / 2 {
        assert_eq!(at.ask_on(&mut client, "GET", "/", &[]).await.status, 200);
    }
    let (_, end) = client.end().await;
    vec![
        line("a connection that is used ends", about(began.elapsed(), 1500)),
        line("as its client sees it", format!("{end:?}")),
    ]
}

/// One that is used for longer than it may be idle, and then is not.
async fn silent(at: Place) -> Vec<Line> {
    let began = Instant::now();
    let mut client = Peer::connect(at.bytes()).await;
    // Counted from before the last request: when its answer is looked at is up to this program, not to a proxy.
    let mut last = began;
    while began.elapsed() < IDLE * 2 {
        last = Instant::now();
        assert_eq!(at.ask_on(&mut client, "GET", "/", &[]).await.status, 200);
    }
    let (_, end) = client.end().await;
    vec![
        line("nothing moves on a connection: it ends", about(last.elapsed(), 700)),
        line("as its client sees it", format!("{end:?}")),
    ]
}

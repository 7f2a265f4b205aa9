//! No more is under way than may be: what waits, what is refused, and how it is told.

use tokio::task::JoinHandle;
use weft_testkit::wire::Peer;

use crate::client::{Answer, Called};
use crate::proxy::Place;
use crate::scene::{Line, Scene, line, scene};

pub(crate) fn scenes() -> Vec<Scene> {
    vec![
        Scene {
            rule: "  trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}}",
            ..scene("waiting", |place| Box::pin(waiting(place)))
        },
        Scene {
            rule: "  trafficPolicy: {connectionPool: {http: {http2MaxRequests: 2}}}",
            ..scene("at-once", |place| Box::pin(at_once(place)))
        },
        Scene {
            rule: "  trafficPolicy: {connectionPool: {http: {http2MaxRequests: 1}}}",
            ..scene("one-call", |place| Box::pin(one_call(place)))
        },
        Scene {
            rule: "  trafficPolicy: {connectionPool: {http: {maxRequestsPerConnection: 2}}}",
            ..scene("two-each", |place| Box::pin(two_each(place)))
        },
        Scene {
            rule: "  trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}",
            ..scene("upgraded", |place| Box::pin(protocol(place)))
        },
        Scene {
            rule: "  trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: DO_NOT_UPGRADE}}}",
            ..scene("as-it-came", |place| Box::pin(protocol(place)))
        },
        Scene {
            routes: "\n  - {retries: {attempts: 1, retryOn: \"503\", backoff: 1ms}, TO-ITSELF}",
            rule: "  trafficPolicy: {connectionPool: {http: {maxRetries: 1}}}",
            ..scene("one-retry", |place| Box::pin(one_retry(place)))
        },
    ]
}

fn held(at: &Place) -> JoinHandle<Answer> {
    let at = at.clone();
    tokio::spawn(async move { at.get("/", "hold").await })
}

async fn refused(at: &Place, lines: &mut Vec<Line>, what: &str) {
    let answer = at.get("/", "").await;
    lines.push(line(format!("{what}: refused"), answer.told()));
    lines.push(line(format!("{what}: x-envoy-overloaded"), answer.header("x-envoy-overloaded")));
    lines.push(line(format!("{what}: the log"), at.said(&answer.ask).await));
}

async fn waiting(at: Place) -> Vec<Line> {
    let mut lines = Vec::new();
    let first = held(&at);
    at.until_seen(1).await;
    let second = held(&at);
    at.until("upstream_rq_pending_active", 1).await;
    refused(&at, &mut lines, "one on its way, one waits").await;
    at.apps[0].let_go();
    let told = format!("{}, {}", first.await.unwrap().told(), second.await.unwrap().told());
    lines.push(line("who was let in, who waited", told));
    // Of two workers either may have it: that of the one is closed to make room for the other's.
    lines.push(line("connections that are open", at.count("upstream_cx_active").await));
    for statistic in ["upstream_rq_pending_overflow", "upstream_cx_overflow", "upstream_rq_pending_active"] {
        lines.push(line(statistic, at.count(statistic).await));
    }
    lines
}

async fn at_once(at: Place) -> Vec<Line> {
    let mut lines = Vec::new();
    let both = [held(&at), held(&at)];
    at.until_seen(2).await;
    refused(&at, &mut lines, "two on their way").await;
    for statistic in ["upstream_rq_pending_overflow", "upstream_rq_active_overflow", "upstream_rq_active"] {
        lines.push(line(statistic, at.count(statistic).await));
    }
    at.apps[0].let_go();
    for one in both {
        lines.push(line("who was let in", one.await.unwrap().told()));
    }
    let after = at.get("/", "").await;
    lines.push(line("there is room again", after.told()));
    lines
}

async fn one_call(at: Place) -> Vec<Line> {
    let other = at.clone();
    let held = tokio::spawn(async move { other.call("/s/m", &[("x-fault", "hold")]).await });
    at.until_seen(1).await;
    let refused: Called = at.call("/s/m", &[]).await;
    let mut lines = vec![line("a call too many", refused.told())];
    lines.push(line("a call too many: the log", at.said(&refused.ask).await));
    at.apps[0].let_go();
    lines.push(line("the call that was let in", held.await.unwrap().told()));
    lines
}

async fn two_each(at: Place) -> Vec<Line> {
    // Of one client, and so of one worker: each has connections of its own.
    let mut client = Peer::connect(at.proxy()).await;
    for _ in 0..6 {
        at.ask_on(&mut client, "GET", "/", &[]).await;
    }
    vec![line("connections for six requests", at.apps[0].connections())]
}

/// What the app is spoken to in, whose client speaks HTTP/1.1.
async fn protocol(at: Place) -> Vec<Line> {
    let answer = at.get("/", "").await;
    let asked = format!("{:?}", at.tries(&answer.ask)[0].version);
    vec![line("the answer", answer.told()), line("the app is asked in", asked)]
}

/// While one request is tried again, no other is.
async fn one_retry(at: Place) -> Vec<Line> {
    let other = at.clone();
    let first = tokio::spawn(async move { other.get("/", "503,then=hold").await });
    at.until_seen(2).await;
    let answer = at.get("/", "503,times=1").await;
    let mut lines =
        vec![line("another that fails", format!("{} {}", answer.told(), at.tries(&answer.ask).len()))];
    lines.push(line("another that fails: the log", at.said(&answer.ask).await));
    at.apps[0].let_go();
    let answer = first.await.unwrap();
    lines.push(line(
        "the one that is tried again",
        format!("{} {}", answer.told(), at.tries(&answer.ask).len()),
    ));
    for statistic in ["upstream_rq_retry", "upstream_rq_retry_overflow"] {
        lines.push(line(statistic, at.count(statistic).await));
    }
    lines
}

//! Who fails too often is left alone for a while: when, how many of them, and for how long.

use std::time::{Duration, Instant};

use weft_testkit::wire::Peer;

use crate::proxy::Place;
use crate::retries::ELSEWHERE;
use crate::scene::{Line, Scene, line, scene};

const FOUR: &[&[(&str, &str)]] = &[&[], &[], &[], &[]];

macro_rules! rule {
    ($outlier:literal) => {
        concat!(
            "  trafficPolicy:\n    loadBalancer: {simple: ROUND_ROBIN}\n    outlierDetection: {interval: 100ms, ",
            $outlier,
            "}"
        )
    };
}

pub(crate) fn scenes() -> Vec<Scene> {
    let out = |name, apps, rule, play| Scene { apps, rule, ..scene(name, play) };
    [
        out(
            "third",
            FOUR,
            rule!("consecutive5xxErrors: 3, baseEjectionTime: 600s, maxEjectionPercent: 50"),
            |at| Box::pin(third(at)),
        ),
        out(
            "gateways",
            FOUR,
            rule!(
                "consecutiveGatewayErrors: 2, consecutive5xxErrors: 0, baseEjectionTime: 600s, maxEjectionPercent: 50"
            ),
            |at| Box::pin(gateways(at)),
        ),
        out(
            "only",
            &[&[]],
            rule!("consecutive5xxErrors: 3, baseEjectionTime: 600s, maxEjectionPercent: 80"),
            |at| Box::pin(sick(at, 1)),
        ),
        out(
            "five",
            &[&[], &[], &[], &[], &[]],
            rule!("consecutive5xxErrors: 3, baseEjectionTime: 600s"),
            |at| Box::pin(sick(at, 2)),
        ),
        out(
            "half",
            FOUR,
            rule!("consecutive5xxErrors: 3, baseEjectionTime: 600s, maxEjectionPercent: 50"),
            |at| Box::pin(sick(at, 3)),
        ),
        out(
            "most",
            FOUR,
            rule!("consecutive5xxErrors: 3, baseEjectionTime: 600s, maxEjectionPercent: 99"),
            |at| Box::pin(sick(at, 4)),
        ),
        out(
            "all",
            FOUR,
            rule!("consecutive5xxErrors: 3, baseEjectionTime: 600s, maxEjectionPercent: 100"),
            |at| Box::pin(all(at)),
        ),
        out(
            "panic",
            FOUR,
            rule!(
                "consecutive5xxErrors: 3, baseEjectionTime: 600s, maxEjectionPercent: 100, minHealthPercent: 60"
            ),
            |at| Box::pin(sick(at, 2)),
        ),
        Scene {
            // A retry elsewhere would hide the failures that are counted here.
            routes: "\n  - {retries: {attempts: 0}, TO-ITSELF}",
            ..out(
                "back",
                &[&[], &[]],
                rule!("consecutive5xxErrors: 3, baseEjectionTime: 500ms, maxEjectionPercent: 50"),
                |at| Box::pin(back(at)),
            )
        },
        Scene {
            routes: "\n  - {retries: {attempts: 0}, TO-ITSELF}",
            ..out(
                "twice",
                &[&[], &[]],
                "  trafficPolicy:\n    loadBalancer: {simple: ROUND_ROBIN}\n    outlierDetection: {interval: 2500ms, consecutive5xxErrors: 3, baseEjectionTime: 1100ms, maxEjectionPercent: 50}",
                |at| Box::pin(twice(at)),
            )
        },
        Scene {
            gone: &[0],
            routes: "\n  - {retries: {attempts: 0}, TO-ITSELF}",
            differs: &[("one of four is not there: of 40", ELSEWHERE)],
            ..out(
                "unreachable",
                FOUR,
                rule!("consecutive5xxErrors: 3, baseEjectionTime: 600s, maxEjectionPercent: 50"),
                |at| Box::pin(unreachable(at)),
            )
        },
    ]
    .into_iter()
    .chain(apart())
    .collect()
}

/// Failures of the proxy's own making, counted apart.
fn apart() -> [Scene; 2] {
    let out = |name, apps, rule, play| Scene { apps, rule, ..scene(name, play) };
    [
        Scene {
            gone: &[0],
            routes: "\n  - {retries: {attempts: 0}, TO-ITSELF}",
            differs: &[("one of four is not there: of 40", ELSEWHERE)],
            ..out(
                "split",
                FOUR,
                rule!(
                    "splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 2, consecutive5xxErrors: 4, baseEjectionTime: 600s, maxEjectionPercent: 50"
                ),
                |at| Box::pin(split(at)),
            )
        },
        Scene {
            routes: "\n  - {retries: {attempts: 0}, TO-ITSELF}",
            differs: &[("one of four breaks all off: of 40", STANDS)],
            ..out(
                "split-broken",
                FOUR,
                rule!(
                    "splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 2, consecutive5xxErrors: 4, baseEjectionTime: 600s, maxEjectionPercent: 50"
                ),
                |at| Box::pin(broken(at)),
            )
        },
    ]
}

/// Where the difference is documented.
const STANDS: &str = "proxy/README.md, Outlier detection: that a connection stands is no success where local failures are counted apart";

/// Asks so often, one after the other; how often which status came.
async fn statuses(at: &Place, times: usize) -> String {
    let mut counts = std::collections::BTreeMap::new();
    // Of one client, and so of one worker: each takes turns of its own.
    let mut client = Peer::connect(at.proxy()).await;
    for _ in 0..times {
        *counts.entry(at.ask_on(&mut client, "GET", "/", &[]).await.status).or_insert(0) += 1;
    }
    counts.iter().map(|(status, count)| format!("{count} x {status}")).collect::<Vec<_>>().join(", ")
}

async fn counts(at: &Place, lines: &mut Vec<Line>) {
    for statistic in ["ejections_enforced_total", "ejections_active"] {
        let count = at.count(&format!("outlier_detection_{statistic}")).await;
        lines.push(line(format!("outlier_detection.{statistic}"), count));
    }
}

async fn third(at: Place) -> Vec<Line> {
    at.apps[0].fail("500");
    let mut lines = vec![line("one of four answers 500: of 40", statuses(&at, 40).await)];
    lines.push(line("the sick one saw", at.seen()[0]));
    counts(&at, &mut lines).await;
    lines
}

async fn gateways(at: Place) -> Vec<Line> {
    at.apps[0].fail("500");
    let mut lines = vec![line("500 is no gateway's error: of 40", statuses(&at, 40).await)];
    at.apps[0].fail("504");
    lines.push(line("504 is: of 40 more", statuses(&at, 40).await));
    counts(&at, &mut lines).await;
    lines
}

/// The first `number` answer 503.
async fn sick(at: Place, number: usize) -> Vec<Line> {
    at.apps[..number].iter().for_each(|app| app.fail("503"));
    statuses(&at, 40).await;
    at.until_workers_know().await;
    let all = at.apps.len();
    let mut lines = vec![line(format!("{number} of {all} sick: the next 20"), statuses(&at, 20).await)];
    counts(&at, &mut lines).await;
    lines
}

async fn all(at: Place) -> Vec<Line> {
    at.apps.iter().for_each(|app| app.fail("503"));
    statuses(&at, 30).await;
    at.until_workers_know().await;
    let answer = at.ask("GET", "/", &[]).await;
    let mut lines = vec![line("nobody is left: the answer", answer.told())];
    lines.push(line("nobody is left: the log", at.said(&answer.ask).await));
    lines.push(line("nobody is left: gRPC", at.call("/s/m", &[]).await.told()));
    counts(&at, &mut lines).await;
    lines
}

/// Fails one of two until it is left alone, and asks on until it is back; for how long it was out, and how often the
/// other was asked meanwhile.
async fn ejection(at: &Place, client: &mut Peer) -> (Duration, u32) {
    at.apps[0].fail("503");
    let mut failed = 0;
    let mut ejected = Instant::now();
    while failed < 3 {
        ejected = Instant::now();
        failed += u32::from(at.ask_on(client, "GET", "/", &[]).await.status == 503);
    }
    at.apps[0].fail("");
    let seen = at.seen()[0];
    let mut away = 0;
    while at.seen()[0] == seen && ejected.elapsed() < Duration::from_secs(8) {
        away += 1;
        at.ask_on(client, "GET", "/", &[]).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    (ejected.elapsed(), away)
}

/// `out` was no less than `least`, and in Envoy no more than until the sweep after that.
fn within(out: Duration, least: Duration) -> String {
    if (least..least + Duration::from_secs(5)).contains(&out) {
        format!("not before {least:?}")
    } else {
        format!("after {out:?}!")
    }
}

/// How long it is left alone.
async fn back(at: Place) -> Vec<Line> {
    let mut client = Peer::connect(at.proxy()).await;
    let (out, away) = ejection(&at, &mut client).await;
    println!("{}: back after {out:.2?}", at.program());
    let mut lines = vec![line("the ejection is over", within(out, Duration::from_millis(500)))];
    lines.push(line("the other is asked meanwhile", away > 1));
    // Who fails again as soon as he is back is asked on before Envoy: it tells its workers of who is out and who is back once
    // in a second (`update_merge_window`), and by then the second ejection is over, too.
    let (out, away) = ejection(&at, &mut client).await;
    println!("{}: at once again, {away} requests and {out:.2?} until it is asked", at.program());
    lines
}

/// A second time takes twice as long, if it comes before the endpoint was well for an interval. Between the two more than a
/// second passes, so that Envoy's workers hear of both.
async fn twice(at: Place) -> Vec<Line> {
    const BASE: Duration = Duration::from_millis(1100);
    const WELL: Duration = Duration::from_millis(2500);
    let mut client = Peer::connect(at.proxy()).await;
    let (first, _) = ejection(&at, &mut client).await;
    let returned = Instant::now();
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let (second, away) = ejection(&at, &mut client).await;
    println!("{}: out for {first:.2?}, then for {second:.2?}", at.program());
    // On a machine that is so busy nothing can be said of it.
    let forgiven = returned.elapsed() - second >= WELL - BASE / 10 || away < 2;
    let told = if forgiven { within(BASE * 2, BASE * 2) } else { within(second, BASE * 2) };
    vec![line("the first time", within(first, BASE)), line("the second time", told)]
}

async fn unreachable(at: Place) -> Vec<Line> {
    let mut lines = vec![line("one of four is not there: of 40", statuses(&at, 40).await)];
    counts(&at, &mut lines).await;
    lines
}

async fn split(at: Place) -> Vec<Line> {
    let mut lines = vec![line("one of four is not there: of 40", statuses(&at, 40).await)];
    at.apps[1].fail("503");
    lines.push(line("another answers 503: of 40 more", statuses(&at, 40).await));
    counts(&at, &mut lines).await;
    lines
}

/// Who takes connections and answers on none.
async fn broken(at: Place) -> Vec<Line> {
    at.apps[0].fail("close");
    vec![line("one of four breaks all off: of 40", statuses(&at, 40).await)]
}

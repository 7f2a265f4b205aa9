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
    vec![
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
    ]
}

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
    let all = at.apps.len();
    let mut lines = vec![line(format!("{number} of {all} sick: the next 20"), statuses(&at, 20).await)];
    counts(&at, &mut lines).await;
    lines
}

async fn all(at: Place) -> Vec<Line> {
    at.apps.iter().for_each(|app| app.fail("503"));
    statuses(&at, 30).await;
    let answer = at.ask("GET", "/", &[]).await;
    let mut lines = vec![line("nobody is left: the answer", answer.told())];
    lines.push(line("nobody is left: the log", at.said(&answer.ask).await));
    lines.push(line("nobody is left: gRPC", at.call("/s/m", &[]).await.told()));
    counts(&at, &mut lines).await;
    lines
}

/// How long it is left alone.
async fn back(at: Place) -> Vec<Line> {
    const BASE: u128 = 500;
    let mut client = Peer::connect(at.proxy()).await;
    at.apps[0].fail("503");
    let mut failed = 0;
    let mut ejected = Instant::now();
    while failed < 3 {
        ejected = Instant::now();
        failed += u32::from(at.ask_on(&mut client, "GET", "/", &[]).await.status == 503);
    }
    at.apps[0].fail("");
    let seen = at.seen()[0];
    let mut away = 0;
    while at.seen()[0] == seen && ejected.elapsed() < Duration::from_secs(8) {
        away += 1;
        at.ask_on(&mut client, "GET", "/", &[]).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let out = ejected.elapsed().as_millis();
    println!("back after {out} ms");
    // At the sweep after that, in Envoy.
    let well = away > 1 && (BASE..BASE + 5000).contains(&out);
    let told = if well { format!("not before {BASE} ms") } else { format!("after {out} ms!") };
    vec![line("the ejection is over", told)]
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

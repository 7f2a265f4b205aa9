//! Who does not answer the checks that its Service asks for gets nothing, until it answers again.

use std::time::{Duration, Instant};

use weft_testkit::wire::Peer;

use crate::proxy::Place;
use crate::scene::{Line, Scene, line, scene};

/// Envoy's workers hear of a change a second later (`update_merge_window`).
const LONGEST: Duration = Duration::from_secs(12);

pub(crate) fn scenes() -> Vec<Scene> {
    let checked = |name, checks, play| Scene {
        checks,
        apps: &[&[], &[]],
        rule: "  trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}",
        routes: "\n  - {retries: {attempts: 0}, TO-ITSELF}",
        ..scene(name, play)
    };
    vec![
        checked(
            "checked",
            "protocol=http, path=/healthz, interval=100ms, timeout=5s, unhealthy_threshold=2, healthy_threshold=2",
            |at| Box::pin(checked_by_http(at)),
        ),
        checked(
            "checked-calls",
            "protocol=grpc, interval=100ms, timeout=5s, unhealthy_threshold=2, healthy_threshold=2",
            |at| Box::pin(checked_by_grpc(at)),
        ),
        checked(
            "degraded",
            "protocol=http, path=/healthz, interval=100ms, timeout=5s, unhealthy_threshold=2, healthy_threshold=2",
            |at| Box::pin(degraded(at)),
        ),
        Scene {
            rule: "  trafficPolicy:\n    loadBalancer: {simple: ROUND_ROBIN}\n    outlierDetection: {interval: 100ms, consecutive5xxErrors: 3, baseEjectionTime: 600s, maxEjectionPercent: 50}",
            ..checked("checked-and-out", "protocol=http, path=/healthz, interval=100ms, timeout=5s", |at| {
                Box::pin(out_though_well(at))
            })
        },
    ]
}

/// Of 20 requests, how many each app got; asked again until that is so, or for long enough. Checks are not counted.
async fn until(at: &Place, wanted: impl Fn(&[usize]) -> bool) -> Vec<usize> {
    let began = Instant::now();
    let mut client = Peer::connect(at.proxy()).await;
    loop {
        let before = requests(at);
        for _ in 0..20 {
            at.ask_on(&mut client, "GET", "/", &[]).await;
        }
        let got: Vec<_> = requests(at).iter().zip(&before).map(|(now, before)| now - before).collect();
        if wanted(&got) || began.elapsed() > LONGEST {
            return got;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn requests(at: &Place) -> Vec<usize> {
    at.seen_of("/")
}

async fn checked_by_http(at: Place) -> Vec<Line> {
    let both = |got: &[usize]| got.iter().all(|count| *count > 0);
    let mut lines = vec![line("both are well, and asked", both(&until(&at, both).await))];
    lines.push(line("both are asked for their health", both(&at.seen_of("/healthz"))));
    at.apps[0].fail("503");
    lines.push(line("one fails: of 20", format!("{:?}", until(&at, |got| got[0] == 0).await)));
    at.apps[0].fail("");
    lines.push(line("it is well again, and asked again", both(&until(&at, both).await)));
    lines
}

/// Of 20 calls, how many each app got; made again until that is so, or for long enough.
async fn until_calls(at: &Place, wanted: impl Fn(&[usize]) -> bool) -> Vec<usize> {
    let began = Instant::now();
    loop {
        let before = at.seen_of("/s/m");
        for _ in 0..20 {
            at.call("/s/m", &[]).await;
        }
        let got: Vec<_> = at.seen_of("/s/m").iter().zip(&before).map(|(now, before)| now - before).collect();
        if wanted(&got) || began.elapsed() > LONGEST {
            return got;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn checked_by_grpc(at: Place) -> Vec<Line> {
    let both = |got: &[usize]| got.iter().all(|count| *count > 0);
    let mut lines = vec![line("both are well, and called", both(&until_calls(&at, both).await))];
    lines.push(line("both are asked for their health", both(&at.seen_of("/grpc.health.v1.Health/Check"))));
    at.apps[0].fail("grpc=14");
    lines.push(line("one fails: of 20 calls", format!("{:?}", until_calls(&at, |got| got[0] == 0).await)));
    at.apps[0].fail("");
    lines.push(line("it is well again, and called again", both(&until_calls(&at, both).await)));
    // A port of HTTP/1.1 is not asked so: its Service is of both.
    lines.push(line("its port of HTTP is used", at.get("/", "").await.told()));
    lines
}

/// A degraded one is better than nobody.
async fn degraded(at: Place) -> Vec<Line> {
    until(&at, |got| got.iter().all(|count| *count > 0)).await;
    at.apps[0].fail("x-envoy-degraded:yes");
    at.apps[1].fail("503");
    let got = until(&at, |got| got[1] == 0).await;
    vec![line("one is degraded, the other ill: of 20", format!("{got:?}"))]
}

/// Who failed requests stays out, though its checks find it well.
async fn out_though_well(at: Place) -> Vec<Line> {
    until(&at, |got| got.iter().all(|count| *count > 0)).await;
    let mut client = Peer::connect(at.proxy()).await;
    while at.count("outlier_detection_ejections_active").await == 0 {
        at.ask_on(&mut client, "GET", "/", &[("x-fault", "500")]).await;
    }
    at.until_workers_know().await;
    let passed = |checks: &[usize]| checks.iter().sum::<usize>();
    let before = passed(&at.seen_of("/healthz"));
    at.until_seen(at.seen().iter().sum::<usize>() + 20).await;
    assert!(passed(&at.seen_of("/healthz")) > before + 10, "nobody is checked");
    let seen = requests(&at);
    for _ in 0..10 {
        at.ask_on(&mut client, "GET", "/", &[]).await;
    }
    let mut got: Vec<_> = requests(&at).iter().zip(&seen).map(|(now, before)| now - before).collect();
    got.sort_unstable();
    vec![
        line("one of two failed and passes its checks: of 10", format!("{got:?}")),
        line("outlier_detection.ejections_active", at.count("outlier_detection_ejections_active").await),
    ]
}

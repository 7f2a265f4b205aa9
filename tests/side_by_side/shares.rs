//! Who gets how much: canaries, sessions, places.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use weft_testkit::wire::Peer;

use crate::heads::SAID;
use crate::proxy::Place;
use crate::scene::{Line, Scene, line, scene};

const SUBSETS: &str = "  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}, {name: v3, labels: {version: v3}}]";
const VERSIONS: &[&[(&str, &str)]] = &[&[("version", "v1")], &[("version", "v2")]];

const OUTLIERS: &str = "outlierDetection: {consecutive5xxErrors: 2, interval: 100ms, baseEjectionTime: 600s, maxEjectionPercent: 100}";

pub(crate) fn scenes() -> Vec<Scene> {
    let places: &[&[(&str, &str)]] = &[
        &[("istio-locality", "here.a")],
        &[("istio-locality", "here.a")],
        &[("istio-locality", "here.b")],
        &[("istio-locality", "there.a")],
    ];
    let failover: &'static str = format!("  trafficPolicy:\n    {OUTLIERS}\n    loadBalancer: {{simple: ROUND_ROBIN, localityLbSetting: {{enabled: true, failover: [{{from: here, to: there}}]}}}}").leak();
    let distribute: &'static str = format!("  trafficPolicy:\n    {OUTLIERS}\n    loadBalancer: {{simple: ROUND_ROBIN, localityLbSetting: {{enabled: true, distribute: [{{from: \"here/*\", to: {{\"here/a/*\": 80, \"there/a/*\": 20}}}}]}}}}").leak();
    vec![
        Scene {
            routes: "\n  - {match: [{uri: {prefix: /empty}}], route: [{destination: {host: canary, subset: v3}}]}\n  - {match: [{uri: {prefix: /undefined}}], route: [{destination: {host: canary, subset: v9}}]}\n  - route: [{destination: {host: canary, subset: v1}, weight: 90}, {destination: {host: canary, subset: v2}, weight: 10}]",
            rule: SUBSETS,
            apps: VERSIONS,
            differs: &[
                ("/empty subset: the answer", SAID),
                ("/empty subset: the log", SAID),
                ("/undefined subset: the answer", SAID),
                ("/undefined subset: the log", SAID),
            ],
            ..scene("canary", |place| Box::pin(canary(place)))
        },
        Scene {
            routes: "\n  - route: [{destination: {host: sticky, subset: v1}, weight: 50}, {destination: {host: sticky, subset: v2}, weight: 50}]",
            annotations: "weft.dev/sticky: header=x-user",
            rule: SUBSETS,
            apps: VERSIONS,
            ..scene("sticky", |place| Box::pin(sticky(place)))
        },
        Scene {
            rule: "  trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-user}}}",
            apps: &[&[], &[], &[], &[]],
            ..scene("hashed", |place| Box::pin(sticky(place)))
        },
        Scene {
            rule: "  trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: session, ttl: 60s, path: /, attributes: [{name: SameSite, value: Strict}, {name: Secure}]}}}}",
            apps: &[&[], &[], &[], &[]],
            ..scene("cookies", |place| Box::pin(cookies(place)))
        },
        Scene { rule: failover, apps: places, ..scene("failover", |place| Box::pin(failing_over(place))) },
        Scene { rule: distribute, apps: places, ..scene("distribute", |place| Box::pin(distributed(place))) },
    ]
}

/// Asks `clients` at once so often in all; how many each app got.
async fn shares(at: &Place, times: usize) -> Vec<usize> {
    let before = at.seen();
    let mut asking = JoinSet::new();
    for _ in 0..4 {
        let at = at.clone();
        asking.spawn(async move {
            let mut client = Peer::connect(at.proxy()).await;
            for _ in 0..times / 4 {
                at.ask_on(&mut client, "GET", "/", &[]).await;
            }
        });
    }
    asking.join_all().await;
    at.seen().iter().zip(before).map(|(now, before)| now - before).collect()
}

async fn canary(at: Place) -> Vec<Line> {
    let shares = shares(&at, 1000).await;
    println!("a canary of 10 %: {shares:?}");
    let mut lines = vec![
        line("10 % of 1000: from 60 to 140", (60..=140).contains(&shares[1])),
        line("of 1000 all went somewhere", shares.iter().sum::<usize>()),
    ];
    for path in ["/empty", "/undefined"] {
        let answer = at.get(path, "").await;
        lines.push(line(format!("{path} subset: the answer"), answer.told()));
        lines.push(line(format!("{path} subset: the log"), at.said(&answer.ask).await));
    }
    lines
}

/// A user's requests all come to where the first did.
async fn sticky(at: Place) -> Vec<Line> {
    let mut strayed = 0;
    let mut used = BTreeMap::new();
    for user in 0..24 {
        let user = user.to_string();
        let first = at.ask("GET", "/", &[("x-user", &user)]).await.header("x-app").to_owned();
        for _ in 0..3 {
            strayed += u32::from(at.ask("GET", "/", &[("x-user", &user)]).await.header("x-app") != first);
        }
        *used.entry(first).or_insert(0) += 1;
    }
    println!("24 users: {used:?}");
    vec![line("requests that strayed", strayed), line("all apps have users", used.len())]
}

async fn cookies(at: Place) -> Vec<Line> {
    let mut strayed = 0;
    let mut said = String::new();
    for _ in 0..8 {
        let first = at.ask("GET", "/", &[]).await;
        let cookie = first.header("set-cookie").to_owned();
        let (pair, attributes) = cookie.split_once(';').unwrap_or((&cookie, ""));
        let name = pair.split('=').next().unwrap_or_default();
        said = format!("{name}=...;{attributes}");
        for _ in 0..3 {
            let again = at.ask("GET", "/", &[("cookie", pair)]).await;
            strayed += u32::from(again.header("x-app") != first.header("x-app"));
            assert_eq!(again.header("set-cookie"), "-");
        }
    }
    vec![line("the cookie", said), line("requests that strayed", strayed)]
}

async fn failing_over(at: Place) -> Vec<Line> {
    let mut lines = vec![line("all well: 40 requests", format!("{:?}", shares(&at, 40).await))];
    for (sick, what) in [(1, "one of two is sick here"), (2, "both are"), (3, "the whole region is")] {
        at.apps[..sick].iter().for_each(|app| app.fail("503"));
        // Envoy tells its workers of what it ejects at most once a second (update_merge_window).
        let by = Instant::now() + Duration::from_secs(5);
        while Instant::now() < by && shares(&at, 8).await[..sick].iter().any(|share| *share > 0) {}
        let shares = shares(&at, 100).await;
        println!("{what}: {shares:?}");
        let told: Vec<_> = shares.iter().map(|share| if *share == 0 { "none" } else { "some" }).collect();
        lines.push(line(format!("{what}: 100 requests"), told.join(", ")));
    }
    lines
}

async fn distributed(at: Place) -> Vec<Line> {
    let shares = shares(&at, 200).await;
    println!("80 : 20: {shares:?}");
    let here = shares[0] + shares[1];
    vec![
        line("160 of 200 stay here, give or take 30", (130..=190).contains(&here)),
        line("the other zone gets", shares[2]),
    ]
}

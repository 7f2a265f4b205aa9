//! What is tried again: each word that a route may say, against everything that may go wrong.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::proxy::Place;
use crate::scene::{Line, Scene, line, scene};

/// `retryOn`; nothing is weft's default, which leaves two words of Istio's out.
const WORDS: [&str; 18] = [
    "",
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "refused-stream",
    "retriable-4xx",
    "retriable-status-codes",
    "418",
    "retriable-headers",
    "envoy-ratelimited",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
    "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
];

/// Words that a refused stream falls under, and others.
const REFUSED: [&str; 7] = [
    "refused-stream",
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "unavailable",
];

/// So many are asked at once.
const AT_ONCE: usize = 24;

/// Where a difference is documented.
pub(crate) const ELSEWHERE: &str =
    "proxy/README.md, Retries: what an endpoint cannot have executed goes again unasked";

/// What goes wrong over HTTP/1.1. Of a POST, since an idempotent request may go again without being asked for.
const HTTP: [&str; 11] = [
    "500",
    "502",
    "503",
    "504",
    "409",
    "418",
    "429",
    "429,x-envoy-ratelimited:true",
    "reset",
    "close",
    "hang",
];

/// And over gRPC.
const GRPC: [&str; 8] = ["internal", "grpc=1", "grpc=2", "grpc=4", "grpc=8", "grpc=13", "grpc=14", "503"];

pub(crate) fn scenes() -> Vec<Scene> {
    let routes: String = WORDS
        .iter()
        .map(|word| {
            let word_is = format!("headers: {{x-word: {{exact: \"{word};\"}}}}");
            let on = if word.is_empty() { String::new() } else { format!(", retryOn: \"{word}\"") };
            let retries = format!("attempts: 2, backoff: 5ms{on}");
            format!(
                "\n  - {{match: [{{uri: {{prefix: /hang}}, {word_is}}}], retries: {{{retries}, perTryTimeout: 300ms}}, TO-ITSELF}}\
                 \n  - {{match: [{{{word_is}}}], retries: {{{retries}}}, TO-ITSELF}}"
            )
        })
        .collect();
    let routes: &'static str = format!("{routes}\n  - {{match: [{{uri: {{prefix: /never}}}}], retries: {{attempts: 0}}, TO-ITSELF}}\n  - {{TO-ITSELF}}").leak();
    let elsewhere =
        "\n  - {retries: {attempts: 2, retryOn: \"503,connect-failure\", backoff: 5ms}, TO-ITSELF}";
    let robin = "  trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}";
    vec![
        Scene {
            routes,
            differs: &[("a refused stream, words that have it not", ELSEWHERE)],
            ..scene("words", |place| Box::pin(words(place)))
        },
        Scene {
            routes: elsewhere,
            rule: robin,
            apps: &[&[], &[]],
            ..scene("elsewhere", |place| Box::pin(elsewhere_again(place)))
        },
        Scene {
            rule: robin,
            apps: &[&[], &[]],
            gone: &[0],
            ..scene("half-gone", |place| Box::pin(half_gone(place)))
        },
        Scene { routes, gone: &[0], ..scene("gone", |place| Box::pin(gone(place))) },
        Scene {
            routes: "\n  - {retries: {attempts: 3, retryOn: \"503\", backoff: 10ms}, TO-ITSELF}",
            rule: "  trafficPolicy: {retryBudget: {percent: 20, minRetryConcurrency: 1}}",
            ..scene("storm", |place| Box::pin(storm(place)))
        },
    ]
}

async fn words(at: Place) -> Vec<Line> {
    let mut asking = JoinSet::new();
    let places = Arc::new(Semaphore::new(AT_ONCE));
    for (row, word) in WORDS.into_iter().enumerate() {
        for (column, fault) in HTTP.into_iter().enumerate() {
            let (at, places) = (at.clone(), places.clone());
            asking.spawn(async move {
                let _place = places.acquire().await;
                let headers = [("x-word", format!("{word};")), ("x-fault", fault.to_owned())];
                let headers = headers.each_ref().map(|(n, v)| (*n, v.as_str()));
                if fault == "hang" {
                    // A try may be over before the app has read it.
                    let answer = at.ask("POST", "/hang", &headers).await;
                    let tries = at.logged(&answer.ask).await.tries;
                    return (row, column, fault, tries.parse().unwrap_or(0));
                }
                let answer = at.ask("POST", "/", &headers).await;
                (row, column, fault, at.tries(&answer.ask).len())
            });
        }
        for (column, fault) in GRPC.into_iter().enumerate() {
            let (at, places) = (at.clone(), places.clone());
            asking.spawn(async move {
                let _place = places.acquire().await;
                let headers = [("x-word", format!("{word};")), ("x-fault", fault.to_owned())];
                let called = at.call("/s/m", &headers.each_ref().map(|(n, v)| (*n, v.as_str()))).await;
                (row, column + HTTP.len(), fault, at.tries(&called.ask).len())
            });
        }
    }
    let mut all = asking.join_all().await;
    all.sort_unstable();
    let mut lines = Vec::new();
    for (row, word) in WORDS.into_iter().enumerate() {
        for (kind, columns) in [("HTTP", 0..HTTP.len()), ("gRPC", HTTP.len()..HTTP.len() + GRPC.len())] {
            let again = all
                .iter()
                .filter(|(of, column, _, tries)| *of == row && columns.contains(column) && *tries != 1);
            let again: Vec<_> = again.map(|(_, _, fault, tries)| format!("{fault} ({tries})")).collect();
            let word = if word.is_empty() { "nothing said" } else { word };
            lines.push(line(format!("retryOn {word}: {kind}, tried again"), again.join(" ")));
        }
    }
    let mut tries = Vec::new();
    for word in REFUSED {
        let word = format!("{word};");
        let called = at.call("/s/m", &[("x-word", &word), ("x-fault", "refuse")]).await;
        tries.push(format!("{word} {}", at.tries(&called.ask).len()));
    }
    lines.push(line("a refused stream, words that have it", tries[..4].join(" ")));
    lines.push(line("a refused stream, words that have it not", tries[4..].join(" ")));
    let answer = at.ask("POST", "/", &[("x-word", "5xx;"), ("x-fault", "503")]).await;
    lines.push(line("tried again in vain: the log", at.said(&answer.ask).await));
    lines.push(line("tried again in vain: the answer", answer.told()));
    let counts: Vec<_> = at.tries(&answer.ask);
    let counts: Vec<_> = counts.iter().filter_map(|seen| seen.header("x-envoy-attempt-count")).collect();
    lines.push(line("x-envoy-attempt-count of each try", counts.join(" ")));
    let answer = at.ask("POST", "/", &[("x-word", "5xx;"), ("x-fault", "503,times=1")]).await;
    lines.push(line("the second try does it", format!("{} {}", answer.told(), at.said(&answer.ask).await)));
    let answer = at.ask("POST", "/never", &[("x-fault", "refuse")]).await;
    lines.push(line("attempts: 0", format!("{} {}", answer.told(), at.tries(&answer.ask).len())));
    for (name, value) in
        [("x-envoy-max-retries", "7"), ("x-envoy-retry-on", "5xx"), ("x-envoy-retriable-status-codes", "503")]
    {
        let answer = at.ask("POST", "/", &[(name, value), ("x-fault", "503")]).await;
        lines.push(line(format!("an app's own {name}"), at.tries(&answer.ask).len()));
    }
    lines
}

/// One of two fails always: another try is the other's.
async fn elsewhere_again(at: Place) -> Vec<Line> {
    at.apps[0].fail("503");
    let mut well = 0;
    for _ in 0..20 {
        well += u32::from(at.get("/", "").await.status == 200);
    }
    vec![line("one of two answers 503: 200 of 20", well)]
}

/// One of two is not there, and nobody asked for retries.
async fn half_gone(at: Place) -> Vec<Line> {
    let mut well = 0;
    for _ in 0..20 {
        well += u32::from(at.ask("POST", "/", &[]).await.status == 200);
    }
    vec![line("one of two is not there: 200 of 20 POST", well)]
}

/// The only one is not there.
async fn gone(at: Place) -> Vec<Line> {
    let mut lines = Vec::new();
    for word in [
        "connect-failure",
        "5xx",
        "gateway-error",
        "reset",
        "reset-before-request",
        "refused-stream",
        "retriable-4xx",
    ] {
        let answer = at.ask("POST", "/", &[("x-word", &format!("{word};"))]).await;
        let logged = at.logged(&answer.ask).await;
        lines.push(line(format!("retryOn {word}: tries of a connection that fails"), logged.tries));
    }
    let answer = at.ask("POST", "/never", &[]).await;
    lines.push(line("nobody listens: the answer", answer.told()));
    lines.push(line("nobody listens: the log", at.said(&answer.ask).await));
    let called = at.call("/never", &[]).await;
    lines.push(line("nobody listens: gRPC", called.told()));
    lines
}

/// All fails, and everybody tries again.
async fn storm(at: Place) -> Vec<Line> {
    at.apps[0].fail("503,pause=5");
    let mut clients = JoinSet::new();
    for _ in 0..40 {
        let at = at.clone();
        clients.spawn(async move {
            for _ in 0..20 {
                assert_eq!(at.get("/", "").await.status, 503);
            }
        });
    }
    clients.join_all().await;
    let seen = at.seen()[0];
    println!("{}: 800 requests that all failed cost the app {seen}", at.program());
    vec![
        line("a storm: the app sees more than was asked", seen > 800),
        line("a storm: but less than 1.25 times it", seen < 1000),
    ]
}

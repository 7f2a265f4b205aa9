//! How long a request, a try and a call may take, and what is said when it took longer.

use crate::client::about;
use crate::proxy::Place;
use crate::scene::{Line, Scene, line, scene};

const ROUTES: &str = r#"
  - {match: [{uri: {prefix: /limited}}], timeout: 600ms, TO-ITSELF}
  - {match: [{uri: {prefix: /tried-within}}], timeout: 2s, retries: {attempts: 9, perTryTimeout: 350ms, retryOn: 5xx}, TO-ITSELF}
  - {match: [{uri: {prefix: /tried}}], timeout: 10s, retries: {attempts: 2, perTryTimeout: 400ms, retryOn: 5xx}, TO-ITSELF}
  - {match: [{uri: {prefix: /once}}], retries: {attempts: 1, perTryTimeout: 150ms, retryOn: connect-failure}, TO-ITSELF}
  - {match: [{uri: {prefix: /endless}}], timeout: 0s, TO-ITSELF}
  - {TO-ITSELF}
"#;

/// Where the difference is documented.
const EXCEEDED: &str =
    "proxy/README.md, Time: what took too long is DEADLINE_EXCEEDED, which nobody tries again unasked";

pub(crate) fn scenes() -> Vec<Scene> {
    vec![
        Scene { routes: ROUTES, ..scene("times", |place| Box::pin(requests(place))) },
        Scene {
            routes: ROUTES,
            differs: &[
                ("/s/m, grpc-timeout 600m, app: hang", EXCEEDED),
                ("/limited, grpc-timeout , app: hang", EXCEEDED),
                ("/limited, grpc-timeout 300m, app: hang", EXCEEDED),
                ("/limited, grpc-timeout 2S, app: hang", EXCEEDED),
                ("/tried, grpc-timeout , app: hang", EXCEEDED),
                ("/tried, grpc-timeout 650m, app: hang", EXCEEDED),
            ],
            ..scene("deadlines", |place| Box::pin(calls(place)))
        },
    ]
}

async fn requests(at: Place) -> Vec<Line> {
    let mut lines = Vec::new();
    for (path, fault, expected) in [
        ("/limited", "hang", 600),
        ("/limited", "pause=50", 50),
        ("/tried", "hang", 1200),
        ("/tried", "hang,times=1", 400),
        ("/tried-within", "hang", 2000),
        ("/once", "hang", 150),
        ("/endless", "pause=700", 700),
        ("/", "pause=700", 700),
    ] {
        let answer = at.get(path, fault).await;
        let logged = at.logged(&answer.ask).await;
        let tries = several(path, logged.tries);
        let told = format!("{} {}, {tries} tries", answer.told(), about(answer.took, expected));
        lines.push(line(format!("{path}, the app: {fault}"), told));
        lines.push(line(format!("{path}, {fault}: the log"), format!("{} {}", logged.flags, logged.details)));
    }
    for path in ["/limited", "/tried", "/tried-within", "/endless", "/"] {
        let answer = at.get(path, "").await;
        let tries = at.tries(&answer.ask);
        let told = tries[0].header("x-envoy-expected-rq-timeout-ms");
        let told = told.map_or_else(|| "-".to_owned(), |ms| rounded(&format!("{ms}m")));
        lines.push(line(format!("{path}: how long, the app is told"), told));
    }
    lines
}

async fn calls(at: Place) -> Vec<Line> {
    let mut lines = Vec::new();
    for (path, deadline, fault, expected) in [
        ("/s/m", "600m", "hang", 600),
        ("/s/m", "5S", "", 0),
        ("/limited", "", "hang", 600),
        ("/limited", "300m", "hang", 300),
        ("/limited", "2S", "hang", 600),
        ("/limited", "", "", 0),
        ("/limited", "300m", "", 0),
        ("/tried", "", "", 0),
        ("/tried", "5S", "", 0),
        ("/tried", "", "hang", 1200),
        ("/tried", "650m", "hang", 650),
    ] {
        let called = at.call(path, &[("grpc-timeout", deadline), ("x-fault", fault)]).await;
        let tries = at.tries(&called.ask);
        let logged = at.logged(&called.ask).await;
        let told = format!("{}, {}, {} tries", called.told(), about(called.took, expected), logged.tries);
        lines.push(line(format!("{path}, grpc-timeout {deadline}, app: {fault}"), told));
        lines.push(line(
            format!("{path}, {deadline}, {fault}: the log"),
            format!("{} {}", logged.flags, logged.details),
        ));
        if fault.is_empty() {
            let told = tries[0].header("grpc-timeout").map_or_else(|| "-".to_owned(), rounded);
            lines.push(line(format!("{path}, {deadline}: grpc-timeout at the app"), told));
        }
    }
    lines
}

/// How many fit into the time depends on the pauses between them, which are by chance.
fn several(path: &str, tries: String) -> String {
    if path == "/tried-within" && tries.parse().is_ok_and(|tries: u32| tries > 1) {
        "several".to_owned()
    } else {
        tries
    }
}

/// A `grpc-timeout`, to the next tenth of a second: some milliseconds of it are over.
fn rounded(value: &str) -> String {
    let (digits, unit) = value.split_at(value.len() - 1);
    let digits: u64 = digits.parse().unwrap();
    let micros = match unit {
        "S" => digits * 1_000_000,
        "m" => digits * 1000,
        "u" => digits,
        "n" => digits / 1000,
        other => panic!("{other}"),
    };
    format!("about {} ms", micros.div_ceil(100_000) * 100)
}

//! What the proxy does to a request by itself: faults on purpose, CORS, rate limits, copies.

use tokio::task::JoinSet;

use crate::client::{Answer, about};
use crate::proxy::Place;
use crate::scene::{Line, Scene, line, scene};

const FAULTS: &str = r#"
  - {match: [{headers: {x-who: {exact: late}}}], fault: {delay: {fixedDelay: 200ms, percentage: {value: 100}}}, TO-ITSELF}
  - {match: [{headers: {x-who: {exact: failed}}}], fault: {abort: {httpStatus: 418, percentage: {value: 100}}}, TO-ITSELF}
  - {match: [{headers: {x-who: {exact: both}}}], fault: {delay: {fixedDelay: 150ms, percentage: {value: 100}}, abort: {httpStatus: 503, percentage: {value: 100}}}, TO-ITSELF}
  - {match: [{headers: {x-who: {exact: grpc}}}], fault: {abort: {grpcStatus: RESOURCE_EXHAUSTED, percentage: {value: 100}}}, TO-ITSELF}
  - {match: [{headers: {x-who: {exact: never}}}], fault: {abort: {httpStatus: 503, percentage: {value: 0}}}, TO-ITSELF}
  - {match: [{headers: {x-who: {exact: half}}}], fault: {abort: {httpStatus: 503, percentage: {value: 50}}}, TO-ITSELF}
  - {match: [{headers: {x-who: {exact: tried}}}], fault: {abort: {httpStatus: 503, percentage: {value: 100}}}, retries: {attempts: 3, retryOn: 5xx}, TO-ITSELF}
  - {match: [{headers: {x-who: {exact: late-and-limited}}}], timeout: 1s, fault: {delay: {fixedDelay: 1300ms, percentage: {value: 100}}}, TO-ITSELF}
  - {TO-ITSELF}
"#;

const CORS: &str = r#"
  - match: [{uri: {prefix: /wide}}]
    corsPolicy: {allowOrigins: [{regex: ".*"}], allowMethods: ["*"], allowHeaders: ["*"], allowCredentials: false}
    TO-ITSELF
  - match: [{uri: {prefix: /forwarded}}]
    corsPolicy: {allowOrigins: [{exact: "https://a.example"}], allowMethods: [GET], unmatchedPreflights: FORWARD}
    TO-ITSELF
  - match: [{uri: {prefix: /ignored}}]
    corsPolicy: {allowOrigins: [{exact: "https://a.example"}], allowMethods: [GET], allowHeaders: [x-a], maxAge: 60s, exposeHeaders: [x-b], allowCredentials: true, unmatchedPreflights: IGNORE}
    TO-ITSELF
  - corsPolicy:
      allowOrigins: [{exact: "https://a.example"}, {prefix: "https://b."}]
      allowMethods: [GET, PUT]
      allowHeaders: [authorization]
      exposeHeaders: [x-total]
      maxAge: 10m
      allowCredentials: true
    TO-ITSELF
"#;

pub(crate) fn scenes() -> Vec<Scene> {
    vec![
        Scene { routes: FAULTS, ..scene("faults", |place| Box::pin(faults(place))) },
        Scene { routes: CORS, ..scene("cors", |place| Box::pin(cors(place))) },
        Scene {
            routes: "\n  - {TO-ITSELF}",
            annotations: "weft.dev/local-rate-limit: \"max_tokens=3, tokens_per_fill=3, fill_interval=3600s\"",
            ..scene("limited", |place| Box::pin(limited(place)))
        },
        Scene {
            routes: "\n  - {match: [{uri: {prefix: /half}}], mirrors: [{destination: {host: mirrored, subset: copy}, percentage: {value: 50}}], route: [{destination: {host: mirrored, subset: first}}]}\n  - {mirror: {host: mirrored, subset: copy}, mirrorPercentage: {value: 100}, route: [{destination: {host: mirrored, subset: first}}]}",
            rule: "  subsets: [{name: first, labels: {version: first}}, {name: copy, labels: {version: copy}}]",
            apps: &[&[("version", "first")], &[("version", "copy")]],
            ..scene("mirrored", |place| Box::pin(mirrored(place)))
        },
    ]
}

async fn faults(at: Place) -> Vec<Line> {
    let mut lines = Vec::new();
    for (who, expected) in [
        ("late", 200),
        ("failed", 0),
        ("both", 150),
        ("grpc", 0),
        ("never", 0),
        ("tried", 0),
        ("late-and-limited", 1300),
    ] {
        let answer = at.ask("GET", "/", &[("x-who", who)]).await;
        let tries = at.tries(&answer.ask).len();
        lines.push(line(
            format!("{who}: HTTP"),
            format!("{}, {}, the app saw {tries}", answer.told(), about(answer.took, expected)),
        ));
        lines.push(line(format!("{who}: the log"), at.said(&answer.ask).await));
        let called = at.call("/s/m", &[("x-who", who)]).await;
        lines.push(line(format!("{who}: gRPC"), called.told()));
        lines.push(line(format!("{who}: gRPC, the log"), at.said(&called.ask).await));
    }
    let mut asking = JoinSet::new();
    for _ in 0..200 {
        let at = at.clone();
        asking.spawn(async move { at.ask("GET", "/", &[("x-who", "half")]).await.status });
    }
    let failed = asking.join_all().await.iter().filter(|status| **status == 503).count();
    println!("half of 200 failed on purpose: {failed}");
    lines.push(line("half: 100 of 200, give or take 35", (65..=135).contains(&failed)));
    for header in ["x-envoy-fault-delay-request", "x-envoy-fault-abort-request"] {
        let answer = at.ask("GET", "/", &[(header, "503")]).await;
        lines.push(line(format!("{header} of a client"), answer.told()));
    }
    lines
}

fn told(answer: &Answer) -> String {
    let mut said: Vec<_> =
        answer.headers.iter().filter(|(name, _)| name.starts_with("access-control-")).collect();
    said.sort_unstable();
    let said: Vec<_> =
        said.iter().map(|(name, value)| format!("{}: {value}", &name["access-control-".len()..])).collect();
    format!("{} [{}]", answer.told(), said.join("; "))
}

async fn cors(at: Place) -> Vec<Line> {
    let mut lines = Vec::new();
    for path in ["/", "/wide", "/forwarded", "/ignored"] {
        for origin in ["https://a.example", "https://b.example", "https://c.example"] {
            let asks = [
                ("origin", origin),
                ("access-control-request-method", "PUT"),
                ("access-control-request-headers", "x-one,x-two"),
            ];
            let answer = at.ask("OPTIONS", path, &asks).await;
            let tries = at.tries(&answer.ask).len();
            lines.push(line(
                format!("{path}: preflight of {origin}"),
                format!("{}, the app saw {tries}", told(&answer)),
            ));
            lines.push(line(format!("{path}: preflight of {origin}: log"), at.said(&answer.ask).await));
            let answer = at.ask("GET", path, &asks[..1]).await;
            lines.push(line(format!("{path}: GET of {origin}"), told(&answer)));
        }
        let answer = at.ask("OPTIONS", path, &[("origin", "https://a.example")]).await;
        lines.push(line(format!("{path}: OPTIONS that is no preflight"), told(&answer)));
        let answer = at
            .ask(
                "GET",
                path,
                &[("origin", "https://a.example"), ("x-fault", "access-control-allow-origin:mine")],
            )
            .await;
        lines.push(line(format!("{path}: the app has headers of its own"), told(&answer)));
    }
    lines
}

async fn limited(at: Place) -> Vec<Line> {
    let mut lines = Vec::new();
    for n in 1..=4 {
        let answer = at.ask("GET", "/", &[]).await;
        let limits: Vec<_> = ["limit", "remaining"]
            .iter()
            .map(|name| answer.header(&format!("x-ratelimit-{name}")).to_owned())
            .collect();
        lines.push(line(
            format!("request {n}: limit, remaining"),
            format!("{}: {}", answer.told(), limits.join(", ")),
        ));
        // Of 1,200 s for each token; a busy machine takes some of them.
        let reset = answer.header("x-ratelimit-reset").parse::<u32>().map(|secs| secs.div_ceil(100));
        lines.push(line(
            format!("request {n}: the next token after so many hundred seconds"),
            format!("{reset:?}"),
        ));
        lines.push(line(format!("request {n}: the log"), at.said(&answer.ask).await));
    }
    lines.push(line("gRPC", at.call("/s/m", &[]).await.told()));
    lines
}

async fn mirrored(at: Place) -> Vec<Line> {
    at.apps[1].fail("reset");
    let mut well = 0;
    for _ in 0..10 {
        well += u32::from(at.ask("POST", "/", &[]).await.status == 200);
    }
    at.until_seen(20).await;
    let mut lines =
        vec![line("the copies' app resets: 200 of 10", well), line("both saw", format!("{:?}", at.seen()))];
    let answer = at.ask("POST", "/", &[]).await;
    at.until_seen(22).await;
    let mut hosts: Vec<_> = at
        .tries(&answer.ask)
        .iter()
        .map(|seen| format!("{}: {}", seen.app, seen.header("host").unwrap_or("-")))
        .collect();
    hosts.sort_unstable();
    lines.push(line("host at both", hosts.join(", ")));
    at.apps[1].fail("hang");
    let answer = at.ask("POST", "/", &[]).await;
    lines.push(line("the copies' app hangs", format!("{} {}", answer.told(), about(answer.took, 0))));
    at.apps[1].fail("");
    let before = at.seen();
    let mut asking = JoinSet::new();
    for _ in 0..200 {
        let at = at.clone();
        asking.spawn(async move { at.ask("POST", "/half", &[]).await.status });
    }
    asking.join_all().await;
    at.until_seen(before.iter().sum::<usize>() + 265).await;
    let copies = at.seen()[1] - before[1];
    lines.push(line("half of 200 are copied, give or take 35", (65..=135).contains(&copies)));
    lines
}

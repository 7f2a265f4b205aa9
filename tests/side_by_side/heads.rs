//! What becomes of heads on their way, to the app and back; answers that are the route's own.

use crate::client::Answer;
use crate::proxy::Place;
use crate::scene::{Line, Scene, line, scene};

const ROUTES: &str = r#"
  - match: [{uri: {prefix: /changed}}]
    rewrite: {uri: /new, authority: other.example}
    headers:
      request: {set: {x-set: one, x-both: route}, add: {x-added: "%REQ(x-mine)%"}, remove: [x-gone]}
      response: {set: {x-answer: two, server: three}, add: {x-app: added}, remove: [x-secret]}
    route: [{destination: {host: heads}, headers: {request: {set: {x-both: destination}, add: {x-added: again}}, response: {add: {x-answer: four}}}}]
  - {match: [{uri: {regex: "/item/[0-9]+"}}], rewrite: {uriRegexRewrite: {match: "^/item/([0-9]+)$", rewrite: "/items?id=\\1"}}, TO-ITSELF}
  - {match: [{uri: {exact: /moved}}], redirect: {uri: /there, authority: new.example, redirectCode: 302}}
  - {match: [{uri: {prefix: /moved/}}], redirect: {scheme: https, derivePort: FROM_PROTOCOL_DEFAULT}}
  - {match: [{uri: {exact: /said}}], directResponse: {status: 418, body: {string: said}}, headers: {response: {set: {x-answer: said}}}}
  - {match: [{uri: {prefix: /queried}, queryParams: {v: {exact: "2"}}}], headers: {request: {set: {x-set: queried}}}, TO-ITSELF}
  - {match: [{uri: {prefix: /without}, withoutHeaders: {x-no: {}}}], headers: {request: {set: {x-set: without}}}, TO-ITSELF}
  - {match: [{uri: {prefix: /method}, method: {exact: DELETE}}], headers: {request: {set: {x-set: deleted}}}, TO-ITSELF}
  - {match: [{uri: {prefix: /PREFIX}, ignoreUriCase: true}], headers: {request: {set: {x-set: any-case}}}, TO-ITSELF}
  - {match: [{uri: {prefix: /plain}}], TO-ITSELF}
"#;

/// Where a difference is documented.
pub(crate) const SAID: &str = "proxy/README.md: an app is told why where Envoy says nothing";

/// What a client sends with each.
const SENT: [(&str, &str); 15] = [
    ("X-Mine", "mine"),
    ("x-gone", "gone"),
    ("x-both", "client"),
    ("x-added", "client"),
    ("user-agent", "test"),
    ("x-forwarded-for", "10.0.0.1"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-client-cert", "Hash=0"),
    ("x-envoy-upstream-rq-timeout-ms", "1"),
    ("x-envoy-expected-rq-timeout-ms", "77"),
    ("x-envoy-attempt-count", "9"),
    ("x-envoy-original-path", "/mine"),
    ("x-envoy-internal", "true"),
    ("x-envoy-original-host", "my.example"),
    ("te", "trailers"),
];

/// Values that are each proxy's own.
const OWN: [&str; 10] = [
    "x-ask",
    "server",
    "x-request-id",
    "date",
    "x-envoy-upstream-service-time",
    // Istio's exchange of who is who, which a stock Envoy does not know.
    "x-envoy-peer-metadata",
    "x-envoy-peer-metadata-id",
    "x-fault",
    "connection",
    "content-length",
];

pub(crate) fn scenes() -> Vec<Scene> {
    let differs = &[
        ("GET /queried?v=22: the answer", SAID),
        ("GET /nowhere: the answer", SAID),
        ("gRPC without a route", SAID),
        ("GET /plain#fragment: the answer", SAID),
    ];
    vec![Scene { routes: ROUTES, differs, ..scene("heads", |place| Box::pin(heads(place))) }]
}

fn sorted(headers: &[(String, String)]) -> String {
    let theirs = headers.iter().filter(|(name, _)| !OWN.contains(&name.as_str()));
    let mut told: Vec<_> = theirs.map(|(name, value)| format!("{name}: {value}")).collect();
    told.sort_unstable();
    told.join("; ")
}

fn answer_told(answer: &Answer) -> String {
    format!("{} [{}]", answer.told(), sorted(&answer.headers))
}

async fn heads(at: Place) -> Vec<Line> {
    let mut lines = Vec::new();
    for (method, path) in [
        ("GET", "/changed/a?b=c"),
        ("POST", "/plain"),
        ("HEAD", "/said"),
        ("GET", "/item/42"),
        ("GET", "/item/42?x=y"),
        ("GET", "/moved"),
        ("GET", "/moved/on?a=b"),
        ("GET", "/said"),
        ("GET", "/queried?v=2"),
        ("GET", "/queried?v=22"),
        ("GET", "/without"),
        ("DELETE", "/method"),
        ("GET", "/prefix/a"),
        ("GET", "/nowhere"),
        ("GET", "/plain/../said"),
        ("GET", "/plain//a/./b/%2e%2e/c"),
        ("GET", "/plain%2Fa"),
        ("GET", "/plain#fragment"),
    ] {
        let answer = at.ask(method, path, &SENT).await;
        if let Some(seen) = at.tries(&answer.ask).first() {
            lines.push(line(
                format!("{method} {path}: at the app"),
                format!("{} [{}]", seen.path, sorted(&seen.headers)),
            ));
        }
        lines.push(line(format!("{method} {path}: the answer"), answer_told(&answer)));
        // What cannot be read has no headers that the log could know it by.
        if answer.status != 400 {
            lines.push(line(format!("{method} {path}: the log"), at.said(&answer.ask).await));
        }
    }
    let fault = "x-secret:1,x-answer:app,server:mine,x-envoy-upstream-service-time:7";
    let answer = at.ask("GET", "/changed", &[("x-fault", fault)]).await;
    lines.push(line("an app that says much: the answer", answer_told(&answer)));
    let called = at.call("/nowhere", &[]).await;
    lines.push(line("gRPC without a route", format!("{} {}", called.told(), at.said(&called.ask).await)));
    for status in ["400", "401", "403", "404", "429", "500", "502", "503", "504"] {
        let called = at.call("/plain", &[("x-fault", status)]).await;
        lines.push(line(format!("gRPC, the app says HTTP {status}"), called.told()));
    }
    for fault in ["internal", "refuse", "grpc=7"] {
        let called = at.call("/plain", &[("x-fault", fault)]).await;
        lines.push(line(
            format!("gRPC, the app: {fault}"),
            format!("{} {}", called.told(), at.said(&called.ask).await),
        ));
    }
    for fault in ["reset", "close"] {
        let answer = at.ask("POST", "/plain", &[("x-fault", fault)]).await;
        lines.push(line(
            format!("the app: {fault}"),
            format!("{} {}", answer.told(), at.said(&answer.ask).await),
        ));
    }
    lines
}

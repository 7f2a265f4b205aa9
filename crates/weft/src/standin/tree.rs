//! `GET /tree`: calls every service that the environment names, and returns the whole call tree.
//!
//! Every stand-in called does the same, so one request at the door shows what policy lets through, hop by hop.
//! `x-tree-path` carries the services already passed: a circle ends where it closes, a path at a bound.

use super::App;
use super::call::{self, Proxy};
use super::targets::{Kind, Target, targets};
use futures_util::future::join_all;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PATH: HeaderName = HeaderName::from_static("x-tree-path");
const MAX_DEPTH: u32 = 16;
/// The door waits this long for a target; each hop waits a little less than the one before it, so that
/// the slowest leaf is reported by its caller and not by the door.
const PATIENCE: Duration = Duration::from_secs(12);
const LESS_EACH_HOP: Duration = Duration::from_millis(700);
const LEAST_PATIENCE: Duration = Duration::from_millis(500);
/// An answer that is no tree (a refusal, an error page) is quoted up to here.
const MAX_QUOTE: usize = 512;

/// Calls all targets at once; an answer that is a tree becomes part of this one.
pub(super) async fn call_all(app: &App, headers: &HeaderMap) -> Value {
    let identity = &app.identity;
    let path: Vec<&str> = headers
        .get(PATH)
        .and_then(|path| path.to_str().ok())
        .map(|path| path.split('>').collect())
        .unwrap_or_default();
    let own = json!({ "pod": identity.pod, "service": identity.service, "version": identity.version });
    let me = format!("{}/{}", identity.namespace, identity.service);
    if path.contains(&me.as_str()) {
        return merge(own, "cut", "this service is already on the path");
    }
    let depth = u32::try_from(path.len()).unwrap_or(MAX_DEPTH);
    if depth >= MAX_DEPTH {
        return merge(own, "cut", "the path is as long as it may be");
    }
    let mut onward = traced(headers);
    let path = path.into_iter().chain([me.as_str()]).collect::<Vec<_>>().join(">");
    if let Ok(path) = HeaderValue::from_str(&path) {
        onward.insert(PATH, path);
    }
    let patience = PATIENCE.saturating_sub(LESS_EACH_HOP * depth).max(LEAST_PATIENCE);
    let proxy = Proxy::of(&app.environment);
    let targets = targets(&app.environment);
    let calls = join_all(targets.iter().map(|target| one(app, &proxy, target, &onward, patience))).await;
    merge(own, "calls", calls)
}

async fn one(app: &App, proxy: &Proxy, target: &Target, headers: &HeaderMap, patience: Duration) -> Value {
    let started = Instant::now();
    let answer = tokio::time::timeout(patience, ask(app, proxy, target, headers)).await;
    let answer =
        answer.unwrap_or_else(|_| json!({ "error": format!("no answer in {} ms", patience.as_millis()) }));
    let elapsed = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut call = json!({
        "variable": target.variable,
        "target": target.authority,
        "service": service_at(&app.environment, &target.authority),
        "protocol": protocol(target.kind),
        "ms": elapsed,
    });
    if let (Some(call), Value::Object(answer)) = (call.as_object_mut(), answer) {
        call.extend(answer);
    }
    call
}

async fn ask(app: &App, proxy: &Proxy, target: &Target, headers: &HeaderMap) -> Value {
    let authority = target.authority.as_str();
    let answer = match target.kind {
        Kind::Http => proxy.get(authority, "/tree", headers.clone()).await.map(|(status, body)| {
            let text = String::from_utf8_lossy(&body);
            let quote: String = text.trim().chars().take(MAX_QUOTE).collect();
            match serde_json::from_slice::<Value>(&body) {
                Ok(tree @ Value::Object(_)) => json!({ "status": status.as_u16(), "tree": tree }),
                _ => json!({ "status": status.as_u16(), "body": quote }),
            }
        }),
        Kind::Tls => proxy.open(authority).await.map(|()| json!({ "tunnel": "opened" })),
        Kind::Grpc => proxy
            .health(authority)
            .await
            .map(|(status, grpc)| json!({ "status": status.as_u16(), "grpc_status": grpc })),
        Kind::Tcp => {
            let line = format!("from {}", app.identity.pod);
            let echo = call::line(authority, &line).await;
            return echo.map_or_else(
                |error| json!({ "error": error.to_string() }),
                |echo| json!({ "echoed": echo == line, "answer": echo }),
            );
        }
    };
    answer.unwrap_or_else(|error| json!({ "error": error.to_string() }))
}

/// The service's name where only an address is left of it: Kubernetes' variables know.
fn service_at(environment: &[(String, String)], authority: &str) -> String {
    let (host, _) = authority.rsplit_once(':').unwrap_or((authority, ""));
    let by_address = environment.iter().find_map(|(name, value)| {
        let service = name.strip_suffix("_SERVICE_HOST")?;
        (value == host).then(|| service.to_ascii_lowercase().replace('_', "-"))
    });
    by_address.unwrap_or_else(|| {
        // A name of the cluster is known by its first label, one of the world outside by all of them.
        let in_cluster = host.contains(".svc");
        if in_cluster { host.split('.').next().unwrap_or(host) } else { host }.to_owned()
    })
}

/// The headers that an app passes on so that one trace holds all its calls.
fn traced(headers: &HeaderMap) -> HeaderMap {
    let passes = |name: &str| {
        matches!(
            name,
            "x-request-id" | "traceparent" | "tracestate" | "b3" | "x-ot-span-context" | "x-canary"
        ) || name.starts_with("x-b3-")
    };
    headers
        .iter()
        .filter(|(name, _)| passes(name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn protocol(kind: Kind) -> &'static str {
    match kind {
        Kind::Http => "http",
        Kind::Tls => "tls",
        Kind::Grpc => "grpc",
        Kind::Tcp => "tcp",
    }
}

fn merge(mut object: Value, name: &str, value: impl Into<Value>) -> Value {
    object[name] = value.into();
    object
}

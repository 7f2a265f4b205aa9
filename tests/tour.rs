//! The tour: Self-Monitor's own manifests on this machine, and what they promise, asked of the running mesh, once on
//! loopback and once in network namespaces.
//!
//! One mesh serves all of a tour, step by step; each step is a sentence of its own in the output.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "tour/breakers.rs"]
mod breakers;
mod up;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;
use up::Mesh;
use up::place::Place;

/// A promise, and how it is asked for.
type Step = (&'static str, fn(&Mesh));

#[test]
fn self_monitor_runs_here_as_its_manifests_say() {
    tour(Place::Loopback);
}

#[test]
fn self_monitor_runs_in_network_namespaces_as_its_manifests_say() {
    tour(Place::Namespaces);
}

const FIRST: &[Step] = &[
    ("allowed calls are answered, by the pod they went to", allowed),
    ("forbidden calls get 403, and the log names what decided", forbidden),
    ("plaintext to a STRICT pod is refused, and what passes between pods is TLS", encrypted),
    ("the canary gets its tenth, and whoever asks for it", canary),
    ("a hashed caller stays with its pod", hash),
    ("least-request avoids the slow pod", least_request),
    ("the call tree reaches what policy lets it reach", tree),
];

const THEN: &[Step] = &[
    ("gRPC and TCP pass as they are", other_protocols),
    ("what was tried again is told, if an app may have seen it", breakers::retries_are_told),
    ("every proxy's configuration is acknowledged, every certificate is its own", status),
    ("Istio's metrics know both ends", metrics),
    ("an edited policy is in force within a second and loses no request", edit),
    ("a broken edit is named by its place and changes nothing", broken_edit),
    ("a partner that says nothing is given up soon", breakers::impatient_with_partners),
    ("three failures open an API outside for ten seconds", breakers::open_banking),
    ("the control plane's death is not noticed by traffic, and heals", control_plane_dies),
    ("a sidecar's death costs its callers no more than what was in flight", sidecar_dies),
];

/// What takes its time goes on beside all that comes after the first, and must not be disturbed by any of it.
const MEANWHILE: &[&[Step]] = &[
    &[
        ("three failures open banking-connector for ten seconds", breakers::banking_connector),
        ("fifty connections and a line of twenty-five are a caller's share of it", breakers::pool_of_fifty),
    ],
    &[("five failures open the canary of predictive-analytics for thirty", breakers::canary)],
    &[("five failures open its stable version as well", breakers::stable)],
];

fn tour(place: Place) {
    let Some(mesh) = Mesh::start("deploy/selfmonitor", place) else { return };
    let mut broken = walk(&mesh, FIRST);
    std::thread::scope(|scope| {
        let meanwhile: Vec<_> = MEANWHILE.iter().map(|steps| scope.spawn(|| walk(&mesh, steps))).collect();
        broken.extend(walk(&mesh, THEN));
        broken.extend(meanwhile.into_iter().flat_map(|steps| steps.join().unwrap()));
    });
    mesh.stop_and_leave_nothing();
    assert!(broken.is_empty(), "broken promises: {broken:#?}");
}

/// One step after the other; those whose promise is broken.
fn walk(mesh: &Mesh, steps: &[Step]) -> Vec<&'static str> {
    let mut broken = Vec::new();
    for (what, step) in steps {
        let started = Instant::now();
        // A broken promise does not hide the others.
        let kept = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| step(mesh))).is_ok();
        let verdict = if kept { "kept" } else { "BROKEN" };
        println!("tour: {verdict} ({:.1} s): {what}", started.elapsed().as_secs_f64());
        if !kept {
            broken.push(*what);
        }
    }
    broken
}

fn allowed(mesh: &Mesh) {
    for (from, method, url) in [
        ("nginx-gateway", "POST", "http://auth-service/token"),
        ("analytics-service", "GET", "http://transactions-service/ledger?x=1"),
        ("predictive-analytics", "GET", "http://user-profile-service/profiles/7"),
        ("consent-service", "GET", "http://compliance-service.selfmonitor/rules"),
        ("nginx-gateway", "GET", "http://graphql-gateway.selfmonitor.svc.cluster.local/q"),
    ] {
        let answer = mesh.curl(from, &["-X", method, url]);
        assert_eq!(answer["status"], 200, "{from} -> {url}: {answer}");
        let callee = url.split(['/', '.']).nth(2).unwrap();
        assert_eq!(answer["body"]["service"], callee, "{answer}");
        let xfcc = header(&answer["body"], "x-forwarded-client-cert");
        assert!(xfcc.contains(&format!("URI=spiffe://cluster.local/ns/selfmonitor/sa/{from}")), "{answer}");
    }
}

fn forbidden(mesh: &Mesh) {
    for (from, url) in [
        ("graphql-gateway", "http://auth-service/token"),
        ("billing-service", "http://transactions-service/ledger"),
        ("nginx-gateway", "http://user-profile-service/profiles/7"),
        ("postgres", "http://compliance-service/"),
    ] {
        let path = format!("{url}?asked-by={from}");
        let answer = mesh.curl(from, &[&path]);
        assert_eq!(answer["status"], 403, "{from} -> {url}: {answer}");
        assert_eq!(answer["body"], "RBAC: access denied");
        mesh.eventually("the refusal is logged with its reason", || {
            mesh.logs().iter().any(|line| {
                line.contains(&format!("asked-by={from}"))
                    && line.contains("rbac_access_denied_matched_policy")
                    && line.contains(&format!("sa/{from}"))
            })
        });
    }
}

fn encrypted(mesh: &Mesh) {
    let pod = mesh.pod("auth-service");
    let inbound = format!("{}:8000", mesh.address(&pod));
    let plain = mesh.outside("curl").args(["-sS", "-m", "3", &format!("http://{inbound}/token")]).output();
    assert!(!plain.unwrap().status.success(), "plaintext to a STRICT pod is answered");
    // A server of ours in the place of a pod hears what its callers send: a TLS handshake and nothing else.
    let first = mesh.first_bytes_at_spy("nginx-gateway", "/spy");
    assert_eq!(&first[..2], &[0x16, 0x03], "no TLS handshake: {first:?}");
    assert!(!first.windows(4).any(|w| w == b"/spy"), "the path is readable on the wire");
}

fn canary(mesh: &Mesh) {
    let asked = mesh.curl("fraud-detection", &["-H", "x-canary: true", "http://predictive-analytics/score"]);
    assert_eq!(asked["body"]["version"], "v2", "{asked}");
    let total = 400;
    let versions = mesh.many("fraud-detection", "http://predictive-analytics/score", total, &[]);
    let v2 = versions.iter().filter(|answer| answer["version"] == "v2").count();
    assert_eq!(versions.len(), total);
    // 10 % of 400 is 40; six standard deviations are 36.
    assert!((4..=76).contains(&v2), "{v2} of {total} went to v2");
}

fn hash(mesh: &Mesh) {
    let mut pods: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for user in 0..20 {
        let header = format!("x-user-id: user-{user}");
        for answer in mesh.many("fraud-detection", "http://user-profile-service/profiles/1", 5, &[&header]) {
            pods.entry(header.clone()).or_default().insert(answer["pod"].as_str().unwrap_or("?").to_owned());
        }
    }
    assert!(pods.values().all(|of| of.len() == 1), "a user moved: {pods:?}");
    let used: BTreeSet<_> = pods.values().flatten().collect();
    let there = mesh.pods("user-profile-service").len();
    assert!(there < 2 || used.len() > 1, "20 users all went to {used:?} of {there} pods");
}

fn least_request(mesh: &Mesh) {
    let pods = mesh.pods("transactions-service");
    assert!(pods.len() >= 3, "{pods:?}");
    let slow = mesh.pods("transactions-slow");
    let answers = mesh.concurrent("analytics-service", "http://transactions-service/busy", 240, 12);
    assert_eq!(answers.len(), 240);
    let at_slow = answers.iter().filter(|a| slow.iter().any(|pod| a["pod"] == **pod)).count();
    let fair = 240 / pods.len();
    println!("tour:   {at_slow} of 240 went to the slow one of {} pods", pods.len());
    assert!(at_slow * 2 < fair, "{at_slow} of 240 went to the slow pod; a fair share would be {fair}");
}

fn tree(mesh: &Mesh) {
    // The pod that is slow calls nobody, so it may take more than one try.
    let mut seen = BTreeSet::new();
    let start = Instant::now();
    while seen != REACHED.iter().map(|line| (*line).to_owned()).collect() {
        assert!(start.elapsed() < Duration::from_secs(20), "{seen:#?}");
        let answer = mesh.curl("nginx-gateway", &["http://graphql-gateway/tree"]);
        assert_eq!(answer["status"], 200, "{answer}");
        seen = BTreeSet::new();
        calls(&answer["body"], "", &mut seen);
    }
}

/// What graphql-gateway's tree holds, and with which outcome: its manifests and policies say so.
const REACHED: &[&str] = &[
    "analytics-service 200",
    "analytics-service > redis echoed",
    "analytics-service > transactions-service 200",
    "analytics-service > transactions-service > categorization-service 200",
    "analytics-service > transactions-service > categorization-service > redis echoed",
    "analytics-service > transactions-service > postgres echoed",
    "auth-service 403",
    "transactions-service 403",
    "user-profile-service 403",
];

/// Every call of a tree, with the way to it.
fn calls(tree: &Value, way: &str, into: &mut BTreeSet<String>) {
    for call in tree["calls"].as_array().into_iter().flatten() {
        let here = format!("{way}{}", call["service"].as_str().unwrap_or("?"));
        let outcome = match call["echoed"].as_bool() {
            Some(true) => "echoed".to_owned(),
            _ => call["status"].to_string(),
        };
        into.insert(format!("{here} {outcome}"));
        calls(&call["tree"], &format!("{here} > "), into);
    }
}

fn other_protocols(mesh: &Mesh) {
    // /tree at the app of auth-service itself: its environment names postgres, which is TCP.
    let answer = mesh.curl("nginx-gateway", &["http://auth-service/tree"]);
    assert_eq!(answer["status"], 200, "{answer}");
    assert!(answer["body"].to_string().contains("postgres"), "{answer}");
    let denied = mesh.tcp_echo("qna-service", "postgres", 5432, "hello");
    assert_eq!(denied, None, "qna-service may not reach postgres");
    let echoed = mesh.tcp_echo("auth-service", "postgres", 5432, "hello");
    assert_eq!(echoed.as_deref(), Some("hello"), "a line through the sidecars");
}

fn status(mesh: &Mesh) {
    let status = mesh.json(&["status"]);
    let text = status.to_string();
    assert!(!text.contains("\"refused\":\""), "a proxy refused configuration: {status:#}");
    let certs = mesh.json(&["certs"]);
    for service in ["auth-service", "postgres", "nginx-gateway"] {
        let uri = format!("spiffe://cluster.local/ns/selfmonitor/sa/{service}");
        assert!(certs.to_string().contains(&uri), "{uri} is not among {certs}");
    }
}

fn metrics(mesh: &Mesh) {
    let pod = mesh.pod("auth-service");
    let page = mesh.http_get(&format!("http://{}:15090/stats/prometheus", mesh.address(&pod)));
    let line = page.lines().find(|l| {
        l.starts_with("istio_requests_total{")
            && l.contains("reporter=\"destination\"")
            && l.contains("source_workload=\"nginx-gateway\"")
            && l.contains("destination_service_name=\"auth-service\"")
            && l.contains("connection_security_policy=\"mutual_tls\"")
            && l.contains("response_code=\"200\"")
    });
    assert!(
        line.is_some(),
        "no such series in:\n{}",
        page.lines().filter(|l| l.starts_with("istio_requests_total")).take(8).collect::<Vec<_>>().join("\n")
    );
    // A canary is judged by its own figures.
    let caller = mesh.pod("fraud-detection");
    let page = mesh.http_get(&format!("http://{}:15090/stats/prometheus", mesh.address(&caller)));
    for version in ["v1", "v2"] {
        let label = format!("destination_version=\"{version}\"");
        let line = page.lines().find(|l| {
            l.starts_with("istio_requests_total{")
                && l.contains("reporter=\"source\"")
                && l.contains("destination_service_name=\"predictive-analytics\"")
                && l.contains(&label)
        });
        assert!(line.is_some(), "no requests to predictive-analytics of {version}");
    }
}

/// By the best of several edits, for what else this machine does may hold up some; none may take long. What is built to be
/// tested rather than run has twice the time: it reads and translates several times slower.
fn edit(mesh: &Mesh) {
    let load = mesh.background("nginx-gateway", "http://auth-service/token");
    let asked = |mesh: &Mesh| mesh.curl("graphql-gateway", &["http://auth-service/token"])["status"].clone();
    assert_eq!(asked(mesh), 403);
    let file = mesh.folder().join("security/zz-more.yaml");
    let other = MORE.replace("graphql-gateway", "qna-service");
    let mut took = Vec::new();
    for (policy, status) in [(MORE, 200), (&other, 403)].into_iter().cycle().take(6) {
        fs::write(&file, policy).unwrap();
        let written = Instant::now();
        mesh.eventually("graphql-gateway is let in, and shut out again", || asked(mesh) == status);
        took.push(written.elapsed());
    }
    let listed: Vec<String> = took.iter().map(|took| format!("{} ms", took.as_millis())).collect();
    println!("tour:   in force after {}", listed.join(", "));
    let second = Duration::from_secs(if cfg!(debug_assertions) { 2 } else { 1 });
    assert!(took.iter().min().unwrap() <= &second, "in force after {listed:?}");
    assert!(took.iter().max().unwrap() <= &(second * 3), "in force after {listed:?}");
    fs::write(&file, MORE).unwrap();
    mesh.eventually("graphql-gateway is let in", || asked(mesh) == 200);
    fs::remove_file(&file).unwrap();
    mesh.eventually("a policy that went is in force no more", || asked(mesh) == 403);
    let (sent, failed) = load.stop();
    assert!(sent > 20 && failed.is_empty(), "{} of {sent} requests failed: {failed:?}", failed.len());
}

const MORE: &str = "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: more, namespace: selfmonitor}
spec:
  selector: {matchLabels: {app: auth-service}}
  action: ALLOW
  rules:
  - from: [{source: {principals: [cluster.local/ns/selfmonitor/sa/graphql-gateway]}}]
";

fn broken_edit(mesh: &Mesh) {
    let file = mesh.folder().join("security/zz-broken.yaml");
    fs::write(&file, MORE.replace("principals", "principalss").replace("rules:", "rulez: [\n")).unwrap();
    mesh.eventually("the mistake is named by its place", || mesh.said().contains("zz-broken.yaml:"));
    assert_eq!(mesh.curl("graphql-gateway", &["http://auth-service/token"])["status"], 403);
    assert_eq!(mesh.curl("nginx-gateway", &["http://auth-service/token"])["status"], 200);
    fs::remove_file(&file).unwrap();
}

fn control_plane_dies(mesh: &Mesh) {
    let load = mesh.background("nginx-gateway", "http://auth-service/token");
    mesh.kill(&["control"]);
    mesh.eventually("its death is told by name", || mesh.said().contains("control"));
    assert_eq!(mesh.curl("nginx-gateway", &["http://auth-service/token"])["status"], 200);
    mesh.eventually("every proxy is connected again", || {
        let status = mesh.json(&["status"]).to_string();
        status.contains("\"connected\":true") && !status.contains("\"connected\":false")
    });
    let (sent, failed) = load.stop();
    assert!(sent > 10 && failed.is_empty(), "{} of {sent} requests failed: {failed:?}", failed.len());
}

fn sidecar_dies(mesh: &Mesh) {
    // Of a pod that others can stand in for: each caller has one request in flight, and may lose that one.
    let callers = ["analytics-service", "fraud-detection", "tax-engine"];
    let loads = callers.map(|caller| (caller, mesh.background(caller, "http://transactions-service/ledger")));
    let pod = mesh.pod("transactions-service");
    let back = format!("{pod} is ready");
    let before = mesh.said().matches(&back).count();
    mesh.kill(&["proxy", "sidecar", &format!("POD_NAME={pod}")]);
    mesh.eventually("its sidecar is there again", || mesh.said().matches(&back).count() > before);
    // A busy machine sends few in the time that a sidecar takes to come back.
    mesh.eventually("each caller has called some times", || loads.iter().all(|(_, load)| load.sent() > 10));
    for (caller, load) in loads {
        let (sent, failed) = load.stop();
        assert!(sent > 10 && failed.len() <= 1, "{caller}: {} of {sent} failed: {failed:?}", failed.len());
    }
    // Of the only pod of a service.
    let pod = mesh.pod("compliance-service");
    mesh.kill(&["proxy", "sidecar", &format!("POD_NAME={pod}")]);
    mesh.eventually("the pod is back", || {
        mesh.curl("consent-service", &["http://compliance-service/rules"])["status"] == 200
    });
}

fn header(told: &Value, name: &str) -> String {
    match &told["headers"] {
        Value::Array(pairs) => pairs
            .iter()
            .find(|p| p[0].as_str().is_some_and(|n| n.eq_ignore_ascii_case(name)))
            .and_then(|p| p[1].as_str())
            .unwrap_or_default()
            .to_owned(),
        Value::Object(map) => {
            let found = map.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
            found.and_then(|(_, v)| v.as_str()).unwrap_or_default().to_owned()
        }
        _ => String::new(),
    }
}

//! The plan's breakers, tripped in the running mesh: when they open, who serves meanwhile, when they close.
//!
//! When exactly is read from the sidecar's own log, whose lines bear the time: what is asked from outside is as late as the
//! asking is. How exact that has to be is held by `bench/resilience`, on a machine that does nothing else.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::up::Mesh;
use crate::up::calls::Line;

/// Whoever must not wait for a dead endpoint finds the other within this.
const FAILOVER: Duration = Duration::from_secs(1);

/// How late an endpoint may be let in on a machine that is busy with other tests.
const LATE: Duration = Duration::from_secs(3);

/// One breaker of the plan.
struct Breaker {
    from: &'static str,
    url: &'static str,
    headers: &'static [&'static str],
    cluster: &'static str,
    /// So many failures in a row open it.
    failures: u32,
    /// For so long.
    base: Duration,
}

/// Three failures in a row open it for ten seconds.
pub(crate) fn banking_connector(mesh: &Mesh) {
    let [sick, other] = trip(
        mesh,
        &Breaker {
            from: "ai-agent-service",
            url: "http://banking-connector/accounts",
            headers: &[],
            cluster: "outbound|80||banking-connector.selfmonitor.svc.cluster.local",
            failures: 3,
            base: Duration::from_secs(10),
        },
        pod_at(mesh),
    );
    assert_ne!(sick["pod"], other["pod"]);
}

/// Five failures in a row open the canary's for thirty seconds, in which the stable version serves.
pub(crate) fn canary(mesh: &Mesh) {
    predictive_analytics(
        mesh,
        ["v2", "v1"],
        &["x-canary: true"],
        "outbound|80|v2|predictive-analytics.selfmonitor.svc.cluster.local",
    );
}

/// And the stable version's, in which the canary serves.
pub(crate) fn stable(mesh: &Mesh) {
    predictive_analytics(
        mesh,
        ["v1", "v2"],
        &["x-canary: false"],
        "outbound|80|v1|predictive-analytics.selfmonitor.svc.cluster.local",
    );
}

fn predictive_analytics(
    mesh: &Mesh,
    versions: [&str; 2],
    headers: &'static [&'static str],
    cluster: &'static str,
) {
    let breaker = Breaker {
        from: "fraud-detection",
        url: "http://predictive-analytics/score",
        headers,
        cluster,
        failures: 5,
        base: Duration::from_secs(30),
    };
    let answers = trip(mesh, &breaker, pod_at(mesh));
    assert_eq!(answers.each_ref().map(|of| of["version"].as_str().unwrap_or("none")), versions);
}

/// Three failures in a row of an API outside open it for ten seconds.
pub(crate) fn open_banking(mesh: &Mesh) {
    let partners = [Partner::new(mesh, 0), Partner::new(mesh, 1)];
    let endpoints = partners.each_ref().map(|Partner { at, .. }| {
        format!("{{address: {}, ports: {{http: {}, tls: {}}}}}", at.ip(), at.port(), at.port())
    });
    let file = mesh.folder().join("traffic/outside.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let here = format!("resolution: STATIC\n  endpoints: [{}]", endpoints.join(", "));
    let plain = text.replacen("resolution: DNS", &here, 1).replacen(
        "        tls:\n          mode: SIMPLE\n          sni: api.openbanking.example\n          subjectAltNames: [api.openbanking.example]\n",
        "        tls: {mode: DISABLE}\n",
        1,
    );
    std::fs::write(&file, &plain).unwrap();
    let url = "http://api.openbanking.example/accounts";
    mesh.eventually("the partner is asked here", || {
        mesh.curl("banking-connector", &[url])["body"]["pod"]
            .as_str()
            .is_some_and(|of| of.starts_with("partner"))
    });
    let breaker = Breaker {
        from: "banking-connector",
        url,
        headers: &[],
        cluster: "outbound|80||api.openbanking.example",
        failures: 3,
        base: Duration::from_secs(10),
    };
    let [sick, other] =
        trip(mesh, &breaker, |pod| partners.iter().find(|of| of.name == pod).unwrap().at.to_string());
    std::fs::write(&file, text).unwrap();
    assert_ne!(sick["pod"], other["pod"]);
}

/// An API outside, as the stand-in apps are inside: it answers what `x-echo-status` says, and calls itself by name.
struct Partner {
    name: String,
    at: SocketAddr,
}

impl Partner {
    /// Serves as long as the test lives.
    fn new(mesh: &Mesh, number: usize) -> Self {
        let listener = mesh.silent();
        let (name, at) = (format!("partner-{number}"), listener.local_addr().unwrap());
        let body = format!("{{\"pod\":\"{name}\"}}");
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let body = body.clone();
                std::thread::spawn(move || serve(stream, &body));
            }
        });
        Self { name, at }
    }
}

fn serve(mut stream: TcpStream, body: &str) {
    let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let mut status = "200".to_owned();
    for line in lines {
        let line = line.to_ascii_lowercase();
        if let Some(said) = line.strip_prefix("x-echo-status: ") {
            said.clone_into(&mut status);
        }
        if line.is_empty() {
            let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
            "200".clone_into(&mut status);
        }
    }
}

/// A pod's port, as the log names it.
fn pod_at(mesh: &Mesh) -> impl Fn(&str) -> String {
    |pod| format!("{}:", mesh.address(pod))
}

fn pod(answer: &Value) -> String {
    answer["pod"].as_str().unwrap_or("nobody").to_owned()
}

/// Fails one endpoint until it is left alone, and asks on until it is back; answers of it, when it is back, and of another.
/// `place` is how the log names an endpoint.
fn trip(mesh: &Mesh, breaker: &Breaker, place: impl Fn(&str) -> String) -> [Value; 2] {
    let mut line = mesh.line(breaker.from, breaker.url);
    let (sick, opened) = fail(&mut line, breaker);
    let ask = |line: &mut Line| {
        let (status, answer) = line.ask("GET", breaker.headers).expect("a whole answer");
        assert_eq!(status, 200, "nobody serves in the place of {sick}: {answer}");
        answer
    };
    let other = ask(&mut line);
    let found = opened.elapsed();
    assert_ne!(pod(&other), sick, "it is asked on");
    assert!(found < FAILOVER, "the other was found after {found:?}");
    let address = place(&sick);
    let (status, left) = (mesh.status(breaker.from), breaker.base.saturating_sub(opened.elapsed()));
    if left > Duration::from_secs(1) {
        let mut told = status.lines().filter(|line| line.contains("is ejected for"));
        assert!(told.any(|told| told.contains(&address)), "{status}");
    }
    let back = loop {
        let answer = ask(&mut line);
        if pod(&answer) == sick {
            break answer;
        }
        assert!(opened.elapsed() < breaker.base + LATE, "{sick} never comes back");
        std::thread::sleep(Duration::from_millis(25));
    };
    assert!(opened.elapsed() >= breaker.base, "{sick} is back after {:?}", opened.elapsed());
    let out = told_of(mesh, breaker, &address);
    println!(
        "tour:   {}: opened with failure {}, another served {} ms later, closed after {out:.3?} of {:?}",
        breaker.url,
        breaker.failures,
        found.as_millis(),
        breaker.base
    );
    // By the log, whose line on a busy machine may be written some milliseconds after what it tells.
    let told_late = Duration::from_millis(100);
    assert!(out + told_late >= breaker.base && out < breaker.base + LATE, "{sick} was out for {out:?}");
    [back, other]
}

/// Fails whoever is asked until one has failed often enough; who that is, and when the last of his failures was asked for.
fn fail(line: &mut Line, breaker: &Breaker) -> (String, Instant) {
    let failing = [breaker.headers, &["x-echo-status: 503"]].concat();
    let mut failures: BTreeMap<String, u32> = BTreeMap::new();
    loop {
        let asked = Instant::now();
        let (status, answer) = line.ask("GET", &failing).unwrap();
        assert_eq!(status, 503, "{answer}");
        let failed = failures.entry(pod(&answer)).or_default();
        *failed += 1;
        if *failed == breaker.failures {
            return (pod(&answer), asked);
        }
    }
}

/// By the sidecar's log: for how long the endpoint was out.
fn told_of(mesh: &Mesh, breaker: &Breaker, address: &str) -> Duration {
    let mut out = None;
    let cause = format!("cause={} 5xx in a row", breaker.failures);
    mesh.eventually("the log tells of the ejection and of the return", || {
        let lines = mesh.sidecars_say(breaker.from);
        let when = |what: &str| {
            let of = |line: &&String| {
                [what, breaker.cluster, &format!("endpoint={address}")].iter().all(|word| line.contains(word))
            };
            lines.iter().find(of)
        };
        let (ejected, back) = (when("endpoint ejected"), when("endpoint is back"));
        out = ejected.zip(back).map(|(ejected, back)| {
            assert!(ejected.contains(&cause), "{ejected}");
            (moment(back) - moment(ejected)).unsigned_abs()
        });
        out.is_some()
    });
    out.unwrap()
}

/// When a line was written.
fn moment(line: &str) -> OffsetDateTime {
    let words = line.split_whitespace();
    let time = words.filter_map(|word| OffsetDateTime::parse(word, &Rfc3339).ok()).next();
    time.unwrap_or_else(|| panic!("no time in {line}"))
}

/// Fifty connections, twenty-five that wait, and whoever comes then is told at once.
pub(crate) fn pool_of_fifty(mesh: &Mesh) {
    const HELD: &[&str] = &["x-echo-delay: 8s"];
    let url = "http://banking-connector/slow";
    let metrics = format!("http://{}:15090/stats/prometheus", mesh.address(&mesh.pod("ai-agent-service")));
    let count = |name: &str, wanted: usize| {
        let cluster = "outbound|80||banking-connector.selfmonitor.svc.cluster.local";
        let line = format!("envoy_cluster_upstream_rq_{name}{{cluster_name=\"{cluster}\"}} {wanted}");
        mesh.eventually(&line, || mesh.http_get(&metrics).lines().any(|seen| seen == line));
    };
    let mut lines = mesh.lines("ai-agent-service", url, 80);
    let mut refused = lines.split_off(75);
    std::thread::scope(|scope| {
        let mut held = Vec::new();
        // Those that wait for a connection to be made are in the line, too: not too many at a time.
        for (number, line) in lines.into_iter().enumerate() {
            match number {
                20 | 40 | 50 => count("active", number),
                _ => {}
            }
            let mut line = line.patient(Duration::from_secs(60));
            held.push(scope.spawn(move || line.ask("GET", HELD)));
        }
        count("pending_active", 25);
        for line in &mut refused {
            let (status, _) = line.ask("GET", &[]).unwrap();
            assert_eq!(status, 503);
        }
        for one in held {
            let (status, body) = one.join().unwrap().expect("a whole answer");
            assert_eq!(status, 200, "{body}");
        }
    });
    let limit = "25 requests wait for a connection, and no more than 25 may (connectionPool.http.http1MaxPendingRequests)";
    mesh.eventually("the log names the limit and the load", || {
        mesh.logs().iter().any(|line| line.contains(limit) && line.contains("50 of 50 connections are open"))
    });
}

/// What failed and was tried again is no secret: an app may have done its work twice.
pub(crate) fn retries_are_told(mesh: &Mesh) {
    let before = retries(mesh);
    let mut line = mesh.line("advice-service", "http://analytics-service/figures");
    let key = format!("x-echo-key: tour-{}", std::process::id());
    // Each replica fails the first of them.
    let (status, answer) = line.ask("GET", &["x-echo-fail-first: 1", &key]).unwrap();
    assert_eq!(status, 200, "{answer}");
    let after = retries(mesh);
    assert!(after.0 > before.0 && after.1 > before.1, "{before:?}, then {after:?}");
    let status = mesh.status("advice-service");
    assert!(
        status.contains(&match after.1 {
            1 => "1 request was tried again that an app may have seen".to_owned(),
            many => format!("{many} requests were tried again that an app may have seen"),
        }),
        "{status}"
    );
}

/// Retries of advice-service's sidecar: all, and those of what an app may have seen.
fn retries(mesh: &Mesh) -> (u64, u64) {
    let pod = mesh.pod("advice-service");
    let status = mesh.json(&["status", &pod]);
    let told = &status["pods"][0]["sidecar"]["status"]["retries"];
    (told["total"].as_u64().unwrap(), told["after_the_app"].as_u64().unwrap())
}

/// A partner that takes connections and says nothing costs half a second, and not more.
pub(crate) fn impatient_with_partners(mesh: &Mesh) {
    let silent = mesh.silent();
    let place = silent.local_addr().unwrap();
    let file = mesh.folder().join("traffic/outside.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let hosts = "hosts: [calendar.partner.example, accounting.partner.example]";
    let (before, partners) = text.split_once(hosts).unwrap();
    let (ip, port) = (place.ip(), place.port());
    let here = format!("resolution: STATIC\n  endpoints: [{{address: {ip}, ports: {{http: {port}}}}}]");
    let partners = partners.replacen("resolution: DNS", &here, 1);
    std::fs::write(&file, format!("{before}{hosts}{partners}")).unwrap();
    let mut took = Duration::ZERO;
    mesh.eventually("the partner's silence is noticed", || {
        let began = Instant::now();
        let answer = mesh.curl("integrations-service", &["http://calendar.partner.example/"]);
        took = began.elapsed();
        answer["status"].as_u64() >= Some(500) && answer["body"].to_string().contains("timeout")
    });
    std::fs::write(&file, text).unwrap();
    println!("tour:   a silent partner was given up after {} ms", took.as_millis());
    assert!(took >= Duration::from_millis(450) && took < Duration::from_secs(5), "{took:?}");
}

//! What breakers and outlier detection do is told where people look: which limit, its value, and how things stood.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use tracing_subscriber::fmt::MakeWriter;
use weft_model::cluster::{CircuitBreakers, Cluster};
use weft_model::route::RetryPolicy;
use weft_testkit::app::Switched;
use weft_testkit::eventually;
use weft_testkit::wire::Puppet;

use super::breakers::{get, limited, streams};
use super::hostile::Log;
use super::outliers::breaker;
use super::{GET, Way, ask, forward};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_by_the_limit_of_requests_is_told_with_the_limit_and_the_load() {
    let (app, log) = (Puppet::new().await, Log::new("requests"));
    let way = Way::with(&[app.address], |cluster| limited(cluster, 10, 10, 1), |m| log.of(m)).await;
    let mut busy = way.client().await;
    busy.send(GET).await;
    let mut served = app.accept().await;
    served.head().await;
    assert_eq!(ask(&mut way.client().await, GET).await.0, 503);
    log.says("503 \"cluster outbound|80||app: 1 requests are in flight, and no more than 1 may (connectionPool.http.http2MaxRequests); 1 of 10 connections are open\"").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_by_the_length_of_the_line_is_told_with_the_connections_that_are_open() {
    let (app, log) = (Puppet::new().await, Log::new("line"));
    let way = Way::with(&[app.address], |cluster| limited(cluster, 1, 2, 10), |m| log.of(m)).await;
    let mut client = streams(&way).await;
    let _first = get(&mut client, "/first");
    let mut served = app.accept().await;
    served.head().await;
    let _waiting = [get(&mut client, "/second"), get(&mut client, "/third")];
    eventually("both wait", async || way.count("upstream_rq_pending_active") == 2).await;
    assert_eq!(get(&mut client, "/fourth").await.unwrap().status(), 503);
    log.says("503 \"cluster outbound|80||app: 2 requests wait for a connection, and no more than 2 may (connectionPool.http.http1MaxPendingRequests); 1 of 1 connections are open\"").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_that_is_not_made_is_told_with_what_kept_it() {
    for (most, budget, words) in [
        (0, None, "0 retries are under way, and no more than 0 may (connectionPool.http.maxRetries)"),
        (
            9,
            Some(weft_model::cluster::RetryBudget { budget_percent: 20.0, min_retry_concurrency: 0 }),
            "0 retries are under way, and no more than 0 may (retryBudget)",
        ),
    ] {
        let (app, log) =
            (Switched::new().await, Log::new(if budget.is_some() { "budget" } else { "retries" }));
        app.say(503);
        let change = |cluster: &mut Cluster| {
            cluster.circuit_breakers = CircuitBreakers {
                max_retries: Some(most),
                retry_budget: budget,
                ..CircuitBreakers::default()
            };
        };
        let retry = RetryPolicy { retry_on: "5xx".into(), num_retries: Some(2), ..RetryPolicy::default() };
        let way = Way::with(&[app.address], change, |manager| {
            forward(manager).retry = Some(retry);
            log.of(manager);
        })
        .await;
        assert_eq!(ask(&mut way.client().await, GET).await.0, 503);
        log.says(words).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ejection_one_that_may_not_be_and_a_return_are_events_in_the_log() {
    let events = Events::hear();
    let apps = [Switched::new().await, Switched::new().await];
    let addresses = apps.each_ref().map(|app| app.address);
    apps[0].say(503);
    let way = Way::to(&addresses, breaker).await;
    let mut client = way.client().await;
    let out = || way.count("outlier_detection_ejections_active");
    while out() == 0 {
        ask(&mut client, GET).await;
    }
    // The other deserves it as well, but of two one stays in.
    apps[1].say(503);
    while way.count("outlier_detection_ejections_overflow") == 0 {
        ask(&mut client, GET).await;
    }
    eventually("it is back", async || out() == 0).await;
    let [sick, other] = addresses.map(|address| format!("endpoint={address}"));
    for words in [
        [
            "WARN",
            "endpoint ejected",
            "cluster=outbound|80||app",
            &sick,
            "cause=3 5xx in a row",
            "length=400ms times=1 out=1 total=2",
        ],
        [
            "WARN",
            "endpoint not ejected: no more than 80 % may be out at once",
            "cluster=outbound|80||app",
            &other,
            "cause=3 5xx in a row",
            "out=1 total=2",
        ],
        ["INFO", "endpoint is back after its ejection", "cluster=outbound|80||app", &sick, "", ""],
    ] {
        eventually(words[1], async || events.has(&words)).await;
    }
}

/// What this process says in its log.
#[derive(Clone)]
struct Events(Arc<Mutex<Vec<u8>>>);

impl Events {
    /// A process has one log, whoever asks for it first.
    fn hear() -> Self {
        static ONLY: OnceLock<Events> = OnceLock::new();
        let start = || {
            let events = Self(Arc::default());
            let log = tracing_subscriber::fmt().with_writer(events.clone()).with_ansi(false).finish();
            tracing::subscriber::set_global_default(log).unwrap();
            events
        };
        ONLY.get_or_init(start).clone()
    }

    /// Is there a line with all of these words?
    fn has(&self, words: &[&str]) -> bool {
        let said = self.0.lock().unwrap();
        String::from_utf8_lossy(&said).lines().any(|line| words.iter().all(|word| line.contains(word)))
    }
}

impl Write for Events {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Events {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

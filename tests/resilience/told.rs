//! What breakers and outlier detection do is told where people look: which limit, its value, and how things stood.

use std::time::Duration;

use weft_model::cluster::{CircuitBreakers, Cluster};
use weft_model::listener::TcpProxy;
use weft_model::route::RetryPolicy;
use weft_testkit::app::Switched;
use weft_testkit::eventually;
use weft_testkit::wire::Puppet;

use super::breakers::{get, limited, served, streams};
use super::events::Events;
use super::hostile::Log;
use super::outliers::breaker;
use super::{GET, Way, ask, forward, spent};

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
async fn a_tcp_connection_beyond_the_limit_is_told_with_the_limit_and_the_load() {
    let (app, log) = (Switched::new().await, spent::Log::new("beyond"));
    let way =
        spent::way(&[app.address], &log, TcpProxy::default(), |cluster| limited(cluster, 1, 10, 10)).await;
    // Whoever looked whether the port is open may still be there.
    let mut first = None;
    eventually("the first is let through", async || {
        first = served(&way).await;
        first.is_some()
    })
    .await;
    assert!(served(&way).await.is_none(), "a second is let through");
    log.says("UO", "cluster outbound|80||app: 1 connections are open, and no more than 1 may (connectionPool.tcp.maxConnections)").await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_too_large_to_be_tried_again_is_told_so() {
    let (app, log) = (Puppet::new().await, Log::new("large"));
    let retry = RetryPolicy { retry_on: "5xx".into(), num_retries: Some(2), ..RetryPolicy::default() };
    let way = Way::with(
        &[app.address],
        |_| {},
        |manager| {
            forward(manager).retry = Some(retry);
            log.of(manager);
        },
    )
    .await;
    let length = 65 * 1024;
    let mut client = way.client().await;
    client.send(format!("POST / HTTP/1.1\r\nHost: app\r\nContent-Length: {length}\r\n\r\n")).await;
    client.send("x".repeat(length)).await;
    let mut served = app.accept().await;
    served.head().await;
    served.exactly(length).await;
    served.send("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nmine").await;
    assert_eq!(client.response().await.1, "mine");
    assert!(app.is_left_alone().await);
    log.says("not tried again: of its body more had come than the 64 KiB that are kept").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn panic_mode_is_told_once_when_it_begins_and_once_when_it_is_over() {
    let events = Events::hear();
    let (sick, well) = (Switched::new().await, Switched::new().await);
    sick.say(503);
    let way = Way::to(&[sick.address, well.address], |cluster| {
        breaker(cluster);
        cluster.outlier_detection.as_mut().unwrap().base_ejection_time = Some(Duration::from_secs(600));
        // One of two is less than that.
        cluster.balancing.panic_threshold = Some(61.0);
    })
    .await;
    let mut client = way.client().await;
    while way.count("outlier_detection_ejections_active") == 0 {
        ask(&mut client, GET).await;
    }
    let seen = sick.seen();
    sick.say(200);
    for _ in 0..10 {
        assert_eq!(ask(&mut client, GET).await.0, 200);
    }
    assert!(sick.seen() > seen, "in panic the ejected one is used, too");
    let begins = [
        "WARN",
        "panic mode: too few endpoints are well, so all of them are used (outlierDetection.minHealthPercent)",
        "cluster=outbound|80||app priority=0 threshold=61.0",
    ];
    let over =
        ["INFO", "panic mode is over: enough endpoints are well", "cluster=outbound|80||app priority=0"];
    eventually("it has begun", async || events.count(&begins) == 1).await;
    assert_eq!(events.count(&over), 0, "it goes on");
    let mut forgiving = way.cluster.clone();
    forgiving.outlier_detection = None;
    way.sidecar.apply(&[forgiving], &[]).await;
    for _ in 0..10 {
        assert_eq!(ask(&mut client, GET).await.0, 200);
    }
    eventually("it is over", async || events.count(&over) == 1).await;
    assert_eq!(events.count(&begins), 1, "not for each request");
}

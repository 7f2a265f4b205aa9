//! What is tried again, how much of it at once, and what is said of it.

use std::time::{Duration, Instant};

use weft_model::cluster::{CircuitBreakers, Cluster, RetryBudget};
use weft_model::http::HttpConnectionManager;
use weft_model::route::RetryPolicy;
use weft_testkit::app::Switched;
use weft_testkit::eventually;
use weft_testkit::wire::Puppet;

use super::{GET, Way, ask, forward};

fn three_times(on: &str) -> impl FnOnce(&mut HttpConnectionManager) {
    let policy = RetryPolicy {
        retry_on: on.to_owned(),
        num_retries: Some(3),
        back_off_base: Some(Duration::from_millis(1)),
        ..RetryPolicy::default()
    };
    |manager| forward(manager).retry = Some(policy)
}

fn retries(cluster: &mut Cluster, most: u32, retry_budget: Option<RetryBudget>) {
    cluster.circuit_breakers =
        CircuitBreakers { max_retries: Some(most), retry_budget, ..CircuitBreakers::default() };
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_and_is_tried_again_is_counted_as_seen_by_the_app() {
    let app = Switched::new().await;
    app.say(503);
    let way = Way::with(&[app.address], |cluster| retries(cluster, 10, None), three_times("5xx")).await;
    let mut client = way.client().await;
    assert_eq!(ask(&mut client, GET).await.0, 503);
    assert_eq!(app.seen(), 4);
    assert_eq!(way.count("upstream_rq_retry"), 3);
    assert_eq!(way.count("weft_retry_after_app_may_have_seen_it"), 3);
    assert_eq!(way.count("upstream_rq_retry_active"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_try_that_was_answered_leaves_its_connection_to_the_next_if_the_answer_is_whole() {
    let app = Puppet::new().await;
    let way = Way::with(&[app.address], |_| {}, three_times("5xx")).await;
    let mut client = way.client().await;
    client.send(GET).await;
    let mut served = app.accept().await;
    served.head().await;
    served.send("HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nbusy").await;
    served.head().await;
    assert!(app.is_left_alone().await, "there is a connection for each try");
    // What is still to come of this one nobody waits for.
    served.send("HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nbu").await;
    let mut third = app.accept().await;
    third.head().await;
    served.end().await;
    third.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(client.response().await.1, "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_beyond_the_limit_are_not_made_and_the_answer_goes_through() {
    let app = Switched::new().await;
    app.say(503);
    let way = Way::with(&[app.address], |cluster| retries(cluster, 0, None), three_times("5xx")).await;
    let mut client = way.client().await;
    let (status, _, body) = ask(&mut client, GET).await;
    assert_eq!((status, body), (503, app.address.to_string()), "it is the app's own answer");
    assert_eq!((app.seen(), way.count("upstream_rq_retry_overflow")), (1, 1));
}

/// So many requests are a storm.
const ALL: u32 = 800;

/// A fifth of what is under way may be retries, so a quarter of what comes is the most that they can add.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_retries_stays_within_its_budget() {
    let app = Switched::new().await;
    app.say(503);
    app.pause.store(5, std::sync::atomic::Ordering::SeqCst);
    let budget = RetryBudget { budget_percent: 20.0, min_retry_concurrency: 1 };
    let way =
        Way::with(&[app.address], |cluster| retries(cluster, 1000, Some(budget)), three_times("5xx")).await;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let mut client = way.client().await;
        clients.spawn(async move {
            for _ in 0..ALL / 40 {
                assert_eq!(ask(&mut client, GET).await.0, 503);
            }
        });
    }
    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }
    let seen = app.seen();
    println!("{ALL} requests that all failed cost the app {seen}");
    assert!(seen > ALL, "nothing is tried again");
    assert!(4 * seen < 5 * ALL, "{seen} requests reached the app, without a budget {} would", 4 * ALL);
}

/// A policy whose pauses are by chance anything up to minutes.
fn slowly(manager: &mut HttpConnectionManager) {
    three_times("5xx")(manager);
    let policy = forward(manager).retry.as_mut().unwrap();
    (policy.back_off_base, policy.back_off_max) =
        (Some(Duration::from_secs(200)), Some(Duration::from_secs(2000)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_before_another_try_is_part_of_the_routes_time() {
    let app = Switched::new().await;
    app.say(503);
    let limit = Duration::from_millis(100);
    let way = Way::with(
        &[app.address],
        |cluster| retries(cluster, 10, None),
        |manager| {
            slowly(manager);
            forward(manager).timeout = Some(limit);
        },
    )
    .await;
    let mut client = way.client().await;
    let began = Instant::now();
    let (status, _, body) = ask(&mut client, GET).await;
    assert_eq!((status, body.as_str()), (504, "upstream request timeout"));
    assert!(began.elapsed() >= limit);
    assert_eq!((app.seen(), way.count("upstream_rq_retry_active")), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_tried_again_for_a_client_that_went_away() {
    let app = Switched::new().await;
    app.say(503);
    let way = Way::with(&[app.address], |cluster| retries(cluster, 10, None), slowly).await;
    let mut client = way.client().await;
    client.send(GET).await;
    eventually("it pauses before another try", async || way.count("upstream_rq_retry_active") == 1).await;
    drop(client);
    eventually("nobody waits any more", async || way.count("upstream_rq_retry_active") == 0).await;
    assert_eq!(app.seen(), 1);
}

//! A storm of requests for endpoints that take nobody in: what is asked of them stays near what was asked of the proxy, what is
//! beyond the limits is refused at once, and when it is over nothing of it is left.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use weft_model::cluster::{CircuitBreakers, Cluster, RetryBudget};
use weft_model::http::HttpConnectionManager;
use weft_model::route::RetryPolicy;
use weft_testkit::eventually;

use super::{GET, Way, ask, forward, memory, sockets};

/// So many ask at once, each so often.
const CLIENTS: u64 = 40;
const EACH: u64 = 20;
const ALL: u64 = CLIENTS * EACH;

/// A storm may leave behind so much: buffers and series of metrics.
const SLACK: u64 = 24 * 1024 * 1024;

/// Three more tries for whatever a try without an answer is called.
fn three_times(manager: &mut HttpConnectionManager) {
    forward(manager).retry = Some(RetryPolicy {
        retry_on: "connect-failure,reset,refused-stream".to_owned(),
        num_retries: Some(3),
        back_off_base: Some(Duration::from_millis(1)),
        ..RetryPolicy::default()
    });
}

/// A fifth of what is under way may be retries: a quarter of what comes is the most that they can add.
fn budget(cluster: &mut Cluster) {
    cluster.circuit_breakers = CircuitBreakers {
        max_retries: Some(1000),
        retry_budget: Some(RetryBudget { budget_percent: 20.0, min_retry_concurrency: 1 }),
        ..CircuitBreakers::default()
    };
}

/// What all of them were told: so many answers with the words of an overflow, of all that were 503.
async fn storm(way: &Way) -> u64 {
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let mut client = way.client().await;
        clients.spawn(async move {
            let mut overflown = 0;
            for _ in 0..EACH {
                let (status, head, body) = ask(&mut client, GET).await;
                assert_eq!(status, 503, "{head}{body}");
                overflown += u64::from(head.contains("x-envoy-overloaded"));
            }
            overflown
        });
    }
    let mut overflown = 0;
    while let Some(told) = clients.join_next().await {
        overflown += told.unwrap();
    }
    overflown
}

/// Lets one pass, another after which memory is looked at, and says what the endpoints were asked in that.
async fn weathered(way: &Way, asked: impl Fn() -> u64) -> u64 {
    storm(way).await;
    let (before, held) = (asked(), memory::resident());
    storm(way).await;
    is_over(way).await;
    let grown = memory::resident().saturating_sub(held);
    assert!(grown < SLACK, "a storm of {ALL} requests left {grown} bytes behind");
    asked() - before
}

fn is_within_budget(seen: u64) {
    println!("{ALL} requests that all failed came to {seen} tries");
    assert!(seen > ALL, "nothing is tried again: {seen} tries");
    assert!(4 * seen < 5 * ALL, "{seen} tries, without a budget {}", 4 * ALL);
}

/// A port that is taken, so that nobody else takes it, and where nobody listens.
fn nobody() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_that_refuse_connections_are_tried_little_more_often_than_is_asked() {
    let (_kept, address) = nobody();
    let way = Way::with(&[address], budget, three_times).await;
    is_within_budget(weathered(&way, || way.count("upstream_cx_connect_fail")).await);
}

/// An endpoint that closes whatever it accepts, and how often it has.
async fn slamming() -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, accepted) = (listener.local_addr().unwrap(), Arc::new(AtomicU64::new(0)));
    let count = accepted.clone();
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    (address, accepted)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_that_close_what_they_accept_are_tried_little_more_often_than_is_asked() {
    let (address, accepted) = slamming().await;
    let way = Way::with(&[address], budget, three_times).await;
    is_within_budget(weathered(&way, || accepted.load(Ordering::SeqCst)).await);
}

/// So many connections may be on their way to an endpoint that answers none, and so many may wait for one of them.
const ROOM: u64 = 8;

fn limited(cluster: &mut Cluster, connect_timeout: Duration) {
    budget(cluster);
    let (room, breakers) = (u32::try_from(ROOM).ok(), &mut cluster.circuit_breakers);
    (breakers.max_connections, breakers.max_pending_requests) = (room, room);
    cluster.connect_timeout = Some(connect_timeout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_that_let_connections_hang_hold_up_no_more_than_the_limits_allow() {
    let deaf = sockets::deaf();
    let limit = Duration::from_millis(100);
    let way = Way::with(&[deaf.address], |cluster| limited(cluster, limit), three_times).await;
    let mut most = 0;
    let overflown = tokio::select! {
        overflown = storm(&way) => overflown,
        () = async {
            loop {
                most = most.max(way.count("upstream_cx_active"));
                tokio::time::sleep(limit / 10).await;
            }
        } => unreachable!("the loop has no end"),
    };
    let tried = way.count("upstream_cx_connect_fail");
    println!("{ALL} requests: {overflown} refused at once, {tried} tries, {most} connections at once");
    assert!(most <= ROOM, "{most} connections at once");
    assert!(4 * tried < 5 * ALL, "{tried} tries");
    assert!(overflown > 0, "however many wait, none is refused");
    is_over(&way).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_wait_for_connections_that_hang_cost_no_time() {
    let deaf = sockets::deaf();
    let limit = Duration::from_secs(60);
    let way = Way::with(&[deaf.address], |cluster| limited(cluster, limit), three_times).await;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = way.client().await;
        client.send(GET).await;
        clients.push(client);
    }
    eventually("the rest is refused", async || {
        way.count("upstream_rq_pending_overflow") + way.count("upstream_rq_pending_active") + ROOM >= CLIENTS
    })
    .await;
    let (spent, a_while) = (cpu(), Duration::from_secs(1));
    tokio::time::sleep(a_while).await;
    let spent = cpu() - spent;
    assert!(spent < a_while / 4, "{spent:?} of CPU were spent on waiting for {a_while:?}");
    drop(clients);
    is_over(&way).await;
}

async fn is_over(way: &Way) {
    let under_way = [
        "upstream_rq_active",
        "upstream_rq_pending_active",
        "upstream_rq_retry_active",
        "upstream_cx_active",
    ];
    eventually("nothing is under way any more", async || {
        under_way.iter().all(|statistic| way.count(statistic) == 0)
    })
    .await;
}

/// What this process has spent so far.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // User's and system's, in ticks of 10 ms.
    let ticks: u64 = fields[11..=12].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(10 * ticks)
}

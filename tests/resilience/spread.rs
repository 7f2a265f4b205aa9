//! Who gets how much: shares of TCP connections, newcomers that warm up, and retries that look farther.

use std::time::{Duration, Instant};

use weft_model::cluster::SlowStart;
use weft_model::endpoint::LocalityEndpoints;
use weft_model::listener::{Direction, NetworkFilter, TcpProxy};
use weft_model::route::RetryPolicy;
use weft_model::tls::Transport;
use weft_testkit::app::Switched;
use weft_testkit::mesh::Mesh;
use weft_testkit::wire::Peer;
use weft_testkit::{eventually, free_address, settings};

use super::outliers::breaker;
use super::{GET, NAME, Way, ask, forward};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenth_of_tcp_connections_is_ten_of_any_hundred() {
    let (old, new) = (Switched::new().await, Switched::new().await);
    let clusters = [settings::cluster("old", &[old.address]), settings::cluster("new", &[new.address])];
    let at = free_address();
    let mut listener = settings::tcp("out", at, Direction::Outbound, Transport::Raw, vec![], "old");
    let weights = vec![("old".to_owned(), 90), ("new".to_owned(), 10)];
    listener.filter_chains[0].filters =
        vec![NetworkFilter::TcpProxy(TcpProxy { clusters: weights, ..TcpProxy::default() })];
    let mesh = Mesh::new();
    let sidecar = mesh.sidecar("client");
    sidecar.apply(&clusters, &[listener]).await;
    for hundred in 0..3 {
        let before = new.seen();
        for _ in 0..100 {
            assert_eq!(ask(&mut Peer::connect(at).await, GET).await.0, 200);
        }
        let share = new.seen() - before;
        assert!((7..=13).contains(&share), "{share} of hundred {hundred}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_gets_less_at_first_and_its_whole_share_once_it_is_warm() {
    let (one, other, newcomer) = (Switched::new().await, Switched::new().await, Switched::new().await);
    let window = Duration::from_secs(3);
    let way = Way::to(&[one.address, other.address], |cluster| {
        cluster.balancing.slow_start = Some(SlowStart { window, aggression: 1.0, min_weight_percent: 10.0 });
    })
    .await;
    let mut client = way.client().await;
    let mut cluster = way.cluster.clone();
    let known = settings::cluster(NAME, &[one.address, other.address, newcomer.address]);
    cluster.load_assignment = known.load_assignment;
    // Those that were there from the beginning are warm by then.
    let warm = Instant::now() + window;
    eventually("they are warm", async || Instant::now() > warm).await;
    // It becomes known between these two.
    let unknown = Instant::now();
    way.sidecar.apply(&[cluster], &[]).await;
    let known = Instant::now();
    for _ in 0..60 {
        assert_eq!(ask(&mut client, GET).await.0, 200);
    }
    if unknown.elapsed() < window / 8 {
        assert!(newcomer.seen() < 12, "a cold one got {} of 60", newcomer.seen());
    }
    eventually("it is warm", async || known.elapsed() > window).await;
    let before = newcomer.seen();
    for _ in 0..60 {
        assert_eq!(ask(&mut client, GET).await.0, 200);
    }
    let share = newcomer.seen() - before;
    assert!((15..=25).contains(&share), "a warm one got {share} of 60");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_from_an_ejection_warms_up_anew() {
    let apps = [Switched::new().await, Switched::new().await, Switched::new().await];
    let window = Duration::from_secs(4);
    let way = Way::to(&apps.each_ref().map(|app| app.address), |cluster| {
        breaker(cluster);
        cluster.balancing.slow_start = Some(SlowStart { window, aggression: 1.0, min_weight_percent: 10.0 });
    })
    .await;
    let mut client = way.client().await;
    // All of them are warm by then.
    let warm = Instant::now() + window;
    eventually("they are warm", async || Instant::now() > warm).await;
    apps[0].say(503);
    let out = || way.count("outlier_detection_ejections_active");
    while out() == 0 {
        ask(&mut client, GET).await;
    }
    apps[0].say(200);
    eventually("it is back", async || out() == 0).await;
    let (began, before) = (Instant::now(), apps[0].seen());
    for _ in 0..60 {
        assert_eq!(ask(&mut client, GET).await.0, 200);
    }
    // Of a machine so busy that it is no longer cold by now nothing can be said.
    if began.elapsed() < window / 8 {
        let share = apps[0].seen() - before;
        assert!(share < 12, "it got {share} of 60 at once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_goes_to_another_locality_where_that_is_asked_for() {
    let near = [Switched::new().await, Switched::new().await];
    let far = Switched::new().await;
    near.iter().for_each(|app| app.say(503));
    for (after, told) in [(None, 503), (Some(1), 200)] {
        let retry = RetryPolicy {
            retry_on: "5xx".into(),
            num_retries: Some(1),
            back_off_base: Some(Duration::from_millis(1)),
            avoid_previous_hosts: true,
            avoid_previous_priorities: after,
            ..RetryPolicy::default()
        };
        let all = [near[0].address, near[1].address, far.address];
        let way = Way::with(
            &all,
            |cluster| {
                let localities = &mut cluster.load_assignment.as_mut().unwrap().localities;
                let endpoints = vec![localities[0].endpoints.pop().unwrap()];
                let next = LocalityEndpoints { priority: 1, endpoints, ..LocalityEndpoints::default() };
                localities.push(next);
            },
            |manager| forward(manager).retry = Some(retry),
        )
        .await;
        let mut client = way.client().await;
        for _ in 0..4 {
            assert_eq!(ask(&mut client, GET).await.0, told);
        }
    }
    assert_eq!(far.seen(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_returns_to_the_endpoint_that_answered_only_where_the_route_lets_it() {
    for avoid in [true, false] {
        let apps = [Switched::new().await, Switched::new().await];
        apps.iter().for_each(|app| app.say(503));
        let retry = RetryPolicy {
            retry_on: "5xx".into(),
            num_retries: Some(1),
            back_off_base: Some(Duration::from_millis(1)),
            avoid_previous_hosts: avoid,
            ..RetryPolicy::default()
        };
        let all = apps.each_ref().map(|app| app.address);
        let hash = |manager: &mut weft_model::http::HttpConnectionManager| {
            forward(manager).retry = Some(retry);
            forward(manager).hash = vec![weft_model::route::HashPolicy {
                key: weft_model::route::HashKey::Header("x-user".into()),
                terminal: false,
            }];
        };
        let by_ring = |cluster: &mut weft_model::cluster::Cluster| {
            cluster.balancing.policy = weft_model::cluster::LbPolicy::RingHash { minimum_ring_size: 1024 };
        };
        let way = Way::with(&all, by_ring, hash).await;
        let mut client = way.client().await;
        assert_eq!(ask(&mut client, "GET / HTTP/1.1\r\nHost: app\r\nx-user: u1\r\n\r\n").await.0, 503);
        let mut seen = [apps[0].seen(), apps[1].seen()];
        seen.sort_unstable();
        assert_eq!(seen, if avoid { [1, 1] } else { [0, 2] });
    }
}

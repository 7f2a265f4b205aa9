//! An endpoint that fails too often is left alone for as long as it deserves.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use weft_model::cluster::{Balancing, Cluster, OutlierDetection};
use weft_testkit::app::Switched;
use weft_testkit::{eventually, free_address};

use super::breakers::{get, streams};
use super::{GET, Way, ask, forward, sockets};

const BASE: Duration = Duration::from_millis(400);

/// As Istio's control plane writes `consecutive5xxErrors: 3` and `minHealthPercent: 0`.
pub(super) fn breaker(cluster: &mut Cluster) {
    cluster.outlier_detection = Some(OutlierDetection {
        consecutive_5xx: Some(3),
        enforcing_consecutive_5xx: Some(100),
        interval: Some(Duration::from_secs(5)),
        base_ejection_time: Some(BASE),
        max_ejection_percent: Some(80),
        enforcing_success_rate: Some(0),
        ..OutlierDetection::default()
    });
    cluster.balancing = Balancing { panic_threshold: Some(0.0), ..cluster.balancing.clone() };
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_third_failure_in_a_row_ejects_and_the_endpoint_is_back_when_its_time_is_over() {
    let (sick, well) = (Switched::new().await, Switched::new().await);
    sick.say(503);
    let way = Way::to(&[sick.address, well.address], breaker).await;
    let mut client = way.client().await;
    let mut failed = 0;
    let mut ejected = Instant::now();
    while failed < 3 {
        ejected = Instant::now();
        failed += u32::from(ask(&mut client, GET).await.0 == 503);
    }
    sick.say(200);
    let mut others = 0;
    loop {
        let asked = Instant::now();
        let (status, _, body) = ask(&mut client, GET).await;
        assert_eq!(status, 200);
        if body == sick.address.to_string() {
            assert!(ejected.elapsed() >= BASE, "it came back after {:?}", ejected.elapsed());
            break;
        }
        others += 1;
        assert!(asked - ejected < BASE + Duration::from_secs(5), "it never came back");
    }
    assert!(others > 2, "nobody else was asked meanwhile");
    assert_eq!(way.count("outlier_detection_ejections_enforced_consecutive_5xx"), 1);
    assert_eq!(way.count("outlier_detection_ejections_enforced_total"), 1);
    assert_eq!(way.count("outlier_detection_ejections_active"), 0);
    assert_eq!(way.count("weft_outlier_detection_readmissions"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ejection_outlives_a_change_of_the_configuration_but_not_of_the_rule() {
    let (sick, well) = (Switched::new().await, Switched::new().await);
    sick.say(500);
    let way = Way::to(&[sick.address, well.address], |cluster| {
        breaker(cluster);
        cluster.outlier_detection.as_mut().unwrap().base_ejection_time = Some(Duration::from_secs(600));
    })
    .await;
    let mut client = way.client().await;
    while way.count("outlier_detection_ejections_active") == 0 {
        ask(&mut client, GET).await;
    }
    let seen = sick.seen();
    let mut changed = way.cluster.clone();
    changed.connect_timeout = Some(Duration::from_secs(3));
    way.sidecar.apply(&[changed.clone()], &[]).await;
    for _ in 0..10 {
        assert_eq!(ask(&mut client, GET).await.0, 200);
    }
    assert_eq!(sick.seen(), seen, "the ejection is forgotten");
    changed.outlier_detection = None;
    way.sidecar.apply(&[changed], &[]).await;
    for _ in 0..4 {
        ask(&mut client, GET).await;
    }
    assert!(sick.seen() > seen, "without the rule nobody is out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eighty_percent_of_one_endpoint_ejects_nobody_and_of_all_that_fail_one_stays() {
    let only = Switched::new().await;
    only.say(503);
    let way = Way::to(&[only.address], breaker).await;
    let mut client = way.client().await;
    for _ in 0..9 {
        assert_eq!(ask(&mut client, GET).await.0, 503);
    }
    assert_eq!(only.seen(), 9);
    assert_eq!(way.count("outlier_detection_ejections_overflow"), 3);

    let all = [Switched::new().await, Switched::new().await, Switched::new().await];
    all.iter().for_each(|app| app.status.store(502, Ordering::SeqCst));
    let way = Way::to(&all.each_ref().map(|app| app.address), |cluster| {
        breaker(cluster);
        cluster.outlier_detection.as_mut().unwrap().base_ejection_time = Some(Duration::from_secs(600));
    })
    .await;
    let mut client = way.client().await;
    for _ in 0..20 {
        assert_eq!(ask(&mut client, GET).await.0, 502, "with nobody left it would be 503");
    }
    assert_eq!(way.count("outlier_detection_ejections_active"), 2, "80 % of three is two");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_be_reached_is_ejected_without_costing_a_request() {
    let (gone, well) = (free_address(), Switched::new().await);
    let way = Way::to(&[gone, well.address], |cluster| {
        breaker(cluster);
        cluster.outlier_detection.as_mut().unwrap().base_ejection_time = Some(Duration::from_secs(600));
    })
    .await;
    let mut client = way.client().await;
    for _ in 0..20 {
        assert_eq!(ask(&mut client, GET).await.0, 200);
    }
    assert_eq!(way.count("outlier_detection_ejections_enforced_consecutive_5xx"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tcp_endpoint_that_cannot_be_reached_is_ejected_too() {
    let (gone, well) = (free_address(), Switched::new().await);
    let way = Way::tcp(&[gone, well.address], |cluster| {
        breaker(cluster);
        cluster.outlier_detection.as_mut().unwrap().base_ejection_time = Some(Duration::from_secs(600));
    })
    .await;
    eventually("it is ejected", async || {
        let mut client = way.client().await;
        assert_eq!(ask(&mut client, GET).await.0, 200);
        way.count("outlier_detection_ejections_active") == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_of_our_own_making_are_counted_apart_where_that_is_asked_for() {
    let (sick, well) = (Switched::new().await, Switched::new().await);
    sick.say(503);
    let way = Way::to(&[sick.address, well.address], |cluster| {
        breaker(cluster);
        let outlier = cluster.outlier_detection.as_mut().unwrap();
        outlier.split_external_local_origin_errors = true;
        outlier.consecutive_5xx = Some(0);
        outlier.consecutive_local_origin_failure = Some(2);
        outlier.enforcing_consecutive_local_origin_failure = Some(100);
        outlier.enforcing_local_origin_success_rate = Some(0);
    })
    .await;
    let mut client = way.client().await;
    for _ in 0..20 {
        ask(&mut client, GET).await;
    }
    assert_eq!(sick.seen(), 10, "an answer of 503 is an answer");
    assert_eq!(way.count("outlier_detection_ejections_enforced_total"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_succeeds_far_less_often_than_its_peers_is_ejected_however_short_its_rows_of_failures() {
    let apps: [Switched; 5] = [
        Switched::new().await,
        Switched::new().await,
        Switched::new().await,
        Switched::new().await,
        Switched::new().await,
    ];
    apps[0].say(500);
    let way = Way::to(&apps.each_ref().map(|app| app.address), |cluster| {
        breaker(cluster);
        let outlier = cluster.outlier_detection.as_mut().unwrap();
        outlier.consecutive_5xx = Some(0);
        outlier.enforcing_success_rate = Some(100);
        outlier.interval = Some(Duration::from_secs(2));
        outlier.base_ejection_time = Some(Duration::from_secs(600));
    })
    .await;
    let began = Instant::now();
    // A hundred requests of an interval are enough to be judged by.
    while way.count("outlier_detection_ejections_enforced_success_rate") == 0 {
        assert!(began.elapsed() < Duration::from_secs(20), "nobody is ejected");
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let mut client = way.client().await;
            clients.spawn(async move {
                for _ in 0..25 {
                    ask(&mut client, GET).await;
                }
            });
        }
        clients.join_all().await;
    }
    let seen = apps[0].seen();
    let mut client = way.client().await;
    for _ in 0..20 {
        assert_eq!(ask(&mut client, GET).await.0, 200);
    }
    assert_eq!((apps[0].seen(), way.count("outlier_detection_ejections_active")), (seen, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_of_success_counts_what_ended_within_the_interval_not_what_began() {
    let mut apps = Vec::new();
    for _ in 0..5 {
        let app = Switched::new().await;
        // Longer than the interval, so that no request ends in the one in which it began.
        app.pause.store(900, Ordering::SeqCst);
        apps.push(app);
    }
    apps[0].say(500);
    let addresses: Vec<_> = apps.iter().map(|app| app.address).collect();
    let way = Way::to(&addresses, |cluster| {
        breaker(cluster);
        let outlier = cluster.outlier_detection.as_mut().unwrap();
        outlier.consecutive_5xx = Some(0);
        outlier.enforcing_success_rate = Some(100);
        outlier.interval = Some(Duration::from_millis(500));
        outlier.base_ejection_time = Some(Duration::from_secs(600));
    })
    .await;
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(streams(&way).await);
    }
    // Of a wave that an interval's end falls into neither half may be enough to be judged by: then there is another.
    for _ in 0..12 {
        let wave: Vec<_> = (0..720).map(|n| get(&mut clients[n % 8], "/")).collect();
        for answer in wave {
            answer.await.unwrap();
        }
        if way.count("outlier_detection_ejections_enforced_success_rate") > 0 {
            break;
        }
    }
    eventually("it is ejected", async || way.count("outlier_detection_ejections_active") == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_takes_nobody_in_is_ejected_though_each_request_ends_before_its_connection_would() {
    let deaf = sockets::deaf();
    let well = Switched::new().await;
    let change = |cluster: &mut Cluster| {
        breaker(cluster);
        cluster.connect_timeout = Some(Duration::from_secs(60));
        cluster.outlier_detection.as_mut().unwrap().base_ejection_time = Some(Duration::from_secs(600));
    };
    let limit = Duration::from_millis(50);
    let way = Way::with(&[deaf.address, well.address], change, |m| forward(m).timeout = Some(limit)).await;
    let mut client = way.client().await;
    let (mut lost, mut asked) = (0, 0);
    while way.count("outlier_detection_ejections_active") == 0 {
        asked += 1;
        assert!(asked < 100, "it is asked for ever");
        lost += u32::from(ask(&mut client, GET).await.0 == 504);
    }
    assert_eq!(lost, 3, "as many failures as the rule says");
    for _ in 0..10 {
        assert_eq!(ask(&mut client, GET).await.0, 200);
    }
    assert_eq!(way.count("upstream_cx_connect_fail"), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_refused_before_an_endpoint_was_asked_counts_for_nothing_of_it() {
    let app = Switched::new().await;
    app.pause.store(300, Ordering::SeqCst);
    let way = Way::to(&[app.address], |cluster| super::breakers::limited(cluster, 10, 10, 1)).await;
    let (mut first, mut second) = (way.client().await, way.client().await);
    first.send(GET).await;
    eventually("the first is under way", async || app.seen() == 1).await;
    assert_eq!(ask(&mut second, GET).await.0, 503);
    assert!(first.response().await.0.contains("200"));
    let snapshot = way.sidecar.shared.live.load();
    let view = snapshot.clusters().next().unwrap();
    let totals: u64 = view.endpoints.iter().map(|each| each.state.requests()).sum();
    assert_eq!(totals, 1);
}

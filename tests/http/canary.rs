//! A canary's share, kept as evenly as it can be, and sessions that stay where they are.

use weft_model::http::HttpConnectionManager;
use weft_model::route::{
    HashKey, HashPolicy, HeaderAction, HeaderOperations, HeaderValueOption, Target, WeightedCluster,
};
use weft_testkit::settings;
use weft_testkit::wire::Peer;

use super::{GET, Lone, forward};

/// Routes to v1 and v2 of one host, in which nobody is: the answer says which was meant.
fn weighted(weights: [u32; 2]) -> Target {
    let of = |(name, weight): (&str, u32)| WeightedCluster {
        name: format!("outbound|80|{name}|app"),
        weight,
        headers: HeaderOperations::default(),
        host_rewrite: None,
    };
    Target::Weighted([("v1", weights[0]), ("v2", weights[1])].map(of).into())
}

async fn lone(change: impl FnOnce(&mut HttpConnectionManager)) -> Lone {
    let lone = Lone::with(change, |_| {}).await;
    for name in ["outbound|80|v1|app", "outbound|80|v2|app"] {
        lone.sidecar.apply(&[settings::cluster(name, &[])], &[]).await;
    }
    lone
}

/// Which version a request was for, and the answer's head.
async fn version(client: &mut Peer, more: &str) -> (String, String) {
    client.send(format!("GET / HTTP/1.1\r\nHost: app\r\n{more}\r\n")).await;
    let (head, body) = client.response().await;
    assert!(head.starts_with("http/1.1 503"), "{head}");
    let version = body.split('"').nth(1).unwrap_or_else(|| panic!("{body}"));
    (version.to_owned(), head)
}

#[tokio::test]
async fn a_thousand_in_a_row_are_shared_within_one_percent_though_the_configuration_changes() {
    let lone = lone(|manager| forward(manager).target = weighted([90, 10])).await;
    let mut client = lone.client().await;
    let mut canaries = 0;
    for n in 0..1000 {
        if n % 250 == 0 {
            // The listener comes anew, as when anything in it changes; nobody's turn is lost.
            let routes = settings::routes("", vec![settings::route("r", "/", settings::forward("x"))]);
            let mut manager = settings::manager(false, routes, vec![]);
            forward(&mut manager).target = weighted([90, 10]);
            manager.stat_prefix = n.to_string();
            let raw = weft_model::tls::Transport::Raw;
            let direction = weft_model::listener::Direction::Outbound;
            lone.sidecar.apply(&[], &[settings::http("out", lone.at, direction, raw, manager)]).await;
        }
        canaries += u32::from(version(&mut client, "").await.0 == "v2");
    }
    // Chance alone would be off by ten, and often by more.
    assert!((97..=103).contains(&canaries), "{canaries}");
}

/// A client's share of a long row of requests, several of them on their way at once; which version each was for.
async fn row(mut client: Peer, count: usize) -> Vec<bool> {
    const AT_ONCE: usize = 50;
    let several = GET.repeat(AT_ONCE);
    let mut canaries = Vec::with_capacity(count);
    while canaries.len() < count {
        client.send(&several).await;
        for _ in 0..AT_ONCE {
            canaries.push(client.response().await.1.contains("\"v2\""));
        }
    }
    canaries
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_thousand_in_a_row_are_within_one_percent_and_ten_thousand_of_many_clients_within_half_of_one() {
    let lone = lone(|manager| forward(manager).target = weighted([90, 10])).await;
    let canaries = row(lone.client().await, 3000).await;
    for (from, window) in canaries.windows(1000).enumerate() {
        let count = window.iter().filter(|canary| **canary).count();
        assert!((97..=103).contains(&count), "{count} of the thousand from {from} on");
    }
    // Of both workers, each of which takes its own turns.
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..8 {
        clients.spawn(row(lone.client().await, 1250));
    }
    let canaries: Vec<bool> = clients.join_all().await.concat();
    let count = canaries.iter().filter(|canary| **canary).count();
    assert!((995..=1005).contains(&count), "{count} of {}", canaries.len());
}

#[tokio::test]
async fn a_user_stays_on_the_version_that_his_header_leads_to() {
    let lone = lone(|manager| {
        let to = forward(manager);
        to.target = weighted([50, 50]);
        to.sticky = true;
        to.hash = vec![HashPolicy { key: HashKey::Header("x-user".into()), terminal: true }];
    })
    .await;
    let mut client = lone.client().await;
    let mut seen = [0; 2];
    for user in 0..40 {
        let header = format!("X-User: {user}\r\n");
        let (first, _) = version(&mut client, &header).await;
        for _ in 0..3 {
            assert_eq!(version(&mut client, &header).await.0, first);
        }
        seen[usize::from(first == "v2")] += 1;
    }
    assert!(seen.iter().all(|count| *count > 5), "{seen:?}");
}

#[tokio::test]
async fn a_subset_without_pods_and_one_that_nobody_defines_are_told_apart() {
    let lone = lone(|manager| forward(manager).target = Target::Cluster("outbound|80|v2|app".into())).await;
    let mut client = lone.client().await;
    client.send(GET).await;
    let (head, body) = client.response().await;
    assert!(head.starts_with("http/1.1 503"), "{head}");
    assert_eq!(
        body,
        "no healthy upstream: no pod of app has the labels of subset \"v2\" (pods that take requests: 1)"
    );
    let missing = |m: &mut HttpConnectionManager| {
        forward(m).target = Target::Cluster("outbound|80|v9|app".into());
    };
    let lone = Lone::with(missing, |_| {}).await;
    let mut client = lone.client().await;
    client.send(GET).await;
    let (_, body) = client.response().await;
    assert!(body.contains("subset \"v9\" of app, which no DestinationRule defines"), "{body}");
}

#[tokio::test]
async fn a_session_gets_its_cookie_with_the_first_answer_and_stays_on_that_version() {
    let change = |manager: &mut HttpConnectionManager| {
        let to = forward(manager);
        let version = |name: &str| {
            let said = HeaderValueOption {
                name: "x-version".into(),
                value: name.into(),
                action: HeaderAction::Overwrite,
            };
            let headers = HeaderOperations { response_set: vec![said], ..HeaderOperations::default() };
            WeightedCluster { name: "outbound|80||app".into(), weight: 50, headers, host_rewrite: None }
        };
        to.target = Target::Weighted(vec![version("v1"), version("v2")]);
        to.sticky = true;
        let ttl = Some(std::time::Duration::from_secs(60));
        let key = HashKey::Cookie { name: "s".into(), ttl, path: "/".into(), attributes: Vec::new() };
        to.hash = vec![HashPolicy { key, terminal: true }];
    };
    let lone = Lone::with(change, |_| {}).await;
    let (mut client, mut app, _) = lone.asked(GET).await;
    for _ in 0..10 {
        app.send(super::OK).await;
        let (first, _) = client.response().await;
        let cookie = super::headers::value(&first, "set-cookie").split(';').next().unwrap().to_owned();
        let version = super::headers::value(&first, "x-version").to_owned();
        for _ in 0..5 {
            client.send(format!("GET / HTTP/1.1\r\nHost: app\r\nCookie: {cookie}\r\n\r\n")).await;
            app.head().await;
            app.send(super::OK).await;
            let (again, _) = client.response().await;
            assert_eq!(super::headers::value(&again, "x-version"), version);
            assert!(!again.contains("set-cookie"), "{again}");
        }
        client.send(GET).await;
        app.head().await;
    }
}

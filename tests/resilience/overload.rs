//! A proxy that is about to grow too large refuses new work, and takes it again when there is room.

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use weft_model::listener::Direction;
use weft_model::route::RetryPolicy;
use weft_model::tls::Transport;
use weft_policy::ceiling;
use weft_testkit::app::Switched;
use weft_testkit::wire::{End, Peer, Puppet};
use weft_testkit::{eventually, free_address, settings};

use super::breakers::limited;
use super::{GET, Way, ask, forward, memory};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_has_no_more_under_way_than_its_own_sidecar_lets_in() {
    const OWN: &str = "inbound|80||";
    let (app, at) = (Puppet::new().await, free_address());
    let mut cluster = settings::cluster(OWN, &[app.address]);
    limited(&mut cluster, 1, 1, 1);
    let routes = settings::routes("", vec![settings::route("r", "/", settings::forward(OWN))]);
    let manager = settings::manager(false, routes, vec![]);
    let listener = settings::http("in", at, Direction::Inbound, Transport::Raw, manager);
    let way = Way::behind(listener, at, cluster).await;
    let mut busy = way.client().await;
    busy.send(GET).await;
    let mut served = app.accept().await;
    served.head().await;
    let (status, head, _) = ask(&mut way.client().await, GET).await;
    assert_eq!(status, 503);
    assert!(head.contains("x-envoy-overloaded: true"), "{head}");
    assert!(app.is_left_alone().await, "the app was troubled");
    served.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(busy.response().await.1, "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn above_its_ceiling_of_memory_a_proxy_refuses_requests_and_says_why() {
    let app = Switched::new().await;
    let way = Way::to(&[app.address], |_| {}).await;
    let mut client = way.client().await;
    assert_eq!(ask(&mut client, GET).await.0, 200);
    way.sidecar.shared.overload.set_limit(1);
    let (status, head, body) = ask(&mut client, GET).await;
    assert_eq!((status, body.as_str()), (503, "envoy overloaded"));
    assert!(head.contains("x-envoy-overloaded: true"), "{head}");
    assert_eq!(app.seen(), 1);
    way.sidecar.shared.overload.set_limit(u64::MAX);
    assert_eq!(ask(&mut client, GET).await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn above_its_ceiling_of_memory_a_proxy_takes_no_tcp_connections() {
    let app = Switched::new().await;
    let way = Way::tcp(&[app.address], |_| {}).await;
    way.sidecar.shared.overload.set_limit(1);
    assert_eq!(way.client().await.end().await.0, "");
    way.sidecar.shared.overload.set_limit(u64::MAX);
    assert_eq!(ask(&mut way.client().await, GET).await.0, 200);
}

/// Those of them that nobody has closed.
fn open(clients: Vec<Peer>) -> Vec<Peer> {
    let is_open = |client: &mut Peer| {
        client.socket().try_read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    };
    clients.into_iter().filter_map(|mut client| is_open(&mut client).then_some(client)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn above_its_ceiling_of_memory_a_proxy_holds_few_of_the_connections_that_come_and_keeps_none() {
    const FEW: usize = 64;
    let app = Switched::new().await;
    let way = Way::to(&[app.address], |_| {}).await;
    let mut before = way.client().await;
    assert_eq!(ask(&mut before, GET).await.0, 200);
    way.sidecar.shared.overload.set_limit(1);
    let mut clients = Vec::new();
    for _ in 0..FEW + 16 {
        clients.push(way.client().await);
    }
    eventually("no more than a few are held", async || {
        clients = open(std::mem::take(&mut clients));
        clients.len() <= FEW
    })
    .await;
    assert!(!clients.is_empty(), "nobody is told why");
    for mut client in clients {
        client.send(GET).await;
        let (answer, end) = client.end().await;
        assert!(answer.starts_with("HTTP/1.1 503") && answer.ends_with("envoy overloaded"), "{answer}");
        assert!(answer.to_ascii_lowercase().contains("connection: close") && end == End::Closed, "{answer}");
    }
    // Who was there before is not sent away, and has what he wants again once there is room.
    assert_eq!(ask(&mut before, GET).await.0, 503);
    way.sidecar.shared.overload.set_limit(u64::MAX);
    assert_eq!(ask(&mut before, GET).await.0, 200);
    let mut after = way.client().await;
    for _ in 0..2 {
        assert_eq!(ask(&mut after, GET).await.0, 200);
    }
}

/// An app that reads what comes, counts it, and answers when it is told to.
async fn patient(body: usize) -> (SocketAddr, watch::Receiver<usize>, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let ((whole, seen), (go, gone)) = (watch::channel(0), watch::channel(false));
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (whole, mut gone) = (whole.clone(), gone.clone());
            tokio::spawn(async move {
                let (mut piece, mut bytes) = ([0; 2048], 0);
                while bytes < body {
                    match socket.read(&mut piece).await {
                        Ok(n) if n > 0 => bytes += n,
                        _ => return,
                    }
                }
                whole.send_modify(|n| *n += 1);
                let _ = gone.wait_for(|go| *go).await;
                let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            });
        }
    });
    (address, seen, go)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_fills_the_memory_is_refused_before_the_ceiling_is_passed_and_what_was_taken_goes_on() {
    const BODY: usize = 60 * 1024;
    const ROOM: u64 = 16 * 1024 * 1024;
    let (app, mut seen, go) = patient(BODY).await;
    // Under a retry policy each body is kept, as long as its request lasts.
    let retry = RetryPolicy { retry_on: "5xx".into(), num_retries: Some(1), ..RetryPolicy::default() };
    let way = Way::with(&[app], |_| {}, |manager| forward(manager).retry = Some(retry)).await;
    let limit = (memory::resident() + ROOM) / ceiling::CLOSE_AT * 100;
    way.sidecar.shared.overload.set_limit(limit);
    assert!(!way.sidecar.shared.overload.is_full(), "there is room");
    let request =
        format!("POST / HTTP/1.1\r\nHost: app\r\nContent-Length: {BODY}\r\n\r\n{}", "x".repeat(BODY));
    let (mut taken, mut refused) = (Vec::new(), 0);
    while refused < 20 {
        let mut client = way.client().await;
        client.send(&request).await;
        let before = taken.len();
        tokio::select! {
            _ = seen.wait_for(|seen| *seen > before) => taken.push(client),
            (head, body) = client.response() => {
                assert!(head.starts_with("http/1.1 503") && body == "envoy overloaded", "{head}{body}");
                refused += 1;
            }
        }
        assert!(taken.len() < 4 * (ROOM as usize) / BODY, "it takes whatever comes");
    }
    let (used, bound) = (memory::resident(), ceiling::bound(limit, 2));
    println!("{} taken, then refused at {} of {} KiB", taken.len(), used / 1024, bound / 1024);
    assert!(taken.len() > 20, "only {} are taken", taken.len());
    assert!(used <= bound, "{} of {} KiB are used", used / 1024, bound / 1024);
    let count = way.sidecar.metrics();
    let counted = count.lines().find_map(|line| line.strip_prefix("weft_overload_refused_total "));
    assert!(counted.is_some_and(|n| n.parse::<u64>().unwrap() >= refused), "{counted:?}");
    go.send_replace(true);
    for mut client in taken {
        assert_eq!(client.response().await.1, "ok");
    }
    eventually("nothing is in flight", async || way.count("upstream_rq_active") == 0).await;
}

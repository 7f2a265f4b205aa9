//! No more of a cluster is under way than may be; what is beyond waits its turn, or is refused and told why.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use weft_model::cluster::{CircuitBreakers, Cluster, UpstreamProtocol};
use weft_testkit::app::Switched;
use weft_testkit::eventually;
use weft_testkit::wire::{Peer, Puppet};

use super::{GET, Way, ask, forward};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const OVERFLOW: &str = "upstream connect error or disconnect/reset before headers. reset reason: overflow";

pub(super) fn limited(cluster: &mut Cluster, connections: u32, pending: u32, requests: u32) {
    cluster.circuit_breakers = CircuitBreakers {
        max_connections: Some(connections),
        max_pending_requests: Some(pending),
        max_requests: Some(requests),
        max_retries: Some(u32::MAX),
        ..CircuitBreakers::default()
    };
}

/// A client whose requests all are one worker's.
pub(super) async fn streams(way: &Way) -> SendRequest<Bytes> {
    let (send, connection) = h2::client::handshake(TcpStream::connect(way.at).await.unwrap()).await.unwrap();
    tokio::spawn(connection);
    send
}

pub(super) fn get(send: &mut SendRequest<Bytes>, path: &str) -> h2::client::ResponseFuture {
    let request = http::Request::builder().uri(format!("http://app{path}")).body(()).unwrap();
    send.send_request(request, true).unwrap().0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_beyond_the_limit_is_refused_as_envoy_refuses_it_and_room_is_made_by_an_answer() {
    let app = Puppet::new().await;
    let way = Way::to(&[app.address], |cluster| limited(cluster, 10, 10, 2)).await;
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut client = way.client().await;
        client.send(GET).await;
        let mut served = app.accept().await;
        served.head().await;
        busy.push((client, served));
    }
    let mut third = way.client().await;
    let (status, head, body) = ask(&mut third, GET).await;
    assert_eq!((status, body.as_str()), (503, OVERFLOW));
    assert!(head.contains("x-envoy-overloaded: true") && head.contains("\r\ndate: "), "{head}");
    assert_eq!(way.count("upstream_rq_active"), 2);
    assert_eq!(way.count("upstream_rq_active_overflow"), 1);
    let (client, served) = &mut busy[0];
    served.send(OK).await;
    client.response().await;
    let mut again = way.client().await;
    again.send(GET).await;
    eventually("there is room again", async || way.count("upstream_rq_active") == 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_finds_all_connections_in_use_waits_and_who_finds_too_many_waiting_is_refused() {
    let app = Puppet::new().await;
    let way = Way::to(&[app.address], |cluster| limited(cluster, 1, 1, 10)).await;
    // All of them are streams of one client, and so one worker's.
    let mut client = streams(&way).await;
    let first = get(&mut client, "/first");
    let mut served = app.accept().await;
    served.head().await;
    let second = get(&mut client, "/second");
    eventually("the second waits", async || way.count("upstream_rq_pending_active") == 1).await;
    let refused = get(&mut client, "/third").await.unwrap();
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["x-envoy-overloaded"], "true");
    assert!(app.is_left_alone().await, "a second connection was made");
    served.send(OK).await;
    assert_eq!(first.await.unwrap().status(), 200);
    assert!(served.head().await.starts_with("GET /second "), "the connection is used again");
    served.send(OK).await;
    assert_eq!(second.await.unwrap().status(), 200);
    assert_eq!(way.count("upstream_cx_active"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_of_both_workers_share_few_connections_and_all_are_served() {
    let apps = [Switched::new().await, Switched::new().await];
    apps.iter().for_each(|app| app.pause.store(3, Ordering::SeqCst));
    let way = Way::to(&apps.each_ref().map(|app| app.address), |cluster| {
        limited(cluster, 3, u32::MAX, u32::MAX);
    })
    .await;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let mut client = way.client().await;
        clients.spawn(async move {
            for _ in 0..15 {
                assert_eq!(ask(&mut client, GET).await.0, 200);
            }
        });
    }
    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }
    let peak: u32 = apps.iter().map(|app| app.peak.load(Ordering::SeqCst)).max().unwrap();
    assert!(peak <= 3, "{peak} requests at once on three connections");
    assert_eq!(apps.iter().map(Switched::seen).sum::<u32>(), 12 * 15);
    assert!(way.count("upstream_cx_active") <= 3);
    eventually("nothing is under way any more", async || {
        way.count("upstream_rq_active") + way.count("upstream_rq_pending_active") == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_that_is_lowered_under_load_or_while_all_rest_holds_for_connections_that_are_there() {
    let app = Switched::new().await;
    app.pause.store(5, Ordering::SeqCst);
    let change = |cluster: &mut Cluster| limited(cluster, 10, u32::MAX, u32::MAX);
    let way = Way::to(&[app.address], change).await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(way.client().await);
    }
    let (done, _) = tokio::sync::watch::channel(false);
    let load = |mut clients: Vec<Peer>| {
        let mut all = tokio::task::JoinSet::new();
        while let Some(mut client) = clients.pop() {
            let done = done.subscribe();
            all.spawn(async move {
                while !*done.borrow() {
                    assert_eq!(ask(&mut client, GET).await.0, 200);
                }
                client
            });
        }
        all
    };
    let all = load(clients);
    eventually("all are busy", async || way.count("upstream_cx_active") == 10).await;
    let mut lowered = way.cluster.clone();
    limited(&mut lowered, 2, u32::MAX, u32::MAX);
    way.sidecar.apply(std::slice::from_ref(&lowered), &[]).await;
    eventually("the surplus is gone", async || way.count("upstream_cx_active") == 2).await;
    done.send_replace(true);
    let clients = all.join_all().await;
    assert_eq!(clients.len(), 10, "nobody was refused");
    // Two rest, of which one is to go.
    limited(&mut lowered, 1, u32::MAX, u32::MAX);
    way.sidecar.apply(&[lowered], &[]).await;
    eventually("one is left", async || way.count("upstream_cx_active") == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_came_first_is_served_first() {
    let app = Puppet::new().await;
    let way = Way::to(&[app.address], |cluster| limited(cluster, 1, 10, 2)).await;
    let mut client = streams(&way).await;
    let mut answers = Vec::new();
    for n in 0..4_u64 {
        answers.push(get(&mut client, &format!("/{n}")));
        eventually("it waits", async || way.count("upstream_rq_pending_active") == n.max(1) || n == 0).await;
    }
    eventually("who waits is none of those in flight", async || way.count("upstream_rq_active") == 1).await;
    let mut served = app.accept().await;
    for (n, answer) in answers.into_iter().enumerate() {
        assert!(served.head().await.starts_with(&format!("GET /{n} ")));
        served.send(OK).await;
        assert_eq!(answer.await.unwrap().status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_waits_no_longer_than_the_request_may_take_and_leaves_no_trace() {
    let app = Puppet::new().await;
    let change = |cluster: &mut Cluster| limited(cluster, 1, 10, 10);
    let way =
        Way::with(&[app.address], change, |m| forward(m).timeout = Some(Duration::from_millis(80))).await;
    // Something that is on its way keeps the only connection.
    let mut first = way.client().await;
    first.send("POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 5\r\n\r\nab").await;
    let mut served = app.accept().await;
    served.until("ab").await;
    let mut second = way.client().await;
    let (status, _, body) = ask(&mut second, GET).await;
    assert_eq!((status, body.as_str()), (504, "upstream request timeout"));
    assert_eq!(way.count("upstream_rq_pending_active"), 0);
    first.send("cde").await;
    served.send(OK).await;
    assert_eq!(first.response().await.1, "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_sends_while_it_waits_arrives_whole_and_who_goes_away_leaves_his_place_to_the_next() {
    let app = Puppet::new().await;
    let way = Way::to(&[app.address], |cluster| limited(cluster, 1, 10, 10)).await;
    let (mut first, mut served) = loop {
        eventually("nobody is there", async || way.sidecar.active() == [0, 0]).await;
        let mut first = way.client().await;
        first.send(GET).await;
        let mut served = app.accept().await;
        served.head().await;
        // Where one that looked whether somebody listens was still there, it is the second worker's.
        if way.sidecar.active() == [1, 0] {
            break (first, served);
        }
        served.send(OK).await;
        first.response().await;
    };
    let waiting = async |n| {
        eventually("so many wait", async || way.count("upstream_rq_pending_active") == n).await;
    };
    // More than is taken before there is a connection, and less.
    for length in [200_000, 5] {
        // Then who is next comes to the worker of who is served, which accepts.
        eventually("nobody else is there", async || way.sidecar.active() == [1, 0]).await;
        let body = "abcdefghij".repeat(length)[..length].to_owned();
        let mut gone = way.client().await;
        gone.send("PUT / HTTP/1.1\r\nHost: app\r\nContent-Length: 5\r\n\r\nhello").await;
        waiting(1).await;
        let mut next = way.client().await;
        next.send(format!("POST / HTTP/1.1\r\nHost: app\r\nContent-Length: {length}\r\n\r\n{body}")).await;
        waiting(2).await;
        gone.break_off();
        waiting(1).await;
        served.send(OK).await;
        first.response().await;
        assert!(served.head().await.starts_with("POST "), "who went away is served");
        assert!(served.exactly(length).await == body, "another body of {length} bytes");
        assert_eq!(way.count("upstream_rq_pending_active"), 0);
        first = next;
    }
    served.send(OK).await;
    first.response().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_of_http2_wait_for_each_other_where_one_connection_may_carry_one() {
    let app = Switched::new().await;
    app.pause.store(10, Ordering::SeqCst);
    let way = Way::to(&[app.address], |cluster| {
        limited(cluster, 1, 10, 10);
        cluster.http.protocol = UpstreamProtocol::Http2;
        cluster.http.max_concurrent_streams = Some(1);
    })
    .await;
    let mut client = streams(&way).await;
    let answers: Vec<_> = (0..5).map(|_| get(&mut client, "/")).collect();
    for answer in answers {
        assert_eq!(answer.await.unwrap().status(), 200);
    }
    assert_eq!((app.seen(), app.peak.load(Ordering::SeqCst)), (5, 1));
    assert_eq!(way.count("upstream_cx_active"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tcp_connections_beyond_the_limit_are_closed_at_once() {
    let app = Switched::new().await;
    let way = Way::tcp(&[app.address], |cluster| limited(cluster, 1, 10, 10)).await;
    // Whoever looked whether the port is open may still be there.
    let mut first = None;
    eventually("the first is let through", async || {
        first = served(&way).await;
        first.is_some()
    })
    .await;
    assert!(served(&way).await.is_none(), "a second is let through");
    assert!(way.count("upstream_cx_overflow") >= 1);
    assert_eq!(way.count("upstream_cx_active"), 1);
    drop(first);
    eventually("there is room again", async || served(&way).await.is_some()).await;
}

/// A connection on which a request was answered; `None` if it was closed instead.
pub(super) async fn served(way: &Way) -> Option<TcpStream> {
    let mut socket = TcpStream::connect(way.at).await.unwrap();
    socket.write_all(GET.as_bytes()).await.ok()?;
    let mut first = [0; 12];
    socket.read_exact(&mut first).await.ok()?;
    (&first == b"HTTP/1.1 200").then_some(socket)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_limit_counts_for_those_who_wait_already() {
    let app = Puppet::new().await;
    let way = Way::to(&[app.address], |cluster| limited(cluster, 1, 10, 10)).await;
    let (mut first, mut second): (Peer, Peer) = (way.client().await, way.client().await);
    first.send(GET).await;
    let mut one = app.accept().await;
    one.head().await;
    second.send(GET).await;
    eventually("the second waits", async || way.count("upstream_rq_pending_active") == 1).await;
    let mut wider = way.cluster.clone();
    limited(&mut wider, 2, 10, 10);
    way.sidecar.apply(&[wider], &[]).await;
    let mut other = app.accept().await;
    other.head().await;
    other.send(OK).await;
    assert_eq!(second.response().await.1, "ok");
    one.send(OK).await;
    assert_eq!(first.response().await.1, "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_is_not_kept_waiting_by_the_only_connection_of_another_where_requests_share_one() {
    let app = Switched::new().await;
    app.pause.store(20_000, Ordering::SeqCst);
    let way = Way::to(&[app.address], |cluster| {
        limited(cluster, 1, 10, 10);
        cluster.http.protocol = UpstreamProtocol::Http2;
    })
    .await;
    let mut first = way.client().await;
    first.send(GET).await;
    eventually("a long request is under way", async || app.seen() == 1).await;
    app.pause.store(0, Ordering::SeqCst);
    // Connections are given to both workers.
    let mut others = Vec::new();
    for _ in 0..4 {
        others.push(way.client().await);
    }
    for other in &mut others {
        let answered = tokio::time::timeout(Duration::from_secs(10), ask(other, GET)).await;
        assert_eq!(answered.expect("it waits for the other worker's connection").0, 200);
    }
    assert_eq!(way.count("upstream_cx_active"), 2, "one each, though but one may be");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_goes_to_the_connection_that_has_room_though_another_endpoint_was_its_turn() {
    let (one, other) = (Switched::new().await, Switched::new().await);
    for app in [&one, &other] {
        app.pause.store(20_000, Ordering::SeqCst);
    }
    let way = Way::to(&[one.address, other.address], |cluster| {
        limited(cluster, 1, 10, 10);
        cluster.http.protocol = UpstreamProtocol::Http2;
    })
    .await;
    let mut client = streams(&way).await;
    let _long = get(&mut client, "/long");
    eventually("a long request is under way", async || one.seen() + other.seen() == 1).await;
    for app in [&one, &other] {
        app.pause.store(0, Ordering::SeqCst);
    }
    for _ in 0..4 {
        let answer = tokio::time::timeout(Duration::from_secs(10), get(&mut client, "/")).await;
        assert_eq!(answer.expect("it waits beside a connection with room").unwrap().status(), 200);
    }
    assert_eq!(way.count("upstream_cx_active"), 1);
}

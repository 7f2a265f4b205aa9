//! Connections to endpoints: shared where they can be, given up before they fail anybody, and never left behind.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use weft_model::cluster::{Cluster, TcpKeepalive, UpstreamProtocol};
use weft_model::listener::{Direction, NetworkFilter, TcpProxy};
use weft_model::tls::Transport;
use weft_testkit::app::Switched;
use weft_testkit::wire::{End, Peer, Puppet};
use weft_testkit::{eventually, free_address, settings};

use super::breakers::{get, streams};
use super::unread::pour;
use super::{GET, NAME, Way, ask, sockets};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const OK_FOR_2_S: &str = "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=2, max=2\r\nContent-Length: 2\r\n\r\nok";

/// An app that is led by hand, the way to it, and a client.
async fn opened(change: impl FnOnce(&mut Cluster)) -> (Puppet, Way, Peer) {
    let app = Puppet::new().await;
    let way = Way::to(&[app.address], change).await;
    let client = way.client().await;
    (app, way, client)
}

/// The connection that the app gets for a request that was sent, on which it has given one answer, and when it did.
async fn answered(app: &Puppet, client: &mut Peer, answer: &str) -> (Peer, Instant) {
    let mut served = app.accept().await;
    served.head().await;
    let at = Instant::now();
    served.send(answer).await;
    client.response().await;
    (served, at)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_given_up_before_the_time_that_its_server_states() {
    let (app, way, mut client) = opened(|_| {}).await;
    client.send(GET).await;
    let (mut served, at) = answered(&app, &mut client, OK_FOR_2_S).await;
    assert_eq!(served.end().await, (String::new(), End::Closed));
    let kept = at.elapsed();
    assert!(kept >= Duration::from_secs(1) && kept < Duration::from_secs(2), "it was kept for {kept:?}");
    eventually("it counts no more", async || way.count("upstream_cx_active") == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_carries_no_more_requests_than_its_server_says() {
    let (app, _way, mut client) = opened(|_| {}).await;
    client.send(GET).await;
    let mut served = app.accept().await;
    for answer in [OK_FOR_2_S, OK, OK] {
        served.head().await;
        served.send(answer).await;
        client.response().await;
        client.send(GET).await;
    }
    // The first and two more; the fourth comes on a connection of its own.
    app.accept().await.head().await;
    assert_eq!(served.end().await.1, End::Closed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_carries_no_more_requests_than_the_cluster_says() {
    let (app, _way, mut client) = opened(|cluster| cluster.http.max_requests_per_connection = Some(2)).await;
    for _ in 0..3 {
        client.send(GET).await;
        let (mut served, _) = answered(&app, &mut client, OK).await;
        client.send(GET).await;
        served.head().await;
        served.send(OK).await;
        client.response().await;
        assert_eq!(served.end().await.1, End::Closed);
    }
    assert!(app.is_left_alone().await, "there was a connection more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_says_nothing_is_known_by_when_it_has_closed_before() {
    let patience = Duration::from_secs(1);
    let (app, _way, mut client) = opened(|_| {}).await;
    client.send(GET).await;
    for _ in 0..2 {
        let (mut served, _) = answered(&app, &mut client, OK).await;
        // As a server does that waits so long for the next request.
        let next = tokio::time::timeout(patience, served.head()).await;
        assert!(next.is_err(), "{next:?}");
        drop(served);
        client.send(GET).await;
    }
    let (mut served, at) = answered(&app, &mut client, OK).await;
    assert_eq!(served.end().await.1, End::Closed);
    let kept = at.elapsed();
    assert!(kept < patience, "the server would have closed it after {kept:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_meets_no_connection_that_was_closed_while_it_was_idle() {
    let (app, way, mut client) = opened(|_| {}).await;
    client.send(GET).await;
    for request in [GET, "POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 0\r\n\r\n", GET] {
        drop(answered(&app, &mut client, OK).await);
        eventually("its end is noticed", async || way.count("upstream_cx_active") == 0).await;
        client.send(request).await;
    }
    let mut served = app.accept().await;
    served.head().await;
    served.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_is_closed_when_the_cluster_wants_it_to() {
    let limit = Duration::from_millis(700);
    let (app, _way, mut client) = opened(|cluster| cluster.http.idle_timeout = Some(limit)).await;
    client.send(GET).await;
    let (mut served, at) = answered(&app, &mut client, OK).await;
    assert_eq!(served.end().await.1, End::Closed);
    assert!(at.elapsed() >= limit);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_lives_no_longer_than_it_may_but_ends_no_request() {
    let life = Duration::from_millis(600);
    let (app, _way, mut client) = opened(|cluster| cluster.http.max_connection_duration = Some(life)).await;
    let began = Instant::now();
    client.send(GET).await;
    let (mut served, _) = answered(&app, &mut client, OK).await;
    assert_eq!(served.end().await.1, End::Closed);
    assert!(began.elapsed() >= life, "it was closed after {:?}", began.elapsed());
    client.send(GET).await;
    let mut served = app.accept().await;
    served.head().await;
    // It takes longer than the connection may live.
    assert!(tokio::time::timeout(2 * life, served.head()).await.is_err());
    served.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
    assert_eq!(served.end().await.1, End::Closed);
}

fn over_http2(cluster: &mut Cluster) {
    cluster.http.protocol = UpstreamProtocol::Http2;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_requests_that_come_at_once_share_one_http2_connection() {
    let app = Switched::new().await;
    app.pause.store(100, Ordering::SeqCst);
    let way = Way::to(&[app.address], over_http2).await;
    let mut client = streams(&way).await;
    let answers: Vec<_> = (0..40).map(|_| get(&mut client, "/")).collect();
    for answer in answers {
        assert_eq!(answer.await.unwrap().status(), 200);
    }
    assert_eq!(app.peak.load(Ordering::SeqCst), 40, "they waited for each other");
    assert_eq!(way.count("upstream_cx_active"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_one_connection_is_not_enough_there_are_more() {
    let app = Switched::new().await;
    app.pause.store(100, Ordering::SeqCst);
    let way = Way::to(&[app.address], |cluster| {
        over_http2(cluster);
        cluster.http.max_concurrent_streams = Some(10);
    })
    .await;
    let mut client = streams(&way).await;
    let answers: Vec<_> = (0..40).map(|_| get(&mut client, "/")).collect();
    for answer in answers {
        assert_eq!(answer.await.unwrap().status(), 200);
    }
    assert_eq!(app.peak.load(Ordering::SeqCst), 40);
    assert_eq!(way.count("upstream_cx_active"), 4, "ten streams each");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_cannot_be_made_fails_all_who_wait_for_it_at_once() {
    let gone = free_address();
    let way = Way::to(&[gone], over_http2).await;
    let mut client = streams(&way).await;
    let answers: Vec<_> = (0..20).map(|_| get(&mut client, "/")).collect();
    for answer in answers {
        assert_eq!(answer.await.unwrap().status(), 503);
    }
    let tried = way.count("upstream_cx_connect_fail");
    assert!((1..20).contains(&tried), "{tried} connections were tried for 20 requests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_makes_a_connection_and_goes_away_leaves_it_to_the_others() {
    let deaf = sockets::deaf();
    let way = Way::to(&[deaf.address], |cluster| {
        over_http2(cluster);
        cluster.connect_timeout = Some(Duration::from_secs(60));
    })
    .await;
    let mut client = streams(&way).await;
    let first = get(&mut client, "/");
    let waiting = async |n: u64| {
        eventually("so many wait", async || way.count("upstream_rq_pending_active") == n).await;
        assert_eq!(way.count("upstream_cx_active"), n.min(1), "one connection is being made for all");
    };
    waiting(1).await;
    let others: Vec<_> = (0..3).map(|_| get(&mut client, "/")).collect();
    waiting(4).await;
    drop(first);
    waiting(3).await;
    drop(others);
    waiting(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_http1_share_connections_where_the_upstream_is_upgraded_to_http2() {
    let app = Switched::new().await;
    app.pause.store(100, Ordering::SeqCst);
    let way = Way::to(&[app.address], over_http2).await;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let mut client = way.client().await;
        clients.spawn(async move { assert_eq!(ask(&mut client, GET).await.0, 200) });
    }
    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }
    let open = way.count("upstream_cx_active");
    assert!((1..=2).contains(&open), "{open} connections, of one worker each");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_of_keep_alive_are_the_kernels_where_a_cluster_asks_for_them() {
    for wanted in [None, Some(7)] {
        let keepalive = |seconds| TcpKeepalive {
            time: Some(Duration::from_secs(seconds)),
            interval: Some(Duration::from_secs(5)),
            probes: Some(3),
        };
        let (app, _way, mut client) = opened(|cluster| cluster.tcp_keepalive = wanted.map(keepalive)).await;
        client.send(GET).await;
        let _served = answered(&app, &mut client, OK).await;
        let timer = sockets::keepalive_timer(app.address).expect("the connection is open");
        match wanted {
            None => assert_eq!(timer, None, "nobody asked for probes"),
            Some(seconds) => {
                let left = timer.expect("probes were asked for");
                assert!(left <= Duration::from_secs(seconds), "the first is due in {left:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_takes_no_connection_in_time_costs_that_time_and_no_request() {
    let deaf = sockets::deaf();
    let well = Switched::new().await;
    let limit = Duration::from_millis(150);
    let way = Way::to(&[deaf.address, well.address], |cluster| cluster.connect_timeout = Some(limit)).await;
    let mut client = way.client().await;
    let began = Instant::now();
    for _ in 0..2 {
        assert_eq!(ask(&mut client, GET).await.0, 200);
    }
    assert!(began.elapsed() >= limit, "nobody was waited for");
    let alone = Way::to(&[deaf.address], |cluster| cluster.connect_timeout = Some(limit)).await;
    let (status, _, body) = ask(&mut alone.client().await, GET).await;
    assert_eq!(status, 503);
    assert!(body.ends_with("reset reason: connection timeout"), "{body}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tcp_connection_on_which_nothing_moves_is_closed_in_time_and_one_in_use_is_not() {
    let app = Switched::new().await;
    let at = free_address();
    let mut listener = settings::tcp("out", at, Direction::Outbound, Transport::Raw, vec![], NAME);
    let limit = Duration::from_millis(400);
    let clusters = vec![(NAME.to_owned(), 1)];
    listener.filter_chains[0].filters = vec![NetworkFilter::TcpProxy(TcpProxy {
        clusters,
        idle_timeout: Some(limit),
        ..TcpProxy::default()
    })];
    let way = Way::behind(listener, at, settings::cluster(NAME, &[app.address])).await;
    let mut client = way.client().await;
    let began = Instant::now();
    let mut last = began;
    while began.elapsed() < 2 * limit {
        // Before it is asked: its answer is with the proxy earlier than with the client.
        last = Instant::now();
        assert_eq!(ask(&mut client, GET).await.0, 200);
        tokio::time::sleep(limit / 8).await;
    }
    assert_eq!(client.end().await.1, End::Closed);
    assert!(last.elapsed() >= limit);
    eventually("nothing is open", async || way.count("upstream_cx_active") == 0).await;
}

/// An app that speaks HTTP/2, and counts its connections.
async fn counting() -> (SocketAddr, Arc<AtomicU32>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::<AtomicU32>::default());
    let own = count.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            own.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(socket).await?;
                while let Some(request) = connection.accept().await {
                    request?.1.send_response(http::Response::new(()), true)?;
                }
                Ok::<(), h2::Error>(())
            });
        }
    });
    (address, count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shared_connection_serves_nobody_after_its_idle_time_and_no_more_than_it_may() {
    let (address, connections) = counting().await;
    let limit = Duration::from_secs(1);
    let way = Way::to(&[address], |cluster| {
        over_http2(cluster);
        cluster.http.idle_timeout = Some(limit);
        cluster.http.max_requests_per_connection = Some(3);
    })
    .await;
    let mut client = streams(&way).await;
    let mut ask = async || assert_eq!(get(&mut client, "/").await.unwrap().status(), 200);
    ask().await;
    ask().await;
    let before = connections.load(Ordering::SeqCst);
    // Nothing tells of it from outside: whoever sweeps comes every few seconds.
    tokio::time::sleep(limit).await;
    ask().await;
    assert_eq!((before, connections.load(Ordering::SeqCst)), (1, 2));
    for _ in 0..3 {
        ask().await;
    }
    assert_eq!(connections.load(Ordering::SeqCst), 3, "the fourth has one of its own");
}

/// An app of HTTP/2 that counts its connections. It answers nothing on the first of them if that is `deaf`, and nowhere what
/// asks for `/slow`.
async fn partly(deaf: bool) -> (SocketAddr, Arc<AtomicU32>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::<AtomicU32>::default());
    let own = count.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let deaf = own.fetch_add(1, Ordering::SeqCst) == 0 && deaf;
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(socket).await?;
                let mut unanswered = Vec::new();
                while let Some(request) = connection.accept().await {
                    let (request, mut respond) = request?;
                    if deaf || request.uri().path() == "/slow" {
                        unanswered.push(respond);
                    } else {
                        respond.send_response(http::Response::new(()), true)?;
                    }
                }
                Ok::<(), h2::Error>(())
            });
        }
    });
    (address, count)
}

fn in_time(manager: &mut weft_model::http::HttpConnectionManager) {
    super::forward(manager).timeout = Some(Duration::from_millis(400));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shared_connection_that_leads_nowhere_costs_those_who_are_on_it_and_nobody_who_comes_later() {
    let (address, connections) = partly(true).await;
    let way = Way::with(&[address], over_http2, in_time).await;
    let mut client = streams(&way).await;
    assert_eq!(get(&mut client, "/").await.unwrap().status(), 504);
    for _ in 0..3 {
        assert_eq!(get(&mut client, "/").await.unwrap().status(), 200);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_that_takes_too_long_costs_no_connection_on_which_others_are_answered() {
    let (address, connections) = partly(false).await;
    let way = Way::with(&[address], over_http2, in_time).await;
    let mut client = streams(&way).await;
    let slow = get(&mut client, "/slow");
    eventually("it is on its way", async || way.count("upstream_rq_active") == 1).await;
    assert_eq!(get(&mut client, "/").await.unwrap().status(), 200);
    assert_eq!(slow.await.unwrap().status(), 504);
    assert_eq!(get(&mut client, "/").await.unwrap().status(), 200);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_requests_at_most_is_any_number_on_a_shared_connection_too() {
    let (address, connections) = counting().await;
    let none = |cluster: &mut Cluster| {
        over_http2(cluster);
        cluster.http.max_requests_per_connection = Some(0);
    };
    let way = Way::to(&[address], none).await;
    let mut client = streams(&way).await;
    for _ in 0..3 {
        assert_eq!(get(&mut client, "/").await.unwrap().status(), 200);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_nobody_holds_any_more_ends_though_its_server_reads_nothing() {
    let app = Puppet::new().await;
    let way = Way::with(&[app.address], over_http2, in_time).await;
    let mut client = way.client().await;
    let serving = async {
        let mut served = app.accept().await;
        // It may be sent whatever there is: windows of 2 GiB, its streams' and its own.
        served.send([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff]).await;
        served.send([0, 0, 4, 8, 0, 0, 0, 0, 0, 0x7f, 0xff, 0, 0]).await;
        served
    };
    let (_served, ()) = tokio::join!(serving, pour(&mut client, false));
    assert!(client.head().await.starts_with("HTTP/1.1 504"));
    eventually("no connection is counted", async || way.count("upstream_cx_active") == 0).await;
    eventually("no socket is left", async || sockets::open(app.address) == 0).await;
}

/// An app of HTTP/2 that takes so many requests at once on a connection, and thinks for a while about each. An answer to `/watch`
/// never ends.
async fn few_at_once(streams: u32) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let mut builder = h2::server::Builder::new();
            builder.max_concurrent_streams(streams);
            tokio::spawn(async move {
                let mut connection = builder.handshake::<_, bytes::Bytes>(socket).await?;
                while let Some(request) = connection.accept().await {
                    let (request, mut respond) = request?;
                    tokio::spawn(async move {
                        if request.uri().path() == "/watch" {
                            let _open = respond.send_response(http::Response::new(()), false);
                            return std::future::pending().await;
                        }
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        respond.send_response(http::Response::new(()), true)
                    });
                }
                Ok::<(), h2::Error>(())
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_takes_few_requests_at_once_refuses_nobody_before_it_has_said_so() {
    let way = Way::to(&[few_at_once(5).await], over_http2).await;
    let mut client = streams(&way).await;
    let answers: Vec<_> = (0..40).map(|_| get(&mut client, "/")).collect();
    for answer in answers {
        assert_eq!(answer.await.unwrap().status(), 200);
    }
    assert_eq!(way.count("upstream_rq_retry"), 0, "some were refused at first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_a_full_connection_does_not_take_go_on_another() {
    // 3 is what h2 assumes of a server that has said nothing yet.
    for few in [2, 3, 5] {
        let way = Way::to(&[few_at_once(few).await], over_http2).await;
        let mut client = streams(&way).await;
        let mut watches = Vec::new();
        for _ in 0..few {
            watches.push(get(&mut client, "/watch").await.unwrap());
        }
        let answer = tokio::time::timeout(Duration::from_secs(10), get(&mut client, "/")).await;
        assert_eq!(answer.expect("it waits for a stream").unwrap().status(), 200, "{few} at once");
    }
}

//! A connection that is only passed on: how long it may last (`max_downstream_connection_duration`) and be idle, and how often
//! it is tried.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use weft_model::access_log::{AccessLog, LogFormat};
use weft_model::cluster::Cluster;
use weft_model::listener::{Direction, NetworkFilter, TcpProxy};
use weft_model::tls::Transport;
use weft_testkit::app::Switched;
use weft_testkit::wire::{End, Peer, Puppet};
use weft_testkit::{eventually, free_address, settings};

use super::{NAME, Way};

const LIFE: Duration = Duration::from_secs(2);

/// A log of flags and reasons, taken away in the end.
pub(super) struct Log(std::path::PathBuf);

impl Log {
    pub(super) fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("weft-tcp-{name}-{}.log", std::process::id())))
    }

    /// Waits for a line with this flag and these words.
    pub(super) async fn says(&self, flag: &str, words: &str) {
        eventually(&format!("the log says {flag} and {words:?}"), async || {
            let text = std::fs::read_to_string(&self.0).unwrap_or_default();
            text.lines().any(|line| line.split(' ').next() == Some(flag) && line.contains(words))
        })
        .await;
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// To these endpoints, by a TCP proxy and a cluster of such settings.
pub(super) async fn way(
    endpoints: &[SocketAddr],
    log: &Log,
    proxy: TcpProxy,
    change_cluster: impl FnOnce(&mut Cluster),
) -> Way {
    let at = free_address();
    let mut listener = settings::tcp("out", at, Direction::Outbound, Transport::Raw, vec![], NAME);
    let format = LogFormat::Text("%RESPONSE_FLAGS% \"%REASON%\"\n".into());
    listener.filter_chains[0].filters = vec![NetworkFilter::TcpProxy(TcpProxy {
        clusters: vec![(NAME.into(), 1)],
        access_log: vec![AccessLog { path: log.0.display().to_string(), format, only_no_route: false }],
        ..proxy
    })];
    let mut cluster = settings::cluster(NAME, endpoints);
    change_cluster(&mut cluster);
    Way::behind(listener, at, cluster).await
}

/// A client, and the app that it has said `ping` to.
async fn opened(way: &Way, app: &Puppet) -> (Peer, Peer) {
    let mut client = way.client().await;
    client.send("ping").await;
    loop {
        let mut served = app.accept().await;
        // Whoever looked whether the port is open says nothing, and has gone.
        if served.socket().read_exact(&mut [0; 4]).await.is_ok() {
            return (client, served);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tcp_connection_lasts_no_longer_than_it_may_however_busy_and_both_ends_see_that_it_was_cut() {
    let (app, log) = (Puppet::new().await, Log::new("spent"));
    let proxy = TcpProxy { max_connection_duration: Some(LIFE), ..TcpProxy::default() };
    let way = way(&[app.address], &log, proxy, |_| {}).await;
    let began = Instant::now();
    let (mut client, mut served) = opened(&way, &app).await;
    // What moves does not make it last.
    while began.elapsed() < LIFE / 2 {
        client.send("ping").await;
        assert_eq!(served.exactly(4).await, "ping");
        served.send("pong").await;
        assert_eq!(client.exactly(4).await, "pong");
    }
    for end in [&mut client, &mut served] {
        assert_eq!(end.end().await, (String::new(), End::Reset));
    }
    assert!(began.elapsed() >= LIFE, "it was cut after {:?}", began.elapsed());
    eventually("nothing is left open", async || way.count("upstream_cx_active") == 0).await;
    log.says("DT", "maxConnectionDuration").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tcp_connection_on_which_nothing_moves_is_closed_and_one_that_is_used_stays() {
    let (app, log) = (Puppet::new().await, Log::new("idle"));
    let limit = LIFE / 2;
    let proxy = TcpProxy { idle_timeout: Some(limit), ..TcpProxy::default() };
    let way = way(&[app.address], &log, proxy, |_| {}).await;
    let (mut client, mut served) = opened(&way, &app).await;
    let began = Instant::now();
    // From before the last word: when it is heard here is not up to the proxy.
    let mut last = began;
    while began.elapsed() < limit * 2 {
        last = Instant::now();
        served.send("pong").await;
        assert_eq!(client.exactly(4).await, "pong", "one way is enough");
    }
    for end in [&mut client, &mut served] {
        assert_eq!(end.end().await, (String::new(), End::Closed));
    }
    assert!(last.elapsed() >= limit, "it was closed after {:?}", last.elapsed());
    eventually("nothing is left open", async || way.count("upstream_cx_active") == 0).await;
    log.says("SI", "nothing moved for 1s").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tcp_connection_is_tried_elsewhere_unless_it_is_said_how_often() {
    for (said, all_are_served) in [(None, true), (Some(2), true), (Some(1), false)] {
        let (app, log) = (Switched::new().await, Log::new("attempts"));
        let proxy = TcpProxy { max_connect_attempts: said, ..TcpProxy::default() };
        let way = way(&[free_address(), app.address], &log, proxy, |_| {}).await;
        let mut served = 0;
        for _ in 0..12 {
            let mut client = way.client().await;
            client.send("GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n").await;
            served += u32::from(client.end().await.0.starts_with("HTTP/1.1 200"));
        }
        assert_eq!(served == 12, all_are_served, "{served} of 12 with {said:?} attempts");
        assert!(served > 0);
    }
}

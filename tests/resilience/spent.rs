//! A connection that is only passed on, and how long it may last: `max_downstream_connection_duration`.

use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use weft_model::access_log::{AccessLog, LogFormat};
use weft_model::listener::{Direction, NetworkFilter, TcpProxy};
use weft_model::tls::Transport;
use weft_testkit::wire::{End, Puppet};
use weft_testkit::{eventually, free_address, settings};

use super::{NAME, Way};

const LIFE: Duration = Duration::from_secs(2);

async fn way(app: &Puppet, log: &str) -> Way {
    let at = free_address();
    let mut listener = settings::tcp("out", at, Direction::Outbound, Transport::Raw, vec![], NAME);
    let format = LogFormat::Text("%RESPONSE_FLAGS% %REASON%\n".into());
    listener.filter_chains[0].filters = vec![NetworkFilter::TcpProxy(TcpProxy {
        clusters: vec![(NAME.into(), 1)],
        max_connection_duration: Some(LIFE),
        access_log: vec![AccessLog { path: log.to_owned(), format, only_no_route: false }],
        ..TcpProxy::default()
    })];
    Way::behind(listener, at, settings::cluster(NAME, &[app.address])).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tcp_connection_lasts_no_longer_than_it_may_however_busy_and_both_ends_see_that_it_was_cut() {
    let app = Puppet::new().await;
    let log = std::env::temp_dir().join(format!("weft-spent-{}.log", std::process::id()));
    let way = way(&app, &log.display().to_string()).await;
    let began = Instant::now();
    let mut client = way.client().await;
    client.send("ping").await;
    let mut served = loop {
        let mut served = app.accept().await;
        // Whoever looked whether the port is open says nothing, and has gone.
        if served.socket().read_exact(&mut [0; 4]).await.is_ok() {
            break served;
        }
    };
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
    eventually("the log says why", async || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        text.lines().any(|line| line.starts_with("DT ") && line.contains("maxConnectionDuration"))
    })
    .await;
    let _ = std::fs::remove_file(&log);
}

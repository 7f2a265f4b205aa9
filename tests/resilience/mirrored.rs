//! A mirror that takes no connection: whatever it costs, it costs the copy.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use weft_model::route::Mirror;
use weft_testkit::wire::Puppet;
use weft_testkit::{eventually, settings};

use super::{Way, forward, sockets};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirror_to_which_no_connection_comes_about_costs_the_original_no_time_however_large_its_body() {
    const LARGE: usize = 16 * 1024 * 1024;
    let (app, deaf) = (Puppet::new().await, sockets::deaf());
    let mirror = Mirror { cluster: "mirror".into(), fraction: None, keep_host: true };
    let way = Way::with(&[app.address], |_| {}, |manager| forward(manager).mirrors = vec![mirror]).await;
    let mut cluster = settings::cluster("mirror", &[deaf.address]);
    let limit = Duration::from_secs(4);
    cluster.connect_timeout = Some(limit);
    way.sidecar.apply(&[cluster], &[]).await;
    let mut client = way.client().await;
    let began = Instant::now();
    client.send(format!("POST / HTTP/1.1\r\nHost: app\r\nContent-Length: {LARGE}\r\n\r\n")).await;
    let mut served = app.accept().await;
    served.head().await;
    let body = vec![b'x'; LARGE];
    let (sent, got) = tokio::join!(client.socket().write_all(&body), served.exactly(LARGE));
    assert!(sent.is_ok() && got.len() == LARGE, "{sent:?}");
    served.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(client.response().await.1, "ok");
    let lost = "weft_mirrored_requests_total{cluster=\"mirror\",result=\"dropped\"} 1";
    eventually(lost, async || way.sidecar.metrics().contains(lost)).await;
    assert!(began.elapsed() < limit, "it took as long as the mirror's connection may");
}

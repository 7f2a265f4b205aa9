//! A short day of churn: endpoints that come and go, clients that leave, servers that break off, and nothing that stays.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use weft_model::cluster::UpstreamProtocol;
use weft_testkit::app::Switched;
use weft_testkit::{eventually, settings};

use super::{NAME, Way, sockets};

/// So long it goes on.
const DAY: Duration = Duration::from_secs(4);

/// A server that answers most requests, and breaks off, closes or stalls on the others.
async fn unreliable() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for n in 0_u32.. {
            let Ok((mut socket, _)) = listener.accept().await else { return };
            tokio::spawn(async move {
                let mut seen = [0; 2048];
                for m in n % 3.. {
                    if !matches!(socket.read(&mut seen).await, Ok(n) if n > 0) {
                        return;
                    }
                    let said: &str = match m % 7 {
                        3 => "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
                        5 => "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
                        _ => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                    };
                    let _ = socket.write_all(said.as_bytes()).await;
                    match m % 7 {
                        3 => return sockets::break_off(&socket),
                        5 => return,
                        _ => {}
                    }
                }
            });
        }
    });
    address
}

/// A client that asks a few times, and leaves without a word in the middle of it every third time.
async fn client(at: SocketAddr, n: usize) {
    let Ok(mut socket) = TcpStream::connect(at).await else { return };
    let mut seen = [0; 4096];
    for m in 0..5 {
        if socket.write_all(super::GET.as_bytes()).await.is_err() || (n + m).is_multiple_of(3) {
            return;
        }
        let read = tokio::time::timeout(Duration::from_secs(5), socket.read(&mut seen)).await;
        if !matches!(read, Ok(Ok(n)) if n > 0) {
            return;
        }
    }
}

async fn a_day_of_churn(protocol: UpstreamProtocol) {
    let mut all = vec![Switched::new().await.address, Switched::new().await.address];
    if protocol == UpstreamProtocol::Http1 {
        all.extend([unreliable().await, unreliable().await]);
    }
    let cluster = |addresses: &[SocketAddr]| {
        let mut cluster = settings::cluster(NAME, addresses);
        cluster.http.protocol = protocol;
        cluster.http.max_requests_per_connection = Some(20);
        cluster
    };
    let way = Way::to(&all, |given| *given = cluster(&all)).await;
    let over = Arc::new(AtomicBool::new(false));
    let mut clients = tokio::task::JoinSet::new();
    for mut n in 0..16 {
        let (at, over) = (way.at, over.clone());
        clients.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                client(at, n).await;
                n += 1;
            }
        });
    }
    let began = Instant::now();
    let mut edits = 0;
    while began.elapsed() < DAY {
        // One is left out at a time, so that each leaves and comes back over and over.
        let left: Vec<_> =
            (0..).zip(&all).filter(|(n, _)| n % all.len() != edits % all.len()).map(|(_, a)| *a).collect();
        way.sidecar.apply(&[cluster(&left)], &[]).await;
        edits += 1;
    }
    over.store(true, Ordering::Relaxed);
    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }
    println!("{edits} edits");
    assert!(edits > 10, "{edits} edits");
    eventually("nothing is in flight", async || {
        way.count("upstream_rq_active") + way.count("upstream_rq_pending_active") == 0
    })
    .await;
    // The cluster goes to somebody else: nothing of before stays, neither counted nor open.
    let other = Switched::new().await;
    way.sidecar.apply(&[cluster(&[other.address])], &[]).await;
    eventually("no connection is counted", async || way.count("upstream_cx_active") == 0).await;
    eventually("no socket is left", async || all.iter().map(|of| sockets::open(*of)).sum::<usize>() == 0)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_leaks_over_http1() {
    a_day_of_churn(UpstreamProtocol::Http1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_leaks_over_http2() {
    a_day_of_churn(UpstreamProtocol::Http2).await;
}

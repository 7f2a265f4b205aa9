//! A short day of churn: endpoints that come and go, clients that leave, servers that break off, and nothing that stays:
//! no socket, no count, no memory. `WEFT_SOAK_SECS` makes the days longer, and what may stay of one smaller: 15 do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use weft_model::cluster::{Cluster, UpstreamProtocol};
use weft_testkit::app::Switched;
use weft_testkit::{eventually, settings};

use super::{NAME, Way, memory, sockets};

/// So many days there are. The first fill what is kept on purpose: pools, buffers, series of metrics, the allocator's arenas.
const DAYS: usize = 3;

/// So long each goes on.
fn day() -> Duration {
    let asked = std::env::var("WEFT_SOAK_SECS").ok().and_then(|secs| secs.parse().ok());
    Duration::from_secs(asked.unwrap_or(2))
}

/// What memory may grow by on the last day. It has settled after some ten seconds of this; before, what is told from
/// filling up is a leak of some ten KiB a client or an edit.
fn slack() -> u64 {
    if day() < Duration::from_secs(10) { 24 * 1024 * 1024 } else { 3 * 1024 * 1024 }
}

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

async fn days_of_churn(protocol: UpstreamProtocol) {
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
    let mut evenings = Vec::new();
    for _ in 0..DAYS {
        let asked = Arc::new(AtomicUsize::new(0));
        let edits = one_day(&way, &all, &cluster, &asked).await;
        eventually("nothing is in flight", async || {
            way.count("upstream_rq_active") + way.count("upstream_rq_pending_active") == 0
        })
        .await;
        let used = memory::resident();
        println!(
            "{edits} edits, {} clients, {} KiB in the evening",
            asked.load(Ordering::Relaxed),
            used / 1024
        );
        assert!(edits > 10, "{edits} edits");
        evenings.push(used);
    }
    let [.., before, last] = evenings[..] else { panic!("one evening tells nothing") };
    assert!(last <= before + slack(), "memory grows from day to day: {evenings:?}");
    // The cluster goes to somebody else: nothing of before stays, neither counted nor open.
    let other = Switched::new().await;
    way.sidecar.apply(&[cluster(&[other.address])], &[]).await;
    eventually("no connection is counted", async || way.count("upstream_cx_active") == 0).await;
    eventually("no socket is left", async || all.iter().map(|of| sockets::open(*of)).sum::<usize>() == 0)
        .await;
}

/// Clients ask while the cluster changes; so many changes there were.
async fn one_day(
    way: &Way,
    all: &[SocketAddr],
    cluster: impl Fn(&[SocketAddr]) -> Cluster,
    asked: &Arc<AtomicUsize>,
) -> usize {
    let over = Arc::new(AtomicBool::new(false));
    let mut clients = tokio::task::JoinSet::new();
    for mut n in 0..16 {
        let (at, over, asked) = (way.at, over.clone(), asked.clone());
        clients.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                client(at, n).await;
                n += 1;
                asked.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let (began, day) = (Instant::now(), day());
    let mut edits = 0;
    while began.elapsed() < day {
        // One is left out at a time, so that each leaves and comes back over and over.
        let left: Vec<_> =
            (0..).zip(all).filter(|(n, _)| n % all.len() != edits % all.len()).map(|(_, a)| *a).collect();
        // And somebody new, who is never heard of again.
        let passing = settings::cluster(&format!("outbound|80||{}-{edits}", began.elapsed().as_nanos()), all);
        way.sidecar.apply(&[cluster(&left), passing.clone()], &[]).await;
        way.sidecar.remove_cluster(&passing.name);
        edits += 1;
    }
    over.store(true, Ordering::Relaxed);
    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }
    edits
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_leaks_over_http1() {
    days_of_churn(UpstreamProtocol::Http1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_leaks_over_http2() {
    days_of_churn(UpstreamProtocol::Http2).await;
}

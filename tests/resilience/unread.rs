//! An upstream that takes a request's body and reads no more of it: nobody waits for longer than for its answer.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::AsyncWriteExt as _;
use weft_model::cluster::{Cluster, UpstreamProtocol};
use weft_model::http::HttpConnectionManager;
use weft_model::route::RetryPolicy;
use weft_testkit::wire::{Peer, Puppet};

use super::hostile::Log;
use super::{Way, forward};

const LIMIT: Duration = Duration::from_millis(400);

/// The same where somebody reads: no pause of this machine's own is as long.
const PATIENT: Duration = Duration::from_secs(1);

/// More than all buffers on the way hold.
const LARGE: usize = 64 * 1024 * 1024;

fn speaks(protocol: UpstreamProtocol) -> impl FnOnce(&mut Cluster) {
    move |cluster| cluster.http.protocol = protocol
}

/// What limits a try: the route, or the policy of its tries.
fn limited(per_try: bool, limit: Duration) -> impl FnOnce(&mut HttpConnectionManager) {
    move |manager| {
        let forward = forward(manager);
        if per_try {
            forward.retry = Some(RetryPolicy { per_try_timeout: Some(limit), ..RetryPolicy::default() });
        } else {
            forward.timeout = Some(limit);
        }
    }
}

/// Sends until nobody takes it any more, or all was sent.
pub(super) async fn pour(client: &mut Peer, chunked: bool) {
    let how =
        if chunked { "Transfer-Encoding: chunked".to_owned() } else { format!("Content-Length: {LARGE}") };
    client.send(format!("POST / HTTP/1.1\r\nHost: app\r\n{how}\r\n\r\n")).await;
    let piece = [b'x'; 0x10000];
    for _ in 0..LARGE / piece.len() {
        let socket = client.socket();
        let sent = async {
            if chunked {
                socket.write_all(b"10000\r\n").await?;
            }
            socket.write_all(&piece).await?;
            if chunked { socket.write_all(b"\r\n").await } else { Ok(()) }
        };
        // Once the answer is there nobody reads on.
        if !matches!(tokio::time::timeout(5 * LIMIT, sent).await, Ok(Ok(()))) {
            return;
        }
    }
    panic!("all of it was taken for one who does not read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_no_more_of_a_body_and_says_nothing_has_failed_within_the_time_of_an_answer() {
    for protocol in [UpstreamProtocol::Http1, UpstreamProtocol::Http2] {
        for (per_try, chunked) in [(false, false), (false, true), (true, false)] {
            let (deaf, log) = (Puppet::new().await, Log::new("unread"));
            let change = |manager: &mut HttpConnectionManager| {
                limited(per_try, LIMIT)(manager);
                log.of(manager);
            };
            let way = Way::with(&[deaf.address], speaks(protocol), change).await;
            let mut client = way.client().await;
            let began = Instant::now();
            pour(&mut client, chunked).await;
            let head = client.head().await;
            let what = format!("{protocol:?}, per try: {per_try}, chunked: {chunked}");
            assert!(head.starts_with("HTTP/1.1 504 "), "{what}: {head}");
            assert!(began.elapsed() >= LIMIT, "{what}: nobody was waited for");
            log.says("reads no more of the request").await;
        }
    }
}

/// Bytes in the limit's time.
const PACE: f64 = 400_000.0;

/// An app of HTTP/2 that reads a little of a body at a time, and longer than [`PATIENT`] in all.
async fn slow_reader() -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(socket).await.unwrap();
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            tokio::spawn(async move {
                let mut body = request.into_body();
                let (mut read, began) = (0, Instant::now());
                while let Some(Ok(piece)) = body.data().await {
                    read += piece.len();
                    tokio::time::sleep(PATIENT.mul_f64(piece.len() as f64 / PACE)).await;
                    body.flow_control().release_capacity(piece.len()).unwrap();
                }
                let status = if began.elapsed() > 2 * PATIENT { 200 } else { 500 };
                let body = read.to_string();
                let answer = http::Response::builder().status(status).header("content-length", body.len());
                let answer = answer.body(()).unwrap();
                let mut sending = respond.send_response(answer, false).unwrap();
                sending.send_data(Bytes::from(body), true).unwrap();
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_slowly_may_take_as_long_as_that_takes() {
    let app = slow_reader().await;
    let way = Way::with(&[app], speaks(UpstreamProtocol::Http2), limited(false, PATIENT)).await;
    let mut client = way.client().await;
    let length = 1024 * 1024;
    client.send(format!("POST / HTTP/1.1\r\nHost: app\r\nContent-Length: {length}\r\n\r\n")).await;
    client.send("x".repeat(length)).await;
    let (head, body) = client.response().await;
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert_eq!(body, length.to_string());
}

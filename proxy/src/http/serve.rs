//! A connection that speaks HTTP: which version, then request after request.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use weft_http1::{Limits, request_framing};
use weft_model::table::chain::Terminal;

use super::call::Call;
use super::downstream::{DownH1, DownH2, Downstream as _};
use super::exchange::{After, exchange};
use super::h1::H1;
use super::h2::{CONNECTION_WINDOW, Incoming, STREAM_WINDOW, request_head};
use super::message::{Broken, Inlet as _, Length, Outlet as _};
use super::reply::Reply;
use crate::connection::Conn;
use crate::sniff::H2_PREFACE;
use crate::stream::Io;
use crate::tunnel;

/// An idle client is kept for so long where the configuration says nothing: Envoy's hour.
const IDLE: Duration = Duration::from_secs(3600);

/// Streams at once on one client's HTTP/2 connection; resets beyond h2's own bound end it.
const MAX_STREAMS: u32 = 1000;

/// After a refusal the client may still be sending; so much is read off before the connection is closed, so that the
/// answer is not lost to a reset.
const LINGER: usize = 64 * 1024;

/// Serves a connection to its end. `alpn` is what TLS agreed on, if it did.
pub async fn serve(conn: Rc<Conn>, io: Io, alpn: Option<&[u8]>) {
    let mut h1 = H1::new(io, limits(&conn));
    let h2 = match alpn {
        Some(b"h2" | b"istio-h2") => true,
        Some(b"http/1.1" | b"http/1.0" | b"istio-http/1.1" | b"istio-http/1.0") => false,
        // Nothing agreed, or only `istio`: the first bytes tell.
        _ => match is_h2(&mut h1).await {
            Some(h2) => h2,
            None => return,
        },
    };
    if h2 {
        let (mut io, rest) = h1.into_parts();
        io.unread(&rest);
        serve_h2(conn, io).await;
    } else {
        serve_h1(conn, h1).await;
    }
}

fn limits(conn: &Conn) -> Limits {
    let kib = conn.current().and_then(|(_, chain)| match &chain.terminal {
        Terminal::Http(manager) => manager.settings.max_request_headers_kb,
        _ => None,
    });
    let mut limits = Limits::default();
    if let Some(kib) = kib {
        limits.max_head_bytes = (kib as usize).clamp(1, 8192) * 1024;
    }
    limits
}

/// Does the client begin with HTTP/2's preface? `None`: it has gone.
async fn is_h2(conn: &mut H1) -> Option<bool> {
    loop {
        let seen = conn.unread();
        let n = seen.len().min(H2_PREFACE.len());
        if n > 0 && seen[..n] != H2_PREFACE[..n] {
            return Some(false);
        }
        if n == H2_PREFACE.len() {
            return Some(true);
        }
        match tokio::time::timeout(IDLE, poll_fn(|cx| conn.poll_fill(cx))).await {
            Ok(Ok(true)) => {}
            _ => return None,
        }
    }
}

async fn serve_h1(conn: Rc<Conn>, mut h1: H1) {
    let mut call = Call::default();
    let mut draining = std::pin::pin!(conn.drain.draining());
    let _guard = conn.drain.guard();
    let mut idle: Option<std::pin::Pin<Box<tokio::time::Sleep>>> = None;
    loop {
        call.request.clear();
        if !h1.has_input() {
            idle = None;
        }
        let next = poll_fn(|cx| {
            if let Poll::Ready(next) = h1.poll_request(cx, &mut call.request) {
                return Poll::Ready(Some(next));
            }
            // Between two requests a drain ends the connection; within a head it waits for the request.
            if !h1.has_input() && draining.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            let sleep = idle.get_or_insert_with(|| Box::pin(tokio::time::sleep(IDLE)));
            if sleep.as_mut().poll(cx).is_ready() { Poll::Ready(None) } else { Poll::Pending }
        })
        .await;
        let framing = match next {
            None | Some(Ok(None) | Err(Broken::Closed | Broken::Io(_))) => break,
            Some(Ok(Some(()))) => request_framing(&call.request),
            Some(Err(Broken::Head(refusal))) => Err(refusal),
            Some(Err(_)) => break,
        };
        let framing = match framing {
            Ok(framing) => framing,
            Err(refusal) => return refuse(&mut h1, &mut call, Reply::bad_request(refusal)).await,
        };
        h1.start_body(framing);
        if call.request.method() == "CONNECT" {
            return super::connect::serve(conn.clone(), h1, call).await;
        }
        let mut down = DownH1::new(&mut h1, &call.request, conn.drain.is_draining());
        let after = exchange(&conn, &mut call, &mut down, Length::from(framing)).await;
        let close = down.close;
        if let After::Tunnel(up) = after {
            return upgraded(&conn, h1, *up).await;
        }
        if close {
            linger(&mut h1).await;
            break;
        }
    }
}

/// The connection belongs to another protocol now.
async fn upgraded(conn: &Conn, down: H1, up: H1) {
    let (mut down, early) = down.into_parts();
    let (mut up, first) = up.into_parts();
    down.unread(&early);
    up.unread(&first);
    let ended = tunnel::run(&mut down, &mut up, None, conn.drain_deadline()).await;
    tracing::debug!(sent = ended.sent, received = ended.received, why = ?ended.why, "an upgraded connection ended");
}

/// Answers a request that could not be understood, and closes: nobody knows where the next one would begin.
async fn refuse(h1: &mut H1, call: &mut Call, reply: Reply) {
    tracing::info!(reason = %reply.reason, status = reply.status, "request refused");
    call.request.clear();
    let Ok(body) = reply.write(&mut call.response, &call.request) else { return };
    let body = body.to_vec();
    let mut down = DownH1::new(h1, &call.request, true);
    let length = Length::Exact(body.len() as u64);
    if down.start_response(&mut call.response, length).is_ok() && down.push(&body).is_ok() {
        let _ = poll_fn(|cx| down.poll_flush(cx)).await;
        linger(h1).await;
    }
}

/// Closes our side first and reads off what still comes, so that the client sees the answer and not a reset.
async fn linger(h1: &mut H1) {
    use tokio::io::AsyncWriteExt as _;
    let reading = async {
        let _ = h1.io.shutdown().await;
        let mut read = 0;
        while read < LINGER {
            h1.forget_input();
            match poll_fn(|cx| h1.poll_fill(cx)).await {
                Ok(true) => read += h1.unread().len().max(1),
                _ => break,
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), reading).await;
}

async fn serve_h2(conn: Rc<Conn>, io: Io) {
    let mut builder = h2::server::Builder::new();
    builder
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(limits(&conn).max_head_bytes).unwrap_or(u32::MAX))
        .max_concurrent_reset_streams(64);
    let handshake = tokio::time::timeout(Duration::from_secs(15), builder.handshake(io));
    let Ok(Ok(mut connection)) = handshake.await else { return };
    let guard = conn.drain.guard();
    let mut draining = std::pin::pin!(conn.drain.draining());
    let mut told = false;
    let mut streams = tokio::task::JoinSet::new();
    loop {
        let next = poll_fn(|cx| {
            if !told && draining.as_mut().poll(cx).is_ready() {
                told = true;
                connection.graceful_shutdown();
            }
            connection.poll_accept(cx)
        })
        .await;
        while streams.try_join_next().is_some() {}
        match next {
            None => break,
            Some(Err(error)) => {
                tracing::debug!(%error, "a client's HTTP/2 connection ended");
                break;
            }
            Some(Ok((request, respond))) => {
                streams.spawn_local(stream(conn.clone(), request, respond));
            }
        }
    }
    streams.shutdown().await;
    drop(guard);
}

async fn stream(
    conn: Rc<Conn>,
    request: http::Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<bytes::Bytes>,
) {
    let (parts, body) = request.into_parts();
    let mut call = Call::default();
    if let Err(error) = request_head(&parts, &mut call.request) {
        tracing::info!(reason = %error, "request refused");
        let mut response = http::Response::new(());
        *response.status_mut() = http::StatusCode::BAD_REQUEST;
        let _ = respond.send_response(response, true);
        return;
    }
    if parts.method == http::Method::CONNECT {
        let mut response = http::Response::new(());
        *response.status_mut() = http::StatusCode::METHOD_NOT_ALLOWED;
        let _ = respond.send_response(response, true);
        return;
    }
    let mut down = DownH2::new(Incoming::new(body), respond, parts.method == http::Method::HEAD);
    let length = down.request_length(&call.request);
    exchange(&conn, &mut call, &mut down, length).await;
    // What the client still sends is not wanted; dropping the stream tells it so.
    let _ = down.trailers();
}

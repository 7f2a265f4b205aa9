//! The stand-in's HTTP port: HTTP/1.1 and cleartext HTTP/2 by their first bytes, answered with JSON.

use super::controls::{ControlError, Controls};
use super::tap::{Heads, RawHead, Tapped};
use super::{App, line, tree, upgrade};
use aws_lc_rs::digest::{Context as Digest, SHA256};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The stand-in's bodies: full, streamed or echoed.
pub(super) type Body = UnsyncBoxBody<Bytes, hyper::Error>;

const MAX_HEADERS: usize = 256;
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// Filling for `x-echo-size`, sent again and again.
static FILLING: [u8; 16 * 1024] = [b'.'; 16 * 1024];

/// Accepts until `stop`, then lets the open requests finish.
pub(super) async fn serve(app: Arc<App>, listener: Arc<TcpListener>, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < line::MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => { connections.spawn(connection(Arc::clone(&app), stream, stop.clone())); }
                Err(error) => line::pause_after(&error).await,
            },
            Some(_) = connections.join_next() => {}
            () = stop.cancelled() => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(app: Arc<App>, stream: TcpStream, stop: CancellationToken) {
    let _ = stream.set_nodelay(true);
    let (stream, heads) = Tapped::new(stream);
    let service = service_fn(move |request| {
        let (app, heads) = (Arc::clone(&app), heads.clone());
        async move { Ok::<_, Infallible>(answer(app, heads, request).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .half_close(true)
        .max_headers(MAX_HEADERS);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(1000);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

async fn answer(app: Arc<App>, heads: Heads, mut request: Request<Incoming>) -> Response<Body> {
    let raw = match request.version() {
        Version::HTTP_2 => {
            heads.clear();
            None
        }
        _ => heads.take(request.method().as_str()),
    };
    let controls = match Controls::read(request.headers()) {
        Ok(controls) => controls,
        Err(error) => return refusal(&error),
    };
    tokio::time::sleep(app.delay + controls.delay).await;
    if let Some((count, key)) = &controls.fail_first
        && app.failures.fails(*count, key)
    {
        let note = format!("one of the first {count} requests of key {key:?}");
        return json_response(StatusCode::SERVICE_UNAVAILABLE, &json!({ "failed": note }), HeaderMap::new());
    }
    match request.uri().path() {
        "/upgrade" => upgrade::answer(&mut request),
        "/echo" => echo(&controls, heads, request),
        "/tree" => {
            let tree = tree::call_all(&app, request.headers()).await;
            json_response(controls.status.unwrap_or(StatusCode::OK), &tree, controls.trailers)
        }
        _ => describe(&app, &heads, raw, controls, request).await,
    }
}

/// The JSON that says what arrived.
async fn describe(
    app: &App,
    heads: &Heads,
    raw: Option<RawHead>,
    controls: Controls,
    request: Request<Incoming>,
) -> Response<Body> {
    let (head, mut body) = request.into_parts();
    let (mut digest, mut length, mut trailers) = (Digest::new(&SHA256), 0_u64, None);
    while let Some(frame) = body.frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => {
                digest.update(&data);
                length += data.len() as u64;
            }
            Ok(Err(frame)) => trailers = frame.into_trailers().ok(),
            Err(error) => {
                let note = json!({ "failed": format!("the request's body broke off: {error}") });
                return json_response(StatusCode::BAD_REQUEST, &note, HeaderMap::new());
            }
        }
    }
    heads.clear();
    let status = controls.status.unwrap_or(StatusCode::OK);
    if let Some(size) = controls.size {
        return filling(status, size, controls.trailers);
    }
    let as_received = raw.is_some();
    let raw = raw.unwrap_or_else(|| RawHead {
        target: head.uri.path_and_query().map_or_else(|| head.uri.to_string(), ToString::to_string),
        headers: pairs(&head.headers),
    });
    let authority = head.uri.authority().map(|authority| authority.as_str().to_owned());
    let hash: String = digest.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let seen = json!({
        "pod": app.identity.pod,
        "service": app.identity.service,
        "namespace": app.identity.namespace,
        "version": app.identity.version,
        "protocol": format!("{:?}", head.version),
        "method": head.method.as_str(),
        "path": raw.target,
        "authority": authority,
        "headers": raw.headers,
        "headers_as_received": as_received,
        "body": { "bytes": length, "sha256": hash },
        "trailers": trailers.as_ref().map(pairs).unwrap_or_default(),
    });
    json_response(status, &seen, controls.trailers)
}

fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    let lossy = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), lossy(value))).collect()
}

/// Sends the request's body back as it comes, trailers included.
fn echo(controls: &Controls, heads: Heads, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    // The tap is cleared with every piece, so that it holds nothing of this body when the next head comes.
    let body = body.map_frame(move |frame| {
        heads.clear();
        frame
    });
    let mut response = Response::new(body.boxed_unsync());
    give(&mut response, controls.status.unwrap_or(StatusCode::OK));
    for name in [header::CONTENT_TYPE, header::TRAILER] {
        if let Some(value) = head.headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

/// Gives `response` this status, by the reason that RFC 9110 has for it; of one, hyper's is spelled otherwise.
fn give(response: &mut Response<Body>, status: StatusCode) {
    *response.status_mut() = status;
    if status == StatusCode::NON_AUTHORITATIVE_INFORMATION {
        let reason = hyper::ext::ReasonPhrase::from_static(b"Non-Authoritative Information");
        response.extensions_mut().insert(reason);
    }
}

fn filling(status: StatusCode, size: u64, trailers: HeaderMap) -> Response<Body> {
    let with_length = trailers.is_empty();
    let pieces = futures_util::stream::unfold((size, Some(trailers)), |(left, trailers)| async move {
        if left == 0 {
            let trailers = trailers.filter(|trailers| !trailers.is_empty())?;
            return Some((Ok(Frame::trailers(trailers)), (0, None)));
        }
        let piece = left.min(FILLING.len() as u64);
        // A piece is at most as long as the filling, which fits a usize.
        let data = Bytes::from_static(&FILLING[..usize::try_from(piece).unwrap_or(FILLING.len())]);
        Some((Ok(Frame::data(data)), (left - piece, trailers)))
    });
    let mut response = Response::new(StreamBody::new(pieces).boxed_unsync());
    give(&mut response, status);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    if with_length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    }
    response
}

pub(super) fn json_response(status: StatusCode, value: &Value, trailers: HeaderMap) -> Response<Body> {
    let text = format!("{value:#}\n");
    let names: Vec<&str> = trailers.keys().map(http::HeaderName::as_str).collect();
    let announced = HeaderValue::from_str(&names.join(", ")).ok().filter(|_| !names.is_empty());
    let text = Bytes::from(text);
    let body = match announced {
        // Of unknown length: one that is known goes out with content-length, which has no place for trailers.
        Some(_) => {
            let frames = [Ok(Frame::data(text)), Ok(Frame::trailers(trailers))];
            StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync()
        }
        None => Full::new(text).map_err(|never| match never {}).boxed_unsync(),
    };
    let mut response = Response::new(body);
    give(&mut response, status);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(names) = announced {
        headers.insert(header::TRAILER, names);
    }
    response
}

fn refusal(error: &ControlError) -> Response<Body> {
    json_response(StatusCode::BAD_REQUEST, &json!({ "failed": error.to_string() }), HeaderMap::new())
}

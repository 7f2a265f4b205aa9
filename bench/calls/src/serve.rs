//! The app: HTTP/1.1 and HTTP/2 without TLS at one port, on one thread.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;

use crate::pattern::{self, Compared};
use crate::work::Work;

/// The body of `GET /`, as long as nginx's behind the other loads.
const SMALL: usize = 786;
/// Windows of HTTP/2 that keep nobody waiting.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 1 << 24;

type Body = UnsyncBoxBody<Bytes, hyper::Error>;

static WORK: LazyLock<Work> = LazyLock::new(Work::measured);

/// What all requests share.
#[derive(Debug, Clone)]
pub(crate) struct App {
    requests: Arc<AtomicU64>,
    small: Bytes,
    piece: Bytes,
}

/// Answers all who connect, until the process is ended.
pub(crate) async fn until_stopped(address: SocketAddr) -> anyhow::Result<()> {
    // Before anybody asks for anything.
    LazyLock::force(&WORK);
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("nobody can listen at {address}"))?;
    answer_at(listener).await
}

/// Answers all who connect to that listener.
pub(crate) async fn answer_at(listener: TcpListener) -> anyhow::Result<()> {
    let app = App { requests: Arc::default(), small: pattern::whole(SMALL), piece: pattern::piece() };
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // No more files can be open; some will be closed.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let app = app.clone();
        tokio::spawn(async move {
            let mut builder = auto::Builder::new(TokioExecutor::new());
            builder
                .http2()
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .max_concurrent_streams(1024);
            let service = service_fn(move |request| answer(request, app.clone()));
            // A client that breaks off is its driver's matter.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, app: App) -> Result<Response<Body>, hyper::Error> {
    app.requests.fetch_add(1, Ordering::Relaxed);
    if request.headers().get(CONTENT_TYPE).is_some_and(|of| of.as_bytes().starts_with(b"application/grpc")) {
        return Ok(echo(request.into_body()));
    }
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let (name, number) = path.split_once('/').unwrap_or((&path, ""));
    let number: Option<u32> = number.parse().ok();
    Ok(match (request.method(), name, number) {
        (&Method::GET, "bytes", Some(length)) => of_length(&app.piece, length as usize),
        (&Method::POST, "bytes", Some(length)) => taken(request.into_body(), length, &app).await?,
        (&Method::GET, "after", Some(millis)) => {
            tokio::time::sleep(Duration::from_millis(millis.into())).await;
            plain(StatusCode::OK, app.small)
        }
        (&Method::GET, "busy", Some(micros)) => {
            WORK.of(micros);
            plain(StatusCode::OK, app.small)
        }
        (&Method::GET, "requests", None) => {
            plain(StatusCode::OK, app.requests.load(Ordering::Relaxed).to_string().into())
        }
        (&Method::GET, "", None) => plain(StatusCode::OK, app.small),
        _ => plain(StatusCode::NOT_FOUND, Bytes::new()),
    })
}

fn plain(status: StatusCode, body: Bytes) -> Response<Body> {
    let body = Full::new(body).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

/// So many bytes of the pattern, in pieces as an app writes them.
fn of_length(piece: &Bytes, length: usize) -> Response<Body> {
    let (piece, whole, rest) = (piece.clone(), length / piece.len(), length % piece.len());
    let last = piece.slice(..rest);
    let pieces = stream::repeat(piece).take(whole).chain(stream::iter([last]));
    let body = StreamBody::new(pieces.map(|part| Ok(Frame::data(part)))).boxed_unsync();
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    response
}

/// Reads a body to its end; what is not the pattern, or not so long, is a bad request.
async fn taken(mut body: Incoming, length: u32, app: &App) -> Result<Response<Body>, hyper::Error> {
    let mut compared = Compared::new();
    while let Some(frame) = body.frame().await {
        if let Ok(part) = frame?.into_data() {
            compared.next(&part);
        }
    }
    let right = compared.seen() == Some(length.into());
    Ok(if right {
        plain(StatusCode::OK, app.small.clone())
    } else {
        plain(StatusCode::BAD_REQUEST, Bytes::new())
    })
}

/// gRPC: the messages that came go back, and then all is well.
fn echo(body: Incoming) -> Response<Body> {
    let mut well = HeaderMap::new();
    well.insert("grpc-status", HeaderValue::from_static("0"));
    // Whoever ends a stream by a frame without data does not want one back: many of those look like an attack.
    let data = body.into_data_stream().filter(|part| {
        let empty = part.as_ref().is_ok_and(Bytes::is_empty);
        async move { !empty }
    });
    let data = data.map(|part| part.map(Frame::data));
    let frames = data.chain(stream::iter([Ok(Frame::trailers(well))]));
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

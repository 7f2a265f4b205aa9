//! An app that answers what it saw, over HTTP/1.1 and HTTP/2 with prior knowledge.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Starts an app on a free port. `GET /...` answers JSON: method, path, headers, body; `POST /stream` echoes its body piece
/// by piece and its trailers; `x-status` sets the status; `/slow` never answers; `/close` closes instead of answering.
pub async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let service = service_fn(move |request| answer(request, address));
                let _ = builder.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    address
}

type Body = http_body_util::combinators::BoxBody<Bytes, Infallible>;

async fn answer(request: Request<Incoming>, own: SocketAddr) -> Result<Response<Body>, std::io::Error> {
    match request.uri().path() {
        "/slow" => std::future::pending().await,
        "/close" => Err(std::io::Error::other("closing as asked")),
        "/stream" => Ok(stream(request)),
        _ => Ok(describe(request, own).await),
    }
}

/// An app whose answers a test may change while it runs.
#[derive(Debug, Clone)]
pub struct Switched {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it answers.
    pub status: Arc<AtomicU16>,
    /// How many requests it saw.
    pub seen: Arc<AtomicU32>,
    /// It thinks for so many milliseconds.
    pub pause: Arc<AtomicU64>,
    /// How many requests it had at once, at most.
    pub peak: Arc<AtomicU32>,
}

impl Switched {
    /// Starts one on a free port that answers 200.
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let own = Self {
            address,
            status: Arc::new(AtomicU16::new(200)),
            seen: Arc::default(),
            pause: Arc::default(),
            peak: Arc::default(),
        };
        let busy = Arc::new(AtomicU32::new(0));
        let app = own.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (app, busy) = (app.clone(), busy.clone());
                tokio::spawn(async move {
                    let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    let service = service_fn(move |_| {
                        let (app, busy) = (app.clone(), busy.clone());
                        async move {
                            app.seen.fetch_add(1, Ordering::SeqCst);
                            let now = busy.fetch_add(1, Ordering::SeqCst) + 1;
                            app.peak.fetch_max(now, Ordering::SeqCst);
                            let pause = Duration::from_millis(app.pause.load(Ordering::SeqCst));
                            if !pause.is_zero() {
                                tokio::time::sleep(pause).await;
                            }
                            busy.fetch_sub(1, Ordering::SeqCst);
                            let body = http_body_util::Full::new(Bytes::from(app.address.to_string()));
                            let status = app.status.load(Ordering::SeqCst);
                            Ok::<_, Infallible>(Response::builder().status(status).body(body).unwrap())
                        }
                    });
                    let _ = builder.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        own
    }

    /// From now on it answers this.
    pub fn say(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// How many requests it has seen so far.
    pub fn seen(&self) -> u32 {
        self.seen.load(Ordering::SeqCst)
    }
}

fn stream(request: Request<Incoming>) -> Response<Body> {
    let (sender, mut receiver) = mpsc::channel::<Frame<Bytes>>(1);
    let mut body = request.into_body();
    tokio::spawn(async move {
        while let Some(Ok(frame)) = body.frame().await {
            if sender.send(frame).await.is_err() {
                return;
            }
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("x-end", http::HeaderValue::from_static("yes"));
        let _ = sender.send(Frame::trailers(trailers)).await;
    });
    let frames = futures(move |cx| receiver.poll_recv(cx).map(|f| f.map(Ok)));
    Response::builder().header("trailer", "x-end").body(BodyExt::boxed(StreamBody::new(frames))).unwrap()
}

fn futures<T>(
    poll: impl FnMut(&mut std::task::Context<'_>) -> std::task::Poll<Option<T>> + Unpin,
) -> impl futures_core::Stream<Item = T> {
    Polled(poll)
}

struct Polled<F>(F);

impl<T, F: FnMut(&mut std::task::Context<'_>) -> std::task::Poll<Option<T>> + Unpin> futures_core::Stream
    for Polled<F>
{
    type Item = T;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<T>> {
        (self.0)(cx)
    }
}

async fn describe(request: Request<Incoming>, own: SocketAddr) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let collected = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let headers: serde_json::Map<String, serde_json::Value> = parts
        .headers
        .iter()
        .map(|(n, v)| (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned().into()))
        .collect();
    let status =
        parts.headers.get("x-status").and_then(|v| v.to_str().ok()?.parse::<u16>().ok()).unwrap_or(200);
    let told = serde_json::json!({
        "app": own.to_string(),
        "method": parts.method.as_str(),
        "path": parts.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str),
        "version": format!("{:?}", parts.version),
        "headers": headers,
        "body": String::from_utf8_lossy(&collected),
    });
    let body = http_body_util::Full::new(Bytes::from(told.to_string())).boxed();
    Response::builder().status(status).header("content-type", "application/json").body(body).unwrap()
}

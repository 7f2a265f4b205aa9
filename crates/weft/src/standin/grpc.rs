//! The stand-in's gRPC port: `grpc.health.v1.Health` and `weft.echo.v1.Echo` with all four kinds of calls.
//!
//! `weft/echo/v1/echo.proto`, which a client may write down to talk to it:
//!
//! ```proto
//! service Echo {
//!   rpc Unary(EchoRequest) returns (EchoReply);
//!   rpc ServerStream(EchoRequest) returns (stream EchoReply);       // `count` replies, `interval_ms` apart
//!   rpc ClientStream(stream EchoRequest) returns (EchoReply);       // the messages joined by a space
//!   rpc Bidirectional(stream EchoRequest) returns (stream EchoReply);
//! }
//! message EchoRequest { string message = 1; uint32 count = 2; uint32 interval_ms = 3; uint32 code = 4; }
//! message EchoReply { string pod = 1; string version = 2; string message = 3; uint32 sequence = 4; }
//! ```

use super::{App, line};
use http::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService};
use tonic::service::Routes;
use tonic::{Code, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

/// What an echo may ask for at most, so that one call cannot fill the memory or last forever.
const MAX_COUNT: u32 = 1_000_000;
const MAX_INTERVAL: Duration = Duration::from_secs(60);
const MAX_JOINED: usize = 1 << 20;

/// `weft.echo.v1.EchoRequest`
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct EchoRequest {
    #[prost(string, tag = "1")]
    pub(super) message: String,
    /// Replies of a server stream; 0 means 1.
    #[prost(uint32, tag = "2")]
    pub(super) count: u32,
    #[prost(uint32, tag = "3")]
    pub(super) interval_ms: u32,
    /// A gRPC status to end with in place of an answer.
    #[prost(uint32, tag = "4")]
    pub(super) code: u32,
}

/// `weft.echo.v1.EchoReply`
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct EchoReply {
    #[prost(string, tag = "1")]
    pub(super) pod: String,
    #[prost(string, tag = "2")]
    pub(super) version: String,
    #[prost(string, tag = "3")]
    pub(super) message: String,
    #[prost(uint32, tag = "4")]
    pub(super) sequence: u32,
}

/// Accepts until `stop`, then lets the open calls finish.
pub(super) async fn serve(app: Arc<App>, listener: Arc<TcpListener>, stop: CancellationToken) {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("", tonic_health::ServingStatus::Serving).await;
    reporter.set_service_status(Echo::NAME, tonic_health::ServingStatus::Serving).await;
    let routes = Routes::new(health).add_service(Echo(app));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < line::MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => { connections.spawn(connection(routes.clone(), stream, stop.clone())); }
                Err(error) => line::pause_after(&error).await,
            },
            Some(_) = connections.join_next() => {}
            () = stop.cancelled() => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(routes: Routes, stream: TcpStream, stop: CancellationToken) {
    let _ = stream.set_nodelay(true);
    let mut builder = auto::Builder::new(TokioExecutor::new()).http2_only();
    // Many small messages are a stream's daily bread: the windows leave room for them.
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(1000)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20);
    let service = TowerToHyperService::new(routes);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// `weft.echo.v1.Echo`
#[derive(Debug, Clone)]
struct Echo(Arc<App>);

impl NamedService for Echo {
    const NAME: &'static str = "weft.echo.v1.Echo";
}

type Answered = std::pin::Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl Service<Request<Body>> for Echo {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answered;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answered {
        let app = Arc::clone(&self.0);
        Box::pin(async move {
            let mut grpc = Grpc::new(ProstCodec::<EchoReply, EchoRequest>::default());
            let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
            Ok(match method.as_str() {
                "Unary" => grpc.unary(service_fn(|request| unary(Arc::clone(&app), request)), request).await,
                "ServerStream" => {
                    let call = service_fn(|request| server_stream(Arc::clone(&app), request));
                    grpc.server_streaming(call, request).await
                }
                "ClientStream" => {
                    let call = service_fn(|request| client_stream(Arc::clone(&app), request));
                    grpc.client_streaming(call, request).await
                }
                "Bidirectional" => {
                    let call = service_fn(|request| bidirectional(Arc::clone(&app), request));
                    grpc.streaming(call, request).await
                }
                other => Status::unimplemented(format!("weft.echo.v1.Echo has no {other}")).into_http(),
            })
        })
    }
}

impl App {
    /// The reply to `request`, or the status that it asks for.
    fn reply(&self, request: EchoRequest, sequence: u32) -> Result<EchoReply, Status> {
        if request.code != 0 {
            let code = i32::try_from(request.code).map_or(Code::Unknown, Code::from_i32);
            return Err(Status::new(code, request.message));
        }
        let identity = &self.identity;
        let (pod, version) = (identity.pod.clone(), identity.version.clone());
        Ok(EchoReply { pod, version, message: request.message, sequence })
    }
}

async fn unary(
    app: Arc<App>,
    request: tonic::Request<EchoRequest>,
) -> Result<tonic::Response<EchoReply>, Status> {
    tokio::time::sleep(app.delay).await;
    app.reply(request.into_inner(), 0).map(tonic::Response::new)
}

type Replies = std::pin::Pin<Box<dyn tokio_stream::Stream<Item = Result<EchoReply, Status>> + Send>>;

async fn server_stream(
    app: Arc<App>,
    request: tonic::Request<EchoRequest>,
) -> Result<tonic::Response<Replies>, Status> {
    let request = request.into_inner();
    let count = request.count.max(1);
    let interval = Duration::from_millis(request.interval_ms.into());
    if count > MAX_COUNT || interval > MAX_INTERVAL {
        let limits = format!("at most {MAX_COUNT} replies, {} s apart", MAX_INTERVAL.as_secs());
        return Err(Status::invalid_argument(limits));
    }
    let replies = tokio_stream::iter(0..count).then(move |sequence| {
        let (app, request) = (Arc::clone(&app), request.clone());
        async move {
            if sequence > 0 && !interval.is_zero() {
                tokio::time::sleep(interval).await;
            }
            app.reply(request, sequence)
        }
    });
    Ok(tonic::Response::new(Box::pin(replies)))
}

async fn client_stream(
    app: Arc<App>,
    request: tonic::Request<Streaming<EchoRequest>>,
) -> Result<tonic::Response<EchoReply>, Status> {
    let mut messages = request.into_inner();
    let (mut joined, mut seen) = (String::new(), 0_u32);
    while let Some(request) = messages.next().await.transpose()? {
        let message = app.reply(request, seen)?.message;
        if joined.len() + message.len() >= MAX_JOINED {
            return Err(Status::resource_exhausted(format!("more than {MAX_JOINED} bytes of messages")));
        }
        if seen > 0 {
            joined.push(' ');
        }
        joined.push_str(&message);
        seen = seen.saturating_add(1);
    }
    let request = EchoRequest { message: joined, ..EchoRequest::default() };
    app.reply(request, seen).map(tonic::Response::new)
}

async fn bidirectional(
    app: Arc<App>,
    request: tonic::Request<Streaming<EchoRequest>>,
) -> Result<tonic::Response<Replies>, Status> {
    let mut sequence = 0_u32;
    let replies = request.into_inner().map(move |request| {
        let reply = app.reply(request?, sequence);
        sequence = sequence.saturating_add(1);
        reply
    });
    Ok(tonic::Response::new(Box::pin(replies)))
}

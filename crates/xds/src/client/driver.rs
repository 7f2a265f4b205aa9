//! Carries a [`Session`] over gRPC streams, one after the other, for as long as the application listens.
//!
//! The connection itself (TCP, TLS with certificates that rotate) is made by the caller, see [`Connect`]. While the
//! control plane is away nothing is taken back: the application keeps what it accepted.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient as Stub;
use futures_util::stream::{self, Stream, StreamExt};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, watch};
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint, Uri};

use super::{Backoff, Connection, Failure, Session, Ticket, Update};
use crate::{Node, Protocol, Request, Response};

/// Opens a connection to the control plane; asked anew for every attempt, so that it can present the newest identity.
///
/// Any `Fn() -> impl Future<Output = io::Result<Io>>` is one.
pub trait Connect: Send + Sync + 'static {
    /// The byte stream, TLS included.
    type Io: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// One attempt. The driver bounds its time.
    fn connect(&self) -> impl Future<Output = io::Result<Self::Io>> + Send;
}

impl<F, Fut, Io> Connect for F
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = io::Result<Io>> + Send,
    Io: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Io = Io;

    fn connect(&self) -> impl Future<Output = io::Result<Io>> + Send {
        self()
    }
}

/// Makes the gRPC metadata of a stream (`authorization`, `ClusterID`); asked before each, since tokens rotate.
pub type Credentials = Arc<dyn Fn() -> io::Result<MetadataMap> + Send + Sync>;

/// How to speak with one control plane.
#[derive(Clone)]
pub struct Settings {
    /// What the requests name as scheme and authority, such as `https://istiod.istio-system.svc:15012`.
    pub uri: Uri,
    /// The variant to speak.
    pub protocol: Protocol,
    /// Extra metadata for each stream.
    pub credentials: Credentials,
    /// Waits between attempts.
    pub backoff: Backoff,
    /// The longest time that an attempt to connect may take.
    pub connect_timeout: Duration,
    /// An idle connection is probed (HTTP/2 PING) this often. Servers on grpc-go object to less than 15 s.
    pub keepalive: Duration,
    /// A probe without an answer for this long ends the connection.
    pub keepalive_timeout: Duration,
    /// The largest response that is read; more ends the stream.
    pub largest_response: usize,
}

impl Settings {
    /// Delta, no metadata, a probe each 30 s, responses up to 256 MiB.
    #[must_use]
    pub fn new(uri: Uri) -> Self {
        Self {
            uri,
            protocol: Protocol::Delta,
            credentials: Arc::new(|| Ok(MetadataMap::new())),
            backoff: Backoff::default(),
            connect_timeout: Duration::from_secs(10),
            keepalive: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(10),
            largest_response: 256 << 20,
        }
    }
}

/// Makes a client: the handle to say what is wanted and to answer, the updates to be answered, and the driver, whose
/// [`run`](Driver::run) must be spawned.
pub fn open<C: Connect>(
    node: Node,
    settings: Settings,
    connect: C,
) -> (Handle, mpsc::Receiver<Update>, Driver<C>) {
    let (updates, receiver) = mpsc::channel(QUEUED_UPDATES);
    let shared = Arc::new(Shared {
        session: Mutex::new(Session::new(node, settings.protocol)),
        wake: watch::channel(()).0,
        connection: watch::channel(Connection::default()).0,
    });
    (Handle(Arc::clone(&shared)), receiver, Driver { settings, connect, shared, updates })
}

/// Updates that may wait for the application before the driver stops reading.
const QUEUED_UPDATES: usize = 16;
/// Updates that may wait for an answer before the driver stops reading; the server is slowed down, not cut off.
const UNANSWERED_UPDATES: usize = 64;
/// HTTP/2 windows: a mesh's first response should not wait for window updates at every 64 KiB.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 8 << 20;

struct Shared {
    session: Mutex<Session>,
    /// Rung whenever the session may have something to say or room to hear.
    wake: watch::Sender<()>,
    connection: watch::Sender<Connection>,
}

/// The application's grip on its session. Cheap to clone; nothing here waits.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

impl Handle {
    /// Changes the session in one step, so that what belongs together leaves in one request.
    ///
    /// For make before break, subscribe what an update refers to first and acknowledge it after.
    pub fn change<R>(&self, change: impl FnOnce(&mut Session) -> R) -> R {
        let result = change(&mut self.0.session.lock());
        self.0.wake.send_replace(());
        result
    }

    /// See [`Session::subscribe_all`].
    pub fn subscribe_all(&self, type_url: &str) {
        self.change(|session| session.subscribe_all(type_url));
    }

    /// See [`Session::subscribe`].
    pub fn subscribe<N: Into<Arc<str>>>(&self, type_url: &str, names: impl IntoIterator<Item = N>) {
        self.change(|session| session.subscribe(type_url, names));
    }

    /// See [`Session::unsubscribe`].
    pub fn unsubscribe<N: AsRef<str>>(&self, type_url: &str, names: impl IntoIterator<Item = N>) {
        self.change(|session| session.unsubscribe(type_url, names));
    }

    /// See [`Session::subscribe_only`].
    pub fn subscribe_only<N: Into<Arc<str>>>(&self, type_url: &str, names: impl IntoIterator<Item = N>) {
        self.change(|session| session.subscribe_only(type_url, names));
    }

    /// See [`Session::ack`].
    pub fn ack(&self, ticket: Ticket) {
        self.change(|session| session.ack(ticket));
    }

    /// See [`Session::nack`].
    pub fn nack(&self, ticket: Ticket, reason: &str) {
        self.change(|session| session.nack(ticket, reason));
    }

    /// The state of the connection, to be looked at or waited on.
    #[must_use]
    pub fn connection(&self) -> watch::Receiver<Connection> {
        self.0.connection.subscribe()
    }
}

/// The task behind a [`Handle`].
pub struct Driver<C> {
    settings: Settings,
    connect: C,
    shared: Arc<Shared>,
    updates: mpsc::Sender<Update>,
}

/// Why a stream is over.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("connecting to {0}: {1}")]
    Connect(Uri, String),
    #[error("connecting to {0}: no answer within {1:?}")]
    ConnectTimeout(Uri, Duration),
    #[error("making the credentials for {0}: {1}")]
    Credentials(Uri, io::Error),
    #[error("{0} refused the ADS stream: {1}")]
    Refused(Uri, String),
    #[error("the ADS stream from {0} broke: {1}")]
    Broken(Uri, String),
    #[error("{0} closed the ADS stream")]
    Closed(Uri),
    #[error("the application no longer listens")]
    Unheard,
}

impl<C: Connect> Driver<C> {
    /// Connects, and connects again, until the receiver of updates is dropped.
    pub async fn run(self) {
        let mut backoff = self.settings.backoff.clone();
        loop {
            self.shared.connection.send_modify(|c| c.attempts = c.attempts.saturating_add(1));
            let ended = tokio::select! {
                ended = self.one_stream() => ended,
                () = self.updates.closed() => Ended::Unheard,
            };
            if matches!(ended, Ended::Unheard) {
                return;
            }
            let now = Instant::now();
            let mut lived = Duration::ZERO;
            self.shared.connection.send_modify(|c| {
                lived = c.since.take().map_or(Duration::ZERO, |since| now - since);
                c.last_error = Some(Failure { at: now, what: ended.to_string() });
            });
            let wait = backoff.after(lived, rand::random());
            tracing::warn!(%ended, ?wait, "no control plane; what was accepted stays in force");
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.updates.closed() => return,
            }
        }
    }

    async fn one_stream(&self) -> Ended {
        let uri = &self.settings.uri;
        let channel = match tokio::time::timeout(self.settings.connect_timeout, self.channel()).await {
            Ok(Ok(channel)) => channel,
            Ok(Err(why)) => return Ended::Connect(uri.clone(), why),
            Err(_) => return Ended::ConnectTimeout(uri.clone(), self.settings.connect_timeout),
        };
        let metadata = match (self.settings.credentials)() {
            Ok(metadata) => metadata,
            Err(why) => return Ended::Credentials(uri.clone(), why),
        };
        let mut stub = Stub::new(channel).max_decoding_message_size(self.settings.largest_response);
        let stream = self.shared.session.lock().connected();
        match self.settings.protocol {
            Protocol::Delta => {
                let request = with_metadata(metadata, requests(Arc::clone(&self.shared), stream));
                match stub.delta_aggregated_resources(request).await {
                    Ok(responses) => self.listen(responses.into_inner()).await,
                    Err(status) => Ended::Refused(uri.clone(), words(&status)),
                }
            }
            Protocol::Sotw => {
                let request = with_metadata(metadata, requests(Arc::clone(&self.shared), stream));
                match stub.stream_aggregated_resources(request).await {
                    Ok(responses) => self.listen(responses.into_inner()).await,
                    Err(status) => Ended::Refused(uri.clone(), words(&status)),
                }
            }
        }
    }

    async fn channel(&self) -> Result<Channel, String> {
        let io = self.connect.connect().await.map_err(|why| words(&why))?;
        // A channel would reconnect by itself; the session must know of each connection, so there is one to give.
        let mut only = Some(TokioIo::new(io));
        let connector = tower::service_fn(move |_: Uri| {
            let io = only.take().ok_or_else(|| io::Error::other("the connection is gone"));
            async move { io }
        });
        Endpoint::from(self.settings.uri.clone())
            .http2_keep_alive_interval(self.settings.keepalive)
            .keep_alive_timeout(self.settings.keepalive_timeout)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .connect_with_connector(connector)
            .await
            .map_err(|why| words(&why))
    }

    async fn listen<R: Into<Response>>(&self, mut responses: tonic::Streaming<R>) -> Ended {
        let uri = &self.settings.uri;
        self.shared.connection.send_modify(|c| {
            c.since = Some(Instant::now());
            c.streams += 1;
            c.attempts = 0;
        });
        let mut wake = self.shared.wake.subscribe();
        loop {
            while self.shared.session.lock().unanswered() >= UNANSWERED_UPDATES {
                // The sender lives in `shared`, which we hold.
                let _ = wake.changed().await;
            }
            let response = match responses.message().await {
                Ok(Some(response)) => response.into(),
                Ok(None) => return Ended::Closed(uri.clone()),
                Err(status) => return Ended::Broken(uri.clone(), words(&status)),
            };
            let received = self.shared.session.lock().receive(response);
            self.shared.wake.send_replace(());
            match received {
                Ok(None) => {}
                Ok(Some(update)) => {
                    if self.updates.send(update).await.is_err() {
                        return Ended::Unheard;
                    }
                }
                Err(malformed) => tracing::warn!(%malformed, "refused a response of the control plane"),
            }
        }
    }
}

fn with_metadata<S>(metadata: MetadataMap, stream: S) -> tonic::Request<S> {
    let mut request = tonic::Request::new(stream);
    *request.metadata_mut() = metadata;
    request
}

/// The requests of one stream, derived from the session when the connection has room for one; ends when a newer
/// stream has taken over.
fn requests<T>(shared: Arc<Shared>, stream: u64) -> impl Stream<Item = T> + Send + 'static
where
    T: TryFrom<Request> + Send + 'static,
{
    let wake = shared.wake.subscribe();
    stream::unfold((shared, wake), move |(shared, mut wake)| async move {
        loop {
            {
                let mut session = shared.session.lock();
                if session.stream() != stream {
                    return None;
                }
                if let Some(request) = session.next_request() {
                    drop(session);
                    return Some((T::try_from(request).ok(), (shared, wake)));
                }
            }
            wake.changed().await.ok()?;
        }
    })
    .filter_map(std::future::ready)
}

/// An error with all its causes: "transport error" alone helps nobody.
fn words(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !words.contains(&more) {
            words.push_str(": ");
            words.push_str(&more);
        }
        cause = error.source();
    }
    words
}

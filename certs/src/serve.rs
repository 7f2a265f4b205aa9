//! A TLS port for gRPC services: our own rustls, a certificate that can be replaced while connections live, client
//! certificates verified where they are given, everything bounded.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tower::Service;

pub use renew::{ServingNames, keep_fresh};
pub use tls::{ServerTls, TlsError};

mod connection;
mod renew;
mod tls;

/// What one port may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once; further ones wait to be accepted.
    pub connections: usize,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
    /// How long a new connection may be without a request.
    pub first_request: Duration,
    /// Requests at once on a connection.
    pub streams: u32,
    /// Bytes of a request's headers, the bearer token among them.
    pub headers: u32,
    /// How long requests may go on after shutdown began.
    pub drain: Duration,
}

impl Default for Limits {
    /// A mesh of some thousand proxies, each with a few streams.
    fn default() -> Self {
        Self {
            connections: 16_384,
            handshake: Duration::from_secs(10),
            first_request: Duration::from_secs(30),
            streams: 128,
            headers: 32 * 1024,
            drain: Duration::from_secs(10),
        }
    }
}

/// What this module asks of a service: the shape of `tonic::service::Routes`, with or without layers around it.
pub trait Serves<R>:
    Service<
        Request<tonic::body::Body>,
        Response = Response<R>,
        Error = Infallible,
        Future: Future<Output = Result<Response<R>, Infallible>> + Send + 'static,
    > + Clone
    + Send
    + 'static
{
}

impl<S, R> Serves<R> for S where
    S: Service<
            Request<tonic::body::Body>,
            Response = Response<R>,
            Error = Infallible,
            Future: Future<Output = Result<Response<R>, Infallible>> + Send + 'static,
        > + Clone
        + Send
        + 'static
{
}

/// Serves `routes` over TLS and HTTP/2 on `listener` until `shutdown` completes, then lets requests in flight finish
/// for a while.
///
/// Every request carries [`crate::PeerCertificates`] in its extensions if the peer showed a certificate that
/// verifies, and `tonic::transport::server::TcpConnectInfo`.
pub async fn serve<S, R>(
    listener: TcpListener,
    tls: Arc<ServerTls>,
    routes: S,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) where
    S: Serves<R>,
    R: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let limits = Arc::new(limits);
    let places = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
    let (stop, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &places) => accepted,
            Some(ended) = connections.join_next() => {
                report(ended);
                continue;
            }
        };
        let (place, stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: what is open must close first.
                tracing::warn!(%error, "no connection can be accepted for the moment");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let connection = connection::Connection {
            tls: tls.current(),
            routes: routes.clone(),
            limits: Arc::clone(&limits),
            stopped: stopped.clone(),
        };
        connections.spawn(async move {
            let _place = place;
            if let Err(error) = connection.run(stream, peer).await {
                tracing::debug!(%peer, %error, "connection ended");
            }
        });
    }
    drop(listener);
    // No receiver means no connection.
    let _ = stop.send(true);
    let drained = async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    };
    if tokio::time::timeout(limits.drain, drained).await.is_err() {
        tracing::info!("requests still in flight after {:?} are cut off", limits.drain);
    }
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(tokio::sync::OwnedSemaphorePermit, TcpStream, SocketAddr)> {
    let place = Arc::clone(places).acquire_owned().await.expect("the semaphore is never closed");
    let (stream, peer) = listener.accept().await?;
    Ok((place, stream, peer))
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task failed; only that connection is lost");
    }
}

#[cfg(test)]
mod tests;

//! One connection: handshake, then requests until either side or shutdown ends it.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls_pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio_rustls::TlsAcceptor;
use tonic::transport::server::TcpConnectInfo;
use tower::ServiceExt;

use super::{Limits, Serves};
use crate::PeerCertificates;

/// Flow control windows: enough that many small frames of a chatty stream do not look like an attack to h2, whose
/// budget for them grows with the connection's window.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// How often a silent peer is asked whether it is still there, and how long it may take to answer.
const PING: std::time::Duration = std::time::Duration::from_secs(30);
const PONG: std::time::Duration = std::time::Duration::from_secs(20);

/// What a connection needs.
pub(super) struct Connection<S> {
    pub(super) tls: Arc<rustls::ServerConfig>,
    pub(super) routes: S,
    pub(super) limits: Arc<Limits>,
    /// Becomes true when the server stops.
    pub(super) stopped: watch::Receiver<bool>,
}

/// Why a connection ended before its peer closed it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("the TLS handshake failed: {0}")]
    Handshake(std::io::Error),
    #[error("the TLS handshake took too long")]
    SlowHandshake,
    #[error("no request came")]
    Silent,
    #[error("{0}")]
    Http(Box<dyn Error + Send + Sync>),
}

impl<S> Connection<S> {
    /// Serves the connection to its end.
    pub(super) async fn run<R>(mut self, stream: TcpStream, peer: SocketAddr) -> Result<(), Ended>
    where
        S: Serves<R>,
        R: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        // Small messages both ways; where it cannot be set they are late, not lost.
        let _ = stream.set_nodelay(true);
        let info = TcpConnectInfo { local_addr: stream.local_addr().ok(), remote_addr: Some(peer) };
        let handshake = TlsAcceptor::from(Arc::clone(&self.tls)).accept(stream);
        let stream = tokio::time::timeout(self.limits.handshake, handshake)
            .await
            .map_err(|_| Ended::SlowHandshake)?
            .map_err(Ended::Handshake)?;
        let shown = stream.get_ref().1.peer_certificates();
        let certificates = shown.map(|chain| {
            PeerCertificates(chain.iter().map(|one| CertificateDer::from(one.to_vec())).collect())
        });

        let asked = Arc::new(Notify::new());
        let routes = self.routes.clone();
        let first = Arc::clone(&asked);
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            first.notify_one();
            if let Some(certificates) = &certificates {
                request.extensions_mut().insert(certificates.clone());
            }
            request.extensions_mut().insert(info.clone());
            routes.clone().oneshot(request.map(tonic::body::Body::new))
        });
        let builder = self.builder();
        let mut connection =
            std::pin::pin!(builder.serve_connection::<_, _, R>(TokioIo::new(stream), service));

        let mut silence = std::pin::pin!(tokio::time::sleep(self.limits.first_request));
        let mut waiting = true;
        let mut serving = true;
        loop {
            tokio::select! {
                ended = connection.as_mut() => return ended.map_err(Ended::Http),
                () = asked.notified(), if waiting => waiting = false,
                () = &mut silence, if waiting => return Err(Ended::Silent),
                _ = self.stopped.wait_for(|stopped| *stopped), if serving => {
                    serving = false;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }

    fn builder(&self) -> Builder<TokioExecutor> {
        let mut builder = Builder::new(TokioExecutor::new()).http2_only();
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.limits.streams)
            .max_header_list_size(self.limits.headers)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PONG);
        builder
    }
}

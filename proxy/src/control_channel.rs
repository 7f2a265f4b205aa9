//! The channel to the control plane: gRPC in TLS, the server verified against the mounted root, ourselves proven by
//! our certificate once there is one and by the service account's token.

use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint, Uri};

use crate::bootstrap::Bootstrap;

/// A connection must stand by then.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the control plane cannot be spoken to.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The root cannot be read: nobody could be believed.
    #[error(
        "the control plane's root {path} cannot be used: {why}; it is mounted from ConfigMap istio-ca-root-cert"
    )]
    Root {
        /// Which file.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// The token cannot be read.
    #[error("the service account token {path} cannot be read: {why}")]
    Token {
        /// Which file.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// The address is none.
    #[error("{0:?} is no host:port of a control plane")]
    Address(String),
    /// No connection.
    #[error("the control plane at {address} cannot be reached: {why}")]
    Connect {
        /// Where.
        address: String,
        /// What happened.
        why: String,
    },
}

/// A TLS stream to `address`, whose certificate comes from the mounted root and names that host.
///
/// # Errors
/// Says in words which step failed.
pub async fn dial(
    bootstrap: &Bootstrap,
    address: &str,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, ChannelError> {
    let path = || bootstrap.root.display().to_string();
    let unusable = |why: String| ChannelError::Root { path: path(), why };
    let mut roots = RootCertStore::empty();
    let certs = CertificateDer::pem_file_iter(&bootstrap.root)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| unusable(e.to_string()))?;
    roots.add_parsable_certificates(certs);
    if roots.is_empty() {
        return Err(unusable("it holds no certificate".into()));
    }
    let mut config = rustls::ClientConfig::builder_with_provider(crate::tls::provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| unusable(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let host = address.rsplit_once(':').map(|(host, _)| host.trim_matches(['[', ']']));
    let name = host.and_then(|h| ServerName::try_from(h.to_owned()).ok());
    let name = name.ok_or_else(|| ChannelError::Address(address.to_owned()))?;
    let failed = |why: String| ChannelError::Connect { address: address.to_owned(), why };
    let handshake = async {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        tokio_rustls::TlsConnector::from(std::sync::Arc::new(config)).connect(name, tcp).await
    };
    match tokio::time::timeout(PATIENCE, handshake).await {
        Ok(result) => result.map_err(|e| failed(e.to_string())),
        Err(_) => Err(failed(format!("no answer within {PATIENCE:?}"))),
    }
}

/// A gRPC channel to `address`.
///
/// # Errors
/// Says in words which step failed.
pub async fn connect(bootstrap: &Bootstrap, address: &str) -> Result<Channel, ChannelError> {
    let stream = dial(bootstrap, address).await?;
    let mut stream = Some(TokioIo::new(stream));
    let failed = |why: String| ChannelError::Connect { address: address.to_owned(), why };
    // The URI names the authority only: the connection stands already, and is used once.
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|e| failed(e.to_string()))?;
    let connector = tower::service_fn(move |_: Uri| {
        let stream = stream.take().ok_or_else(|| std::io::Error::other("the one connection is used up"));
        std::future::ready(stream)
    });
    endpoint.connect_with_connector(connector).await.map_err(|e| failed(e.to_string()))
}

/// The service account's token as a header.
///
/// # Errors
/// If the file cannot be read.
pub fn bearer(bootstrap: &Bootstrap) -> Result<MetadataValue<Ascii>, ChannelError> {
    let wrong = |why: String| ChannelError::Token { path: bootstrap.token.display().to_string(), why };
    let token = std::fs::read_to_string(&bootstrap.token).map_err(|e| wrong(e.to_string()))?;
    MetadataValue::try_from(format!("Bearer {}", token.trim())).map_err(|e| wrong(e.to_string()))
}

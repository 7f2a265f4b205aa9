//! The TLS side of a port, replaceable as a whole: certificate, key and trusted roots change together or not at all.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::RootCertStore;
use rustls::server::{NoServerSessionStorage, ServerConfig, VerifierBuilderError, WebPkiClientVerifier};
use rustls_pki_types::CertificateDer;

use crate::authority::ServingCertificate;

/// What new connections are greeted with; those that live keep what they were greeted with.
#[derive(Debug)]
pub struct ServerTls(ArcSwap<ServerConfig>);

/// Why a port cannot speak TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A trusted root is none.
    #[error("a root to verify client certificates with does not parse: {0}")]
    Root(rustls::Error),
    /// There is nothing to verify clients with.
    #[error("no root to verify client certificates with: {0}")]
    Roots(#[from] VerifierBuilderError),
    /// Certificate and key do not go together, or cannot be used.
    #[error("the serving certificate: {0}")]
    Certificate(#[from] rustls::Error),
}

impl ServerTls {
    /// Serves with `certificate`, and lets in clients that show none, or one that leads to `roots`.
    ///
    /// # Errors
    /// If a root does not parse, or key and certificate are not a pair.
    pub fn new(
        certificate: &ServingCertificate,
        roots: &[CertificateDer<'static>],
    ) -> Result<Self, TlsError> {
        Ok(Self(ArcSwap::from_pointee(config(certificate, roots)?)))
    }

    /// Greets new connections with another certificate and other roots from now on.
    ///
    /// # Errors
    /// As [`Self::new`]; then everything stays as it was.
    pub fn replace(
        &self,
        certificate: &ServingCertificate,
        roots: &[CertificateDer<'static>],
    ) -> Result<(), TlsError> {
        self.0.store(Arc::new(config(certificate, roots)?));
        Ok(())
    }

    /// What a connection that begins now is greeted with.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
        self.0.load_full()
    }
}

fn config(
    certificate: &ServingCertificate,
    roots: &[CertificateDer<'static>],
) -> Result<ServerConfig, TlsError> {
    // Named, never the process's default: a second provider somewhere in the program would make that a panic.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.clone()).map_err(TlsError::Root)?;
    }
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_client_cert_verifier(clients)
        .with_single_cert(certificate.chain.clone(), certificate.key.clone_key())?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    // No resumption: a ticket would carry an identity past the life of its certificate or root.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

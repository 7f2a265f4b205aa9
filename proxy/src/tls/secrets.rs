//! The secrets in force: our own certificate and the trust bundle, replaced as a whole when they rotate.
//!
//! Handshakes read them at the moment they happen, so a rotation touches no configuration and no open connection.

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::{ArcSwapOption, Cache};
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::files::Files;
use super::names::PeerNames;

/// The secrets of one workload; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    own: Arc<ArcSwapOption<Svid>>,
    trust: Arc<ArcSwapOption<Trust>>,
    files: Files,
}

/// Our own certificate and key.
#[derive(Debug)]
pub struct Svid {
    /// What rustls signs with.
    pub key: Arc<CertifiedKey>,
    /// Who it says we are.
    pub names: PeerNames,
    /// From when it counts.
    pub not_before: SystemTime,
    /// Until when.
    pub not_after: SystemTime,
    /// Serial number, hex.
    pub serial: String,
    /// Since when we have it.
    pub since: SystemTime,
}

/// What one thread last saw of our own certificate.
#[derive(Debug)]
pub struct CachedSvid(Cache<Arc<ArcSwapOption<Svid>>, Option<Arc<Svid>>>);

impl CachedSvid {
    /// The certificate in force, if there is one yet.
    pub fn load(&mut self) -> Option<&Svid> {
        self.0.load().as_deref()
    }
}

/// Whom we believe.
#[derive(Debug)]
pub struct Trust {
    /// The roots.
    pub roots: Arc<RootCertStore>,
    /// Their certificates, to be shown.
    pub certificates: Vec<CertificateDer<'static>>,
    /// Since when.
    pub since: SystemTime,
    /// The same, as rustls checks clients with it; it asks for no name.
    pub client_verifier: Arc<dyn ClientCertVerifier>,
}

/// Why a secret is refused.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Key or chain cannot be used.
    #[error("the certificate chain or its key cannot be used: {0}")]
    Chain(String),
    /// No root.
    #[error("the trust bundle holds no usable root certificate")]
    NoRoots,
}

impl Trust {
    /// Believes what `roots` signed.
    ///
    /// # Errors
    /// If there is no usable root.
    pub fn new(roots: impl IntoIterator<Item = CertificateDer<'static>>) -> Result<Self, SecretError> {
        let certificates: Vec<_> = roots.into_iter().collect();
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(certificates.iter().cloned());
        if store.is_empty() {
            return Err(SecretError::NoRoots);
        }
        let roots = Arc::new(store);
        let client_verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), super::provider())
            .build()
            .map_err(|e| SecretError::Chain(e.to_string()))?;
        Ok(Self { roots, certificates, since: SystemTime::now(), client_verifier })
    }
}

impl Svid {
    /// From a chain, leaf first, and its key.
    ///
    /// # Errors
    /// If the key is of no known kind, does not belong to the leaf, or the leaf cannot be read.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, SecretError> {
        let refused = |e: String| SecretError::Chain(e);
        let leaf = chain.first().ok_or_else(|| refused("it is empty".into()))?;
        let names = PeerNames::of(leaf).map_err(|e| refused(e.to_string()))?;
        let (_, parsed) = x509_parser::parse_x509_certificate(leaf).map_err(|e| refused(e.to_string()))?;
        let at = |t: x509_parser::time::ASN1Time| {
            SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(t.timestamp().max(0).unsigned_abs())
        };
        let (not_before, not_after) = (at(parsed.validity().not_before), at(parsed.validity().not_after));
        let serial = parsed.raw_serial_as_string();
        let key = CertifiedKey::from_der(chain.clone(), key, &super::provider())
            .map_err(|e| refused(e.to_string()))?;
        Ok(Self { key: Arc::new(key), names, not_before, not_after, serial, since: SystemTime::now() })
    }
}

impl Secrets {
    /// Puts a new certificate in force.
    pub fn publish_svid(&self, svid: Svid) {
        self.own.store(Some(Arc::new(svid)));
    }

    /// Puts a new trust bundle in force.
    pub fn publish_trust(&self, trust: Trust) {
        self.trust.store(Some(Arc::new(trust)));
    }

    /// Secrets that stand in files.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Our certificate for one thread that asks for it often: to ask costs a comparison.
    pub fn cached_svid(&self) -> CachedSvid {
        CachedSvid(Cache::new(self.own.clone()))
    }

    /// Our certificate, if there is one yet.
    pub fn svid(&self) -> Option<Arc<Svid>> {
        self.own.load_full()
    }

    /// The trust bundle, if there is one yet.
    pub fn trust(&self) -> Option<Arc<Trust>> {
        self.trust.load_full()
    }
}

//! The server side: rustls configurations for a filter chain's `DownstreamTls`.

use std::sync::Arc;

use rustls::DigitallySignedStruct;
use rustls::DistinguishedName;
use rustls::SignatureScheme;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, UnixTime};
use weft_model::tls::{DownstreamTls, SanMatcher, TlsVersion};

use super::foreign::foreign_name;
use super::names::PeerNames;
use super::secrets::Secrets;
use super::signatures;

/// A filter chain's TLS, ready for handshakes.
#[derive(Debug, Clone)]
pub struct Acceptor {
    /// Offers the chain's ALPN.
    with_alpn: Arc<ServerConfig>,
    /// Offers none: for clients whose list has nothing in common with ours, where rustls would abort and Envoy goes on.
    without_alpn: Arc<ServerConfig>,
}

/// Why a chain's TLS cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// rustls refused the settings.
    #[error("TLS settings are refused: {0}")]
    Refused(String),
    /// A file cannot be read.
    #[error("{path}: {error}; the connection stays refused until it can be read")]
    File {
        /// Which.
        path: String,
        /// Why.
        error: String,
    },
}

impl Acceptor {
    /// Compiles `tls`, which takes its secrets from `secrets` whenever a handshake happens.
    ///
    /// # Errors
    /// If the settings cannot be met; nothing is weakened to meet them.
    pub fn new(
        tls: &DownstreamTls,
        own: Arc<dyn ResolvesServerCert>,
        secrets: &Secrets,
    ) -> Result<Self, TlsError> {
        let builder = ServerConfig::builder_with_provider(super::provider())
            .with_protocol_versions(versions(tls.common.min_version, tls.common.max_version))
            .map_err(|e| TlsError::Refused(e.to_string()))?;
        let builder = if tls.common.validation.roots.is_some() || tls.require_client_certificate {
            builder.with_client_cert_verifier(Arc::new(ClientVerifier {
                secrets: secrets.clone(),
                wanted: tls.common.validation.match_sans.clone(),
                mandatory: tls.require_client_certificate,
            }))
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder.with_cert_resolver(own);
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.max_fragment_size = None;
        let without_alpn = Arc::new(config.clone());
        config.alpn_protocols = tls.common.alpn.iter().map(|p| p.clone().into_bytes()).collect();
        Ok(Self { with_alpn: Arc::new(config), without_alpn })
    }

    /// The configuration for a client that offered `alpn`.
    pub fn config(&self, alpn: &[Vec<u8>]) -> Arc<ServerConfig> {
        let common = alpn.iter().any(|offered| self.with_alpn.alpn_protocols.contains(offered));
        if common { self.with_alpn.clone() } else { self.without_alpn.clone() }
    }
}

/// rustls's versions for a range of them.
pub(super) fn versions(
    min: Option<TlsVersion>,
    max: Option<TlsVersion>,
) -> &'static [&'static rustls::SupportedProtocolVersion] {
    use rustls::version::{TLS12, TLS13};
    static ONLY_12: [&rustls::SupportedProtocolVersion; 1] = [&TLS12];
    static ONLY_13: [&rustls::SupportedProtocolVersion; 1] = [&TLS13];
    static BOTH: [&rustls::SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
    match (min.unwrap_or(TlsVersion::V1_2), max.unwrap_or(TlsVersion::V1_3)) {
        (TlsVersion::V1_3, _) => &ONLY_13,
        (TlsVersion::V1_2, TlsVersion::V1_2) => &ONLY_12,
        (TlsVersion::V1_2, TlsVersion::V1_3) => &BOTH,
    }
}

/// Answers with the workload's own certificate.
#[derive(Debug)]
pub struct OwnCertificate(pub Secrets);

impl ResolvesServerCert for OwnCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.svid().map(|svid| svid.key.clone())
    }
}

/// Believes clients that the bundle in force vouches for, and whose names are asked for.
#[derive(Debug)]
struct ClientVerifier {
    secrets: Secrets,
    wanted: Vec<SanMatcher>,
    mandatory: bool,
}

impl ClientCertVerifier for ClientVerifier {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let trust = self.secrets.trust().ok_or_else(|| no_bundle("client"))?;
        let verified = trust.client_verifier.verify_client_cert(leaf, intermediates, now)?;
        let names = PeerNames::of(leaf).map_err(|e| rustls::Error::General(e.to_string()))?;
        if names.satisfy(&self.wanted) { Ok(verified) } else { Err(foreign_name(&names)) }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        signatures::verify_tls12(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        signatures::verify_tls13(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        signatures::schemes()
    }
}

/// No trust bundle yet: nobody is believed.
pub(super) fn no_bundle(whose: &str) -> rustls::Error {
    rustls::Error::General(format!(
        "no trust bundle yet, so no {whose} can be believed; see /ready for what is missing"
    ))
}

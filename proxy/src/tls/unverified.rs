//! TLS with whoever answers, as a kubelet's probes over HTTPS have it: they ask whether the app is well, not who it is, and
//! carry nothing that a stranger may not see. And as `weft curl -k` is asked to have it. For nothing else.

use std::sync::{Arc, LazyLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{provider, signatures};

/// Believes every certificate; the handshake must still be signed by its key.
#[derive(Debug)]
struct Anybody;

/// For a client that asks nobody for proof.
pub fn config() -> Arc<ClientConfig> {
    static CONFIG: LazyLock<Option<Arc<ClientConfig>>> = LazyLock::new(|| {
        let config =
            ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().ok()?;
        let mut config =
            config.dangerous().with_custom_certificate_verifier(Arc::new(Anybody)).with_no_client_auth();
        config.resumption = rustls::client::Resumption::disabled();
        Some(Arc::new(config))
    });
    CONFIG.clone().expect("the provider has cipher suites for the versions of rustls")
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        signatures::verify_tls12(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        signatures::verify_tls13(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        signatures::schemes()
    }
}

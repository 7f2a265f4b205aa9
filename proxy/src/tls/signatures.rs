//! Signatures of a handshake, which either side checks alike: rustls asks for it by two traits.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::{DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::CertificateDer;

fn algorithms() -> WebPkiSupportedAlgorithms {
    super::provider().signature_verification_algorithms
}

/// TLS 1.2's.
pub(super) fn verify_tls12(
    message: &[u8],
    cert: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    rustls::crypto::verify_tls12_signature(message, cert, signed, &algorithms())
}

/// TLS 1.3's.
pub(super) fn verify_tls13(
    message: &[u8],
    cert: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    rustls::crypto::verify_tls13_signature(message, cert, signed, &algorithms())
}

/// What can be checked.
pub(super) fn schemes() -> Vec<SignatureScheme> {
    algorithms().supported_schemes()
}

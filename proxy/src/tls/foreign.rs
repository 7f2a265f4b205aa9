//! A certificate that somebody vouches for, but of somebody else; and what a handshake failed by, in words.

use std::io;
use std::sync::Arc;

use rustls::{CertificateError, Error, InvalidMessage, OtherError};

use super::names::PeerNames;

#[derive(Debug, thiserror::Error)]
#[error(
    "the names of its certificate are {0}, and none of them is one that is asked for (subjectAltNames, server name)"
)]
struct Foreign(String);

/// The refusal of a certificate with these names.
pub(super) fn foreign_name(names: &PeerNames) -> Error {
    // A certificate may carry thousands.
    let some: Vec<&str> = names.uris.iter().chain(&names.dns).map(String::as_str).take(4).collect();
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(Foreign(some.join(", "))))))
}

/// Why a handshake failed. What rustls shows of errors that are not its own is for debugging.
pub fn words(error: &io::Error) -> String {
    let of_rustls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match of_rustls {
        Some(Error::InvalidCertificate(CertificateError::Other(OtherError(foreign)))) => {
            format!("invalid peer certificate: {foreign}")
        }
        Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            "what came is no TLS: the other end speaks plaintext".to_owned()
        }
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the other end closed the connection within the handshake".to_owned()
        }
        _ => error.to_string(),
    }
}

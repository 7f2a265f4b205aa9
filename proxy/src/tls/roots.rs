//! Roots that somebody named for a cluster (`caCertificates`): what vouches for servers, and may be the server itself.
//!
//! A certificate that signed itself (`openssl req -x509`) says that it is a CA's, and still is what its server shows. Who
//! names exactly that certificate believes exactly that server, as with Envoy and curl.

use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, RootCertStore};
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Roots, and the certificates themselves.
#[derive(Debug)]
pub struct Named {
    store: RootCertStore,
    certificates: Vec<CertificateDer<'static>>,
}

impl Named {
    /// `None`: none of them can be used.
    pub fn new(certificates: Vec<CertificateDer<'static>>) -> Option<Self> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(certificates.iter().cloned());
        (!store.is_empty()).then_some(Self { store, certificates })
    }

    /// How many roots there are.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        self.store.len()
    }

    /// Do they vouch for `leaf`, or is it one of them?
    ///
    /// # Errors
    /// Why not.
    pub fn vouch(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        if self.certificates.iter().any(|own| own.as_ref() == leaf.as_ref()) {
            return in_its_time(leaf, now);
        }
        verify(&self.store, leaf, intermediates, now)
    }
}

/// A chain from one of `roots` to `leaf`.
pub fn verify(
    roots: &RootCertStore,
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    now: UnixTime,
) -> Result<(), rustls::Error> {
    let parsed = ParsedCertificate::try_from(leaf)?;
    let algorithms = super::provider().signature_verification_algorithms.all;
    let verified = verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, algorithms);
    // The library's own word for it tells nobody what to do.
    let of_ca = || X509Certificate::from_der(leaf).is_ok_and(|(_, certificate)| certificate.is_ca());
    verified.map_err(|why| match why {
        rustls::Error::InvalidCertificate(CertificateError::Other(_)) if of_ca() => {
            rustls::Error::General(
                "the server shows a certificate that is marked as a CA's (as a self-signed one is) and that is none of \
                 those that are trusted: name exactly it in caCertificates, or give the server one that a CA signed"
                    .into(),
            )
        }
        why => why,
    })
}

fn in_its_time(leaf: &CertificateDer<'_>, now: UnixTime) -> Result<(), rustls::Error> {
    let (_, certificate) = X509Certificate::from_der(leaf).map_err(|_| CertificateError::BadEncoding)?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = certificate.validity();
    if now < validity.not_before.timestamp() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after.timestamp() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests;

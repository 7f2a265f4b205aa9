//! The issuing certificate, what stands above it, and what it signs.
//!
//! A workload's certificate holds what the authority decides and nothing that the request asked for: of the request
//! only the public key is used. Whatever is issued is parsed again and its whole path verified before it is handed out,
//! so that a mistake here or in a library below is an error to one caller and not a certificate in the world.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rcgen::{Issuer, KeyPair};
use rustls_pki_types::{CertificateDer, DnsName, PrivateKeyDer, PrivatePkcs8KeyDer};
use weft_model::identity::SpiffeId;

use crate::moment;
use leaf::{Leaf, Names};
pub use request::RequestError;

mod files;
mod fresh;
mod leaf;
mod path;
mod pem;
mod request;

pub use files::{FileError, SetError};
pub use fresh::FreshError;

/// How long a certificate lives if its caller asks for nothing.
pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// The longest life that may be asked for.
pub const MAX_LIFETIME: Duration = Duration::from_secs(90 * 24 * 3600);

/// How far back a certificate begins, for clocks that are late.
pub const BACKDATE: Duration = Duration::from_secs(120);

/// An issuer of workload certificates for one trust domain.
///
/// Debug output holds no key.
pub struct Authority {
    trust_domain: String,
    issuer: Issuer<'static, KeyPair>,
    /// The subject that every certificate must name as its issuer, DER.
    subject: Vec<u8>,
    /// What stands between a leaf and its root, the issuing certificate first; empty if that is the root itself.
    chain: Vec<CertificateDer<'static>>,
    /// The roots to be trusted, the one above `chain` first.
    roots: Vec<CertificateDer<'static>>,
    /// The second from which something above the leaf is expired.
    expires: u64,
}

/// Why no certificate was issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The request itself is to blame.
    #[error("certificate request: {0}")]
    Request(#[from] RequestError),
    /// The caller asked for more than the authority gives.
    #[error("a lifetime of {asked} s was asked for; the longest is {max} s (90 days)", max = MAX_LIFETIME.as_secs())]
    TooLong {
        /// Seconds asked for.
        asked: u64,
    },
    /// The identity is of another mesh.
    #[error("{id} is not of the trust domain {trust_domain}, the only one that this authority issues for")]
    Foreign {
        /// The identity asked for.
        id: SpiffeId,
        /// The authority's own trust domain.
        trust_domain: String,
    },
    /// A name that a server certificate cannot hold.
    #[error("{0:?} is no DNS name")]
    Name(String),
    /// A server certificate that would name nothing.
    #[error("a server certificate needs at least one DNS name or address")]
    NoName,
    /// The authority itself has run out.
    #[error(
        "the issuing certificate expired at {0}; give the authority a new one (ca-cert.pem and ca-key.pem)"
    )]
    Expired(String),
    /// The library refused.
    #[error("signing failed: {0}")]
    Signing(#[from] rcgen::Error),
    /// What was signed is not what was meant; nothing was handed out.
    #[error("a certificate was signed that fails the authority's own check and is withheld: {0}")]
    Check(String),
}

/// A control plane's own certificate, with its key.
pub struct ServingCertificate {
    /// The leaf, then what stands between it and the root.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub key: PrivateKeyDer<'static>,
    /// When it was made.
    pub issued: SystemTime,
    /// From when it is no longer valid.
    pub expires: SystemTime,
}

impl Authority {
    /// The trust domain of every identity issued.
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// The roots that verify what is issued here, the authority's own first.
    pub fn roots(&self) -> &[CertificateDer<'static>] {
        &self.roots
    }

    /// The roots as one PEM text: the file `root-cert.pem`.
    pub fn trust_bundle(&self) -> String {
        self.roots.iter().map(|root| pem::certificate(root)).collect()
    }

    /// From when this authority can issue nothing more.
    pub fn expires(&self) -> SystemTime {
        moment::system(self.expires)
    }

    /// Issues a certificate for `id` over the public key of a signing request (PEM).
    ///
    /// `lifetime` is what the caller asked for, `None` leaves it to the authority; it never reaches past the issuing
    /// certificate's own. Gives PEM texts: leaf, intermediates, and last the root (or all roots, if there are several).
    ///
    /// # Errors
    /// If the request, the identity or the lifetime is refused, or the authority itself has expired.
    pub fn issue(
        &self,
        request: &str,
        id: &SpiffeId,
        lifetime: Option<Duration>,
        now: SystemTime,
    ) -> Result<Vec<String>, IssueError> {
        if id.trust_domain != self.trust_domain {
            return Err(IssueError::Foreign { id: id.clone(), trust_domain: self.trust_domain.clone() });
        }
        let lifetime = lifetime.unwrap_or(DEFAULT_LIFETIME);
        if lifetime > MAX_LIFETIME {
            return Err(IssueError::TooLong { asked: lifetime.as_secs() });
        }
        let key = request::public_key(request)?;
        let (der, _) = self.sign(&key, Names::Workload(id), lifetime, now)?;
        let mut answer = vec![pem::certificate(&der)];
        answer.extend(self.chain.iter().map(|certificate| pem::certificate(certificate)));
        answer.push(self.trust_bundle());
        Ok(answer)
    }

    /// Makes a key and a server certificate for the control plane itself: serverAuth alone, no identity.
    ///
    /// # Errors
    /// If a name cannot stand in a certificate, there is none, or the authority itself has expired.
    pub fn serving_certificate(
        &self,
        dns_names: &[String],
        addresses: &[IpAddr],
        now: SystemTime,
    ) -> Result<ServingCertificate, IssueError> {
        if dns_names.is_empty() && addresses.is_empty() {
            return Err(IssueError::NoName);
        }
        if let Some(name) = dns_names.iter().find(|name| DnsName::try_from(name.as_str()).is_err()) {
            return Err(IssueError::Name(name.clone()));
        }
        let key = KeyPair::generate()?;
        let (der, expires) =
            self.sign(&key, Names::Server { dns_names, addresses }, DEFAULT_LIFETIME, now)?;
        let mut chain = vec![der];
        chain.extend(self.chain.iter().cloned());
        Ok(ServingCertificate {
            chain,
            key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            issued: now,
            expires: moment::system(expires),
        })
    }

    /// Signs a leaf and proves it: its content first, then its path up to a root. Gives it with its last second.
    fn sign(
        &self,
        key: &impl rcgen::PublicKeyData,
        names: Names<'_>,
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<(CertificateDer<'static>, u64), IssueError> {
        let begin = moment::seconds(now);
        if begin >= self.expires {
            return Err(IssueError::Expired(moment::date(self.expires).to_string()));
        }
        let leaf = Leaf {
            names,
            not_before: begin.saturating_sub(BACKDATE.as_secs()),
            not_after: begin.saturating_add(lifetime.as_secs()).min(self.expires),
        };
        let der = leaf.sign(key, &self.issuer)?;
        leaf.check(&der, &key.subject_public_key_info(), &self.subject).map_err(IssueError::Check)?;
        path::verify(&der, &self.chain, &self.roots, now, leaf.names.is_workload())
            .map_err(|error| IssueError::Check(error.to_string()))?;
        Ok((der, leaf.not_after))
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("trust_domain", &self.trust_domain)
            .field("expires", &self.expires())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ServingCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServingCertificate").field("expires", &self.expires).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

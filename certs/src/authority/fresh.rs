//! A new authority: a root that signs one issuing certificate and is never used again.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use weft_model::identity::SpiffeId;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use super::{Authority, BACKDATE, leaf};
use crate::moment;

/// How long a new root lives, and its issuing certificate with it: the root's key is not kept, so nothing could renew
/// the one without the other.
const LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Why no authority was made.
#[derive(Debug, thiserror::Error)]
pub enum FreshError {
    /// The trust domain cannot stand in an identity.
    #[error("trust domain {0:?}: lower-case letters, digits, dots, dashes and underscores are allowed")]
    TrustDomain(String),
    /// The library refused.
    #[error("making the authority's keys and certificates failed: {0}")]
    Making(#[from] rcgen::Error),
}

/// A new authority with what is worth keeping of it.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) authority: Authority,
    /// The issuing certificate's key, PKCS #8 in PEM.
    pub(super) key: Zeroizing<String>,
}

impl Authority {
    /// A new authority, in memory only: a root and an issuing certificate below it, ECDSA P-256, ten years.
    ///
    /// # Errors
    /// If the trust domain is none, or no key can be made.
    pub fn fresh(trust_domain: &str, now: SystemTime) -> Result<Self, FreshError> {
        make(trust_domain, now).map(|fresh| fresh.authority)
    }
}

/// Makes the authority and hands its key out, to be saved.
pub(super) fn make(trust_domain: &str, now: SystemTime) -> Result<Fresh, FreshError> {
    if SpiffeId::new(trust_domain, "ns", "sa").is_err() {
        return Err(FreshError::TrustDomain(trust_domain.to_owned()));
    }
    let begin = moment::seconds(now);
    let expires = begin.saturating_add(LIFETIME.as_secs());
    let root_key = KeyPair::generate()?;
    let root = params(trust_domain, "weft root", 1, begin, expires)?;
    let root_certificate = root.self_signed(&root_key)?;
    let root_issuer = Issuer::from_params(&root, &root_key);

    let key = KeyPair::generate()?;
    let issuing = params(trust_domain, "weft issuing", 0, begin, expires)?;
    let issuing_certificate = issuing.signed_by(&key, &root_issuer)?;
    let pem = Zeroizing::new(key.serialize_pem());

    let authority = Authority {
        trust_domain: trust_domain.to_owned(),
        subject: subject(issuing_certificate.der()),
        issuer: Issuer::new(issuing, key),
        chain: vec![issuing_certificate.into()],
        roots: vec![root_certificate.into()],
        expires,
    };
    Ok(Fresh { authority, key: pem })
}

/// What a certificate of a CA says; `below` is how many CAs may follow.
fn params(
    organization: &str,
    name: &str,
    below: u8,
    begin: u64,
    expires: u64,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, organization);
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(leaf::serial()?);
    params.not_before = moment::date(begin.saturating_sub(BACKDATE.as_secs()));
    params.not_after = moment::date(expires);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// The DER of a certificate's subject.
fn subject(der: &[u8]) -> Vec<u8> {
    let (_, certificate) = X509Certificate::from_der(der).expect("made a moment ago");
    certificate.subject.as_raw().to_vec()
}

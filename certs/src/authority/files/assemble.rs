//! Four texts to one authority, if they fit together.

use std::time::SystemTime;

use rcgen::{Issuer, KeyPair};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use weft_model::identity::SpiffeId;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::super::leaf::{Leaf, Names};
use super::super::{Authority, path};
use crate::moment;

/// More certificates than any honest chain or bundle.
const MAX_CERTIFICATES: usize = 64;

/// The texts of the four files.
pub(super) struct Set<'a> {
    pub(super) key: &'a str,
    pub(super) certificate: &'a str,
    pub(super) chain: &'a str,
    pub(super) roots: &'a str,
}

/// Why four files make no authority.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// A file is no PEM of what it should hold.
    #[error("{file} does not hold {what} in PEM: {why}")]
    Pem {
        /// The file.
        file: &'static str,
        /// What it should hold.
        what: &'static str,
        /// What was found.
        why: String,
    },
    /// The trust domain cannot stand in an identity.
    #[error("trust domain {0:?}: lower-case letters, digits, dots, dashes and underscores are allowed")]
    TrustDomain(String),
    /// The key is of a kind that cannot sign.
    #[error("ca-key.pem holds a key that cannot be used: {0}")]
    Key(rcgen::Error),
    /// Key and certificate are not a pair.
    #[error("ca-key.pem is not the key of ca-cert.pem")]
    Mismatch,
    /// The issuing certificate may not issue.
    #[error("ca-cert.pem is not a certificate that may sign others ({0})")]
    NoCa(&'static str),
    /// Its name cannot be repeated in what it issues.
    #[error("ca-cert.pem's subject is of a shape that cannot be written as an issuer: {0}")]
    Subject(&'static str),
    /// Out of its time.
    #[error("{which} is valid from {from} to {to}, and it is {now}")]
    Time {
        /// Which certificate.
        which: &'static str,
        /// Its first moment.
        from: String,
        /// Its last.
        to: String,
        /// The moment of the question.
        now: String,
    },
    /// A trial leaf could not be signed.
    #[error("a trial certificate could not be signed: {0}")]
    Signing(#[from] rcgen::Error),
    /// A trial leaf was not what it should be.
    #[error("a trial certificate came out wrong: {0}")]
    Trial(String),
    /// A trial leaf leads to no root.
    #[error(
        "a trial certificate does not verify: {0}; do cert-chain.pem and root-cert.pem belong to ca-cert.pem?"
    )]
    Path(webpki::Error),
}

/// Makes an authority of the set, having tried it.
pub(super) fn authority(set: &Set<'_>, trust_domain: &str, now: SystemTime) -> Result<Authority, SetError> {
    let id = SpiffeId::new(trust_domain, "trial", "trial")
        .map_err(|_| SetError::TrustDomain(trust_domain.to_owned()))?;
    let key = KeyPair::try_from(&key(set.key)?).map_err(SetError::Key)?;
    let mut known = certificates("ca-cert.pem", set.certificate)?;
    let mut roots = certificates("root-cert.pem", set.roots)?;
    known.extend(certificates("cert-chain.pem", set.chain)?);

    let issuing = known[0].clone();
    let subject = may_issue(&issuing, &key)?;
    in_time("ca-cert.pem", &issuing, now)?;

    // Istio's chain file repeats the issuing certificate, and may repeat the root.
    let mut candidates: Vec<CertificateDer<'static>> = Vec::new();
    for certificate in known {
        if !roots.contains(&certificate) && !candidates.contains(&certificate) {
            candidates.push(certificate);
        }
    }
    let issuer = Issuer::from_ca_cert_der(&issuing, key).map_err(|_| SetError::NoCa("it does not parse"))?;
    let leaf = trial(&id, &issuer, &subject, now)?;
    let way = path::verify(&leaf, &candidates, &roots, now, true).map_err(SetError::Path)?;
    in_time("the root in root-cert.pem", &roots[way.root], now)?;

    let mut above: Vec<&CertificateDer<'_>> = way.intermediates.iter().map(|at| &candidates[*at]).collect();
    above.push(&roots[way.root]);
    let expires = above.into_iter().map(|certificate| validity(certificate).1).min().unwrap_or(0);

    let mut chain: Vec<_> = way.intermediates.iter().map(|at| candidates[*at].clone()).collect();
    // What the path did not need may be a cross-signature for peers that know only an older root.
    chain.extend(
        candidates
            .iter()
            .enumerate()
            .filter(|(at, _)| !way.intermediates.contains(at))
            .map(|(_, c)| c.clone()),
    );
    roots.swap(0, way.root);
    Ok(Authority { trust_domain: trust_domain.to_owned(), issuer, subject, chain, roots, expires })
}

/// A certificate for nobody, to see whether the set works.
fn trial(
    id: &SpiffeId,
    issuer: &Issuer<'_, KeyPair>,
    subject: &[u8],
    now: SystemTime,
) -> Result<CertificateDer<'static>, SetError> {
    let begin = moment::seconds(now);
    let leaf = Leaf { names: Names::Workload(id), not_before: begin, not_after: begin + 60 };
    let key = KeyPair::generate()?;
    let der = leaf.sign(&key, issuer)?;
    let spki = rcgen::PublicKeyData::subject_public_key_info(&key);
    leaf.check(&der, &spki, subject).map_err(SetError::Trial)?;
    Ok(der)
}

/// The one private key of a text.
fn key(text: &str) -> Result<PrivateKeyDer<'static>, SetError> {
    let pem =
        |why: String| SetError::Pem { file: "ca-key.pem", what: "a private key without a passphrase", why };
    let mut keys = PrivateKeyDer::pem_slice_iter(text.as_bytes());
    match (keys.next(), keys.next()) {
        (Some(Ok(key)), None) => Ok(key),
        (None, _) => Err(pem("there is none".to_owned())),
        (Some(Err(error)), _) => Err(pem(error.to_string())),
        (Some(Ok(_)), Some(_)) => Err(pem("there is more after it".to_owned())),
    }
}

/// All certificates of a text; at least one.
fn certificates(file: &'static str, text: &str) -> Result<Vec<CertificateDer<'static>>, SetError> {
    let pem = |why: String| SetError::Pem { file, what: "certificates", why };
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
        let certificate = certificate.map_err(|error| pem(error.to_string()))?;
        match X509Certificate::from_der(&certificate) {
            Ok(([], _)) => {}
            _ => return Err(pem("one of them does not parse".to_owned())),
        }
        found.push(certificate);
        if found.len() > MAX_CERTIFICATES {
            return Err(pem(format!("there are more than {MAX_CERTIFICATES}")));
        }
    }
    if found.is_empty() { Err(pem("there is none".to_owned())) } else { Ok(found) }
}

/// The subject of the issuing certificate, if it may issue and the key is its own.
fn may_issue(issuing: &CertificateDer<'_>, key: &KeyPair) -> Result<Vec<u8>, SetError> {
    let (_, parsed) = X509Certificate::from_der(issuing).map_err(|_| SetError::NoCa("it does not parse"))?;
    if parsed.public_key().raw != rcgen::PublicKeyData::subject_public_key_info(key) {
        return Err(SetError::Mismatch);
    }
    if !parsed.is_ca() {
        return Err(SetError::NoCa("CA:TRUE is not among its basic constraints"));
    }
    match parsed.key_usage() {
        Ok(None) => {}
        Ok(Some(usage)) if usage.value.key_cert_sign() => {}
        _ => return Err(SetError::NoCa("its key usage is without keyCertSign")),
    }
    if parsed.subject.iter().next().is_none() {
        return Err(SetError::Subject("it is empty"));
    }
    if parsed.subject.iter().any(|part| part.iter().count() != 1) {
        return Err(SetError::Subject("a part of it has several attributes"));
    }
    Ok(parsed.subject.as_raw().to_vec())
}

/// First and last second of a certificate that has been parsed before.
fn validity(certificate: &CertificateDer<'_>) -> (u64, u64) {
    X509Certificate::from_der(certificate).map_or((u64::MAX, 0), |(_, parsed)| {
        (moment::parsed(parsed.validity().not_before), moment::parsed(parsed.validity().not_after))
    })
}

fn in_time(which: &'static str, certificate: &CertificateDer<'_>, now: SystemTime) -> Result<(), SetError> {
    let (from, to) = validity(certificate);
    let moment = moment::seconds(now);
    if (from..to).contains(&moment) {
        return Ok(());
    }
    let text = |seconds| moment::date(seconds).to_string();
    Err(SetError::Time { which, from: text(from), to: text(to), now: text(moment) })
}

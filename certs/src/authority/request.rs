//! What is believed of a certificate signing request: its public key, once its signature shows that the sender has the
//! private one. Names, extensions and attributes are not looked at.

use rcgen::SubjectPublicKeyInfo;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{
    CertificateSigningRequestDer, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer,
};
use webpki::aws_lc_rs as algorithms;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;

/// The largest request read; one with an RSA key of 8192 bits has about 4 KiB.
pub(super) const MAX_BYTES: usize = 16 * 1024;

/// The smallest RSA modulus signed.
const MIN_RSA_BITS: usize = 2048;

/// The largest RSA modulus signed: a larger one only makes every handshake expensive.
const MAX_RSA_BITS: usize = 8192;

/// How a request may be signed: the algorithm's object identifier, and what verifies it.
static SIGNATURES: [(&str, &dyn SignatureVerificationAlgorithm); 10] = [
    ("1.2.840.10045.4.3.2", algorithms::ECDSA_P256_SHA256),
    ("1.2.840.10045.4.3.2", algorithms::ECDSA_P384_SHA256),
    ("1.2.840.10045.4.3.3", algorithms::ECDSA_P256_SHA384),
    ("1.2.840.10045.4.3.3", algorithms::ECDSA_P384_SHA384),
    ("1.2.840.10045.4.3.4", algorithms::ECDSA_P256_SHA512),
    ("1.2.840.10045.4.3.4", algorithms::ECDSA_P384_SHA512),
    ("1.2.840.113549.1.1.11", algorithms::RSA_PKCS1_2048_8192_SHA256),
    ("1.2.840.113549.1.1.12", algorithms::RSA_PKCS1_2048_8192_SHA384),
    ("1.2.840.113549.1.1.13", algorithms::RSA_PKCS1_2048_8192_SHA512),
    ("1.3.101.112", algorithms::ED25519),
];

/// What is wrong with a signing request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Longer than any honest request.
    #[error("it has {0} bytes; at most {MAX_BYTES} are read")]
    TooLarge(usize),
    /// Not one PEM section of the right kind.
    #[error("it is not PEM with one CERTIFICATE REQUEST section: {0}")]
    Pem(String),
    /// The section holds something else.
    #[error("its CERTIFICATE REQUEST section holds no PKCS #10 request")]
    Der,
    /// The key may not be certified.
    #[error("its key is {0}; ECDSA P-256 or P-384, Ed25519 and RSA of 2048 to 8192 bits are signed")]
    Key(String),
    /// Signed in a way that is not accepted.
    #[error("it is signed with the algorithm {0}, which is not accepted for its key")]
    Algorithm(String),
    /// The sender does not have the private key.
    #[error("its signature does not verify with its own public key")]
    Signature,
}

/// The public key of a request, proven to be its sender's.
pub(super) fn public_key(request: &str) -> Result<SubjectPublicKeyInfo, RequestError> {
    if request.len() > MAX_BYTES {
        return Err(RequestError::TooLarge(request.len()));
    }
    let mut sections = CertificateSigningRequestDer::pem_slice_iter(request.as_bytes());
    let der = match (sections.next(), sections.next()) {
        (Some(Ok(der)), None) => der,
        (None, _) => return Err(RequestError::Pem("there is none".to_owned())),
        (Some(Err(error)), _) => return Err(RequestError::Pem(error.to_string())),
        (Some(Ok(_)), Some(_)) => return Err(RequestError::Pem("there is more after it".to_owned())),
    };
    let (rest, parsed) = X509CertificationRequest::from_der(&der).map_err(|_| RequestError::Der)?;
    if !rest.is_empty() {
        return Err(RequestError::Der);
    }
    let info = &parsed.certification_request_info;
    let key = allowed(info.subject_pki.raw, info.subject_pki.parsed().ok())?;
    verify(&parsed)?;
    Ok(key)
}

/// The key, if it is of a kind and size that is certified.
fn allowed(spki: &[u8], parsed: Option<PublicKey<'_>>) -> Result<SubjectPublicKeyInfo, RequestError> {
    let key =
        SubjectPublicKeyInfo::from_der(spki).map_err(|_| RequestError::Key("of another kind".to_owned()))?;
    let kind = rcgen::PublicKeyData::algorithm(&key);
    let rsa = kind == &rcgen::PKCS_RSA_SHA256;
    let uncompressed = rcgen::PublicKeyData::der_bytes(&key).first() == Some(&4);
    match parsed {
        Some(PublicKey::RSA(modulus)) if rsa => {
            let bits = modulus.key_size();
            if (MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
                Ok(key)
            } else {
                Err(RequestError::Key(format!("RSA of {bits} bits")))
            }
        }
        // A compressed point is legal and hardly any TLS library reads it.
        _ if kind == &rcgen::PKCS_ECDSA_P256_SHA256 || kind == &rcgen::PKCS_ECDSA_P384_SHA384 => {
            if uncompressed {
                Ok(key)
            } else {
                Err(RequestError::Key("a compressed point".to_owned()))
            }
        }
        _ if kind == &rcgen::PKCS_ED25519 => Ok(key),
        _ => Err(RequestError::Key("of another kind".to_owned())),
    }
}

/// Proves that the request was signed with the private key of the key it holds.
fn verify(request: &X509CertificationRequest<'_>) -> Result<(), RequestError> {
    let info = &request.certification_request_info;
    let spki = SubjectPublicKeyInfoDer::from(info.subject_pki.raw);
    let entity = webpki::RawPublicKeyEntity::try_from(&spki).map_err(|_| RequestError::Der)?;
    let oid = request.signature_algorithm.algorithm.to_id_string();
    for (_, algorithm) in SIGNATURES.iter().filter(|(known, _)| *known == oid) {
        match entity.verify_signature(*algorithm, info.raw, &request.signature_value.data) {
            Ok(()) => return Ok(()),
            // One object identifier stands for ECDSA on several curves.
            Err(webpki::Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)) => {}
            Err(_) => return Err(RequestError::Signature),
        }
    }
    Err(RequestError::Algorithm(oid))
}

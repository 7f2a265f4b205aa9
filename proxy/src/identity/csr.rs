//! One certificate: a fresh key, a signing request, the authority's answer.

use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tonic::metadata::MetadataValue;
use weft_wire::istio::ca::IstioCertificateRequest;
use weft_wire::istio::ca::istio_certificate_service_client::IstioCertificateServiceClient;

use crate::bootstrap::Bootstrap;
use crate::control_channel;
use crate::tls::secrets::{SecretError, Svid, Trust};

/// How long a certificate is asked for: Istio's default.
const TTL: Duration = Duration::from_secs(24 * 3600);

/// The authority must have answered by then.
const PATIENCE: Duration = Duration::from_secs(15);

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CsrError {
    /// No key or request could be made.
    #[error("no signing request could be made: {0}")]
    Request(String),
    /// The channel's own trouble: root or token unreadable, no address.
    #[error(transparent)]
    Channel(#[from] control_channel::ChannelError),
    /// The authority refused or could not be reached.
    #[error(
        "the authority at {ca} gave no certificate: {status}; is it running, and is the token for this service account?"
    )]
    Refused {
        /// Where it was asked.
        ca: String,
        /// What it said.
        status: String,
    },
    /// The answer cannot be used.
    #[error("the authority's answer cannot be used: {0}")]
    Answer(String),
    /// The answer cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

/// Asks for a certificate for a key made now. The answer names us and whom to believe.
///
/// # Errors
/// Says in words which step failed.
pub async fn request_svid(bootstrap: &Bootstrap) -> Result<(Svid, Trust), CsrError> {
    let made = |e: rcgen::Error| CsrError::Request(e.to_string());
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(made)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    let csr = params.serialize_request(&key).map_err(made)?.pem().map_err(made)?;

    let refused = |status: String| CsrError::Refused { ca: bootstrap.ca.clone(), status };
    let channel = control_channel::connect(bootstrap, &bootstrap.ca).await?;
    let mut client = IstioCertificateServiceClient::new(channel);
    let mut request = tonic::Request::new(IstioCertificateRequest {
        csr,
        validity_duration: i64::try_from(TTL.as_secs()).unwrap_or(i64::MAX),
        metadata: None,
    });
    request.set_timeout(PATIENCE);
    let bearer = control_channel::bearer(bootstrap)?;
    request.metadata_mut().insert("authorization", bearer);
    if let Ok(cluster) = MetadataValue::try_from(bootstrap.node.metadata.cluster_id.as_str()) {
        request.metadata_mut().insert("clusterid", cluster);
    }
    let answer = client.create_certificate(request).await.map_err(|s| refused(s.to_string()))?.into_inner();
    take(answer.cert_chain, &key, &bootstrap.trust_domain)
}

/// The chain comes leaf first; the last entry holds the roots.
fn take(mut chain: Vec<String>, key: &KeyPair, trust_domain: &str) -> Result<(Svid, Trust), CsrError> {
    let answer = |e: &dyn std::fmt::Display| CsrError::Answer(e.to_string());
    let roots = chain.pop().filter(|_| !chain.is_empty());
    let roots = roots.ok_or_else(|| CsrError::Answer("it needs a certificate and a root at least".into()))?;
    let mut certs = Vec::new();
    for pem in &chain {
        for cert in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            certs.push(cert.map_err(|e| answer(&e))?);
        }
    }
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let roots = CertificateDer::pem_slice_iter(roots.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| answer(&e))?;
    let svid = Svid::new(certs, private)?;
    if svid.names.spiffe.as_ref().is_none_or(|id| id.trust_domain != trust_domain) {
        return Err(CsrError::Answer(format!(
            "the certificate names {:?}, which is no identity in trust domain {trust_domain}",
            svid.names.uris
        )));
    }
    if svid.not_after <= SystemTime::now() {
        return Err(CsrError::Answer(
            "the certificate has expired already; look at the machines' clocks".into(),
        ));
    }
    Ok((svid, Trust::new(roots)?))
}

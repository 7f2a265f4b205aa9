//! Who is calling: a verified client certificate or a bearer token, to one identity of our trust domain.
//!
//! Having no proof is allowed to pass (each service decides what a stranger may do); a proof that does not hold is
//! refused at once, also where another beside it would have held, and two proofs must name the same identity.

use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use rustls_pki_types::CertificateDer;
use weft_model::identity::{IdentityError, SpiffeId};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::moment;
use crate::token::{TokenError, TokenVerifier};
pub use layer::{Authenticate, AuthenticateLayer};

mod layer;

/// The certificates that a peer showed in its TLS handshake, its own first, ALREADY VERIFIED against the trust bundle.
///
/// Whoever drives the TLS connection puts it into the extensions of every request on it; [`crate::serve()`] does.
#[derive(Debug, Clone)]
pub struct PeerCertificates(pub Arc<[CertificateDer<'static>]>);

/// Turns proofs into identities of one trust domain.
#[derive(Debug)]
pub struct Authenticator {
    trust_domain: String,
    tokens: Option<TokenVerifier>,
}

/// Why a proof does not hold.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticateError {
    /// The peer's certificate does not parse.
    #[error("the client certificate does not parse")]
    Certificate,
    /// The connection has outlived its certificate.
    #[error("the client certificate is not valid now; connect again with a renewed one")]
    Expired,
    /// A certificate that signs others is nobody's identity.
    #[error("the client certificate is a CA's")]
    Ca,
    /// An identity is one URI, neither none nor several.
    #[error("the client certificate has {0} URI names; a workload's has exactly one, its SPIFFE ID")]
    Names(usize),
    /// The name is no identity.
    #[error("client certificate: {0}")]
    Identity(#[from] IdentityError),
    /// The identity is of another mesh.
    #[error("{id} is not of the trust domain {trust_domain}")]
    Foreign {
        /// The proven identity.
        id: SpiffeId,
        /// The only trust domain that is let in.
        trust_domain: String,
    },
    /// Something other than one bearer token.
    #[error("the authorization header must be given once, as `Bearer <token>`")]
    Header,
    /// Tokens are not accepted here.
    #[error("bearer tokens are not accepted here; show a client certificate")]
    NoTokens,
    /// The token does not hold.
    #[error("{0}")]
    Token(#[from] TokenError),
    /// The proofs name two callers.
    #[error("the client certificate is of {certificate} but the token of {token}")]
    TwoCallers {
        /// By the certificate.
        certificate: String,
        /// By the token.
        token: String,
    },
}

impl From<Vec<CertificateDer<'static>>> for PeerCertificates {
    fn from(chain: Vec<CertificateDer<'static>>) -> Self {
        Self(chain.into())
    }
}

impl Authenticator {
    /// Accepts client certificates of `trust_domain`, and tokens if there is a verifier for them.
    pub fn new(trust_domain: &str, tokens: Option<TokenVerifier>) -> Self {
        Self { trust_domain: trust_domain.to_owned(), tokens }
    }

    /// The caller, by whatever proof it gave; `None` if it gave none.
    ///
    /// # Errors
    /// If a proof was given that does not hold.
    pub fn caller(
        &self,
        peer: Option<&PeerCertificates>,
        headers: &HeaderMap,
        now: SystemTime,
    ) -> Result<Option<SpiffeId>, AuthenticateError> {
        let certificate = match peer.and_then(|peer| peer.0.first()) {
            Some(leaf) => Some(self.ours(identity(leaf, now)?)?),
            None => None,
        };
        let token = match bearer(headers)? {
            Some(token) => {
                let verifier = self.tokens.as_ref().ok_or(AuthenticateError::NoTokens)?;
                Some(verifier.verify(token, now)?.identity(&self.trust_domain)?)
            }
            None => None,
        };
        match (certificate, token) {
            (Some(certificate), Some(token)) if certificate != token => Err(AuthenticateError::TwoCallers {
                certificate: certificate.to_string(),
                token: token.to_string(),
            }),
            (certificate, token) => Ok(certificate.or(token)),
        }
    }

    fn ours(&self, id: SpiffeId) -> Result<SpiffeId, AuthenticateError> {
        if id.trust_domain == self.trust_domain {
            Ok(id)
        } else {
            Err(AuthenticateError::Foreign { id, trust_domain: self.trust_domain.clone() })
        }
    }
}

/// The identity that a verified leaf names. Its life is looked at again: a connection may outlive it.
fn identity(leaf: &CertificateDer<'_>, now: SystemTime) -> Result<SpiffeId, AuthenticateError> {
    let (rest, parsed) = X509Certificate::from_der(leaf).map_err(|_| AuthenticateError::Certificate)?;
    if !rest.is_empty() {
        return Err(AuthenticateError::Certificate);
    }
    if parsed.is_ca() {
        return Err(AuthenticateError::Ca);
    }
    let validity = parsed.validity();
    let now = moment::seconds(now);
    if now < moment::parsed(validity.not_before) || now > moment::parsed(validity.not_after) {
        return Err(AuthenticateError::Expired);
    }
    let names = parsed.subject_alternative_name().map_err(|_| AuthenticateError::Certificate)?;
    let uris: Vec<&str> = names
        .iter()
        .flat_map(|names| &names.value.general_names)
        .filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        })
        .collect();
    match uris[..] {
        [uri] => Ok(uri.parse::<SpiffeId>()?),
        _ => Err(AuthenticateError::Names(uris.len())),
    }
}

/// The bearer token of a request's headers, if there is one.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, AuthenticateError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(AuthenticateError::Header);
    }
    let text = value.to_str().map_err(|_| AuthenticateError::Header)?;
    let (scheme, token) = text.split_once(' ').ok_or(AuthenticateError::Header)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(AuthenticateError::Header);
    }
    Ok(Some(token))
}

#[cfg(test)]
mod tests;

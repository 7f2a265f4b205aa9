//! Tokens shaped like those that Kubernetes projects into a pod: whose service account is it, signed by whom, for whom.
//!
//! [`TokenSigner`] stands in for a cluster where there is none; [`TokenVerifier`] knows only public keys (a JWKS), so it
//! reads a real cluster's tokens as well.

use serde::{Deserialize, Serialize};
use weft_model::identity::{IdentityError, SpiffeId};

pub use sign::TokenSigner;
pub use verify::TokenVerifier;

mod sign;
mod verify;

/// The audience of a token that is meant for the mesh's authority.
pub const AUDIENCE: &str = "istio-ca";

/// The issuer that Kubernetes itself uses by default.
pub const KUBERNETES_ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// The longest token read; Kubernetes' have about 1 KiB.
pub const MAX_BYTES: usize = 16 * 1024;

/// How far clocks may differ, in seconds: as much as Kubernetes allows.
pub const LEEWAY: u64 = 60;

/// Whose token it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccount {
    /// The Kubernetes namespace.
    pub namespace: String,
    /// The service account's name.
    pub name: String,
    /// The pod that the token was made for, if it was made for one.
    pub pod: Option<Object>,
}

/// A Kubernetes object as a token refers to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Its name.
    pub name: String,
    /// Its unique id, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

impl ServiceAccount {
    /// The identity of the account in a trust domain.
    ///
    /// # Errors
    /// If a name cannot stand in an identity.
    pub fn identity(&self, trust_domain: &str) -> Result<SpiffeId, IdentityError> {
        SpiffeId::new(trust_domain, &self.namespace, &self.name)
    }
}

/// The claim `kubernetes.io`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kubernetes {
    namespace: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pod: Option<Object>,
    serviceaccount: Object,
}

/// Why a token was not made or not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Longer than any honest token.
    #[error("the token has {0} bytes; at most {MAX_BYTES} are read")]
    TooLong(usize),
    /// Not a signed token at all, or signed in a way that is never accepted (`none`).
    #[error("the token is not a signed JWT: {0}")]
    Malformed(String),
    /// It demands something of its reader that this reader does not do.
    #[error("the token has the critical header {0:?}, which is not understood")]
    Critical(Vec<String>),
    /// Nobody that is trusted signs with such a key.
    #[error("no trusted key signs {algorithm} tokens with the key id {kid:?}; has the issuer's key changed?")]
    UnknownKey {
        /// The token's algorithm.
        algorithm: String,
        /// The token's key id.
        kid: Option<String>,
    },
    /// Signed by somebody else.
    #[error("the token's signature does not verify with any trusted key")]
    Signature,
    /// A claim is missing, malformed, or not the expected one.
    #[error("the token's claims are refused: {0}")]
    Claims(String),
    /// Its time is over.
    #[error("the token expired at {expired} (seconds since 1970), and it is {now}")]
    Expired {
        /// Its `exp`.
        expired: u64,
        /// The moment of the question.
        now: u64,
    },
    /// Its time has not come.
    #[error("the token is valid from {from} (seconds since 1970), and it is {now}")]
    Early {
        /// Its `nbf` or `iat`.
        from: u64,
        /// The moment of the question.
        now: u64,
    },
    /// It is not a service account's.
    #[error("the token's subject {0:?} is not system:serviceaccount:<namespace>:<name>")]
    Subject(String),
    /// It says two things about whose it is.
    #[error("the token's subject is {subject:?} but its kubernetes.io claim says {claim:?}")]
    Contradiction {
        /// The subject.
        subject: String,
        /// The claim's namespace and service account.
        claim: String,
    },
    /// A set of keys that holds none that can verify a token.
    #[error("the key set holds no public key that can verify a token (RSA, EC P-256 or P-384, Ed25519): {0}")]
    NoKeys(String),
    /// The signing key is none, or signing failed.
    #[error("the token's signing key: {0}")]
    Key(String),
}

#[cfg(test)]
mod tests;

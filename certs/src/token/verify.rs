//! Believing tokens: only of a known key, for us, now, and of a service account.

use std::collections::HashSet;
use std::time::SystemTime;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;

use super::{Kubernetes, LEEWAY, MAX_BYTES, ServiceAccount, TokenError};
use crate::moment;

/// More keys than any issuer publishes.
const MAX_KEYS: usize = 64;

/// Verifies tokens of one issuer for one audience with its public keys.
pub struct TokenVerifier {
    keys: Vec<Key>,
    issuer: String,
    audience: String,
}

/// A public key, and the one algorithm that it may be used with: a token never chooses.
struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
    #[serde(default)]
    nbf: Option<u64>,
    #[serde(default)]
    iat: Option<u64>,
    #[serde(default, rename = "kubernetes.io")]
    kubernetes: Option<Kubernetes>,
}

impl TokenVerifier {
    /// A verifier with the public keys of a JWKS text, for tokens that name `issuer` and `audience`.
    ///
    /// Keys of another kind, or not for signatures, are passed over; a symmetric key is never one.
    ///
    /// # Errors
    /// If no key is left.
    pub fn new(jwks: &str, issuer: &str, audience: &str) -> Result<Self, TokenError> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<serde_json::Value>,
        }
        let set: Set = serde_json::from_str(jwks).map_err(|error| TokenError::NoKeys(error.to_string()))?;
        if set.keys.len() > MAX_KEYS {
            return Err(TokenError::NoKeys(format!("there are more than {MAX_KEYS}")));
        }
        let total = set.keys.len();
        let keys: Vec<Key> = set.keys.into_iter().filter_map(Key::read).collect();
        if keys.is_empty() {
            return Err(TokenError::NoKeys(format!("none of {total} can be used")));
        }
        Ok(Self { keys, issuer: issuer.to_owned(), audience: audience.to_owned() })
    }

    /// Whose token it is, at `now`.
    ///
    /// # Errors
    /// If anything about the token is not as it must be; the text says what.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<ServiceAccount, TokenError> {
        if token.len() > MAX_BYTES {
            return Err(TokenError::TooLong(token.len()));
        }
        let header = decode_header(token).map_err(|error| TokenError::Malformed(error.to_string()))?;
        if let Some(critical) = header.crit {
            return Err(TokenError::Critical(critical));
        }
        let claims = self.signed(token, header.alg, header.kid.as_deref())?;
        in_time(&claims, moment::seconds(now))?;
        account(claims)
    }

    /// The claims, if a key that may have signed them did, and they name our issuer and us.
    fn signed(&self, token: &str, algorithm: Algorithm, kid: Option<&str>) -> Result<Claims, TokenError> {
        let mut answer = TokenError::UnknownKey {
            algorithm: format!("{algorithm:?}"),
            kid: kid.map(|kid| kid.chars().take(128).collect()),
        };
        for key in self.keys.iter().filter(|key| key.may_sign(algorithm, kid)) {
            match decode::<Claims>(token, &key.key, &self.validation(key.algorithm)) {
                Ok(data) => return Ok(data.claims),
                Err(error) => match error.kind() {
                    ErrorKind::InvalidSignature => answer = TokenError::Signature,
                    _ => return Err(TokenError::Claims(error.to_string())),
                },
            }
        }
        Err(answer)
    }

    /// What the library checks. Every field is set: its defaults are not ours to rely on. It would read the clock for
    /// `exp` and `nbf`, so it only has to see that `exp` is there; [`in_time`] judges both.
    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.algorithms = vec![algorithm];
        validation.required_spec_claims = ["exp", "aud", "iss", "sub"].map(str::to_owned).into();
        validation.leeway = 0;
        validation.reject_tokens_expiring_in_less_than = 0;
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = true;
        validation.aud = Some(HashSet::from([self.audience.clone()]));
        validation.iss = Some(HashSet::from([self.issuer.clone()]));
        validation.sub = None;
        validation
    }
}

impl std::fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenVerifier")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("keys", &self.keys.len())
            .finish()
    }
}

impl Key {
    /// A key of a JWKS, if it is one that verifies signatures.
    fn read(value: serde_json::Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        if jwk.common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature) {
            return None;
        }
        let stated = jwk.common.key_algorithm;
        let algorithm = match (&jwk.algorithm, stated) {
            (AlgorithmParameters::EllipticCurve(key), None | Some(KeyAlgorithm::ES256))
                if key.curve == EllipticCurve::P256 =>
            {
                Algorithm::ES256
            }
            (AlgorithmParameters::EllipticCurve(key), None | Some(KeyAlgorithm::ES384))
                if key.curve == EllipticCurve::P384 =>
            {
                Algorithm::ES384
            }
            (AlgorithmParameters::RSA(_), None | Some(KeyAlgorithm::RS256)) => Algorithm::RS256,
            (AlgorithmParameters::RSA(_), Some(KeyAlgorithm::RS384)) => Algorithm::RS384,
            (AlgorithmParameters::RSA(_), Some(KeyAlgorithm::RS512)) => Algorithm::RS512,
            (AlgorithmParameters::OctetKeyPair(key), None | Some(KeyAlgorithm::EdDSA))
                if key.curve == EllipticCurve::Ed25519 =>
            {
                Algorithm::EdDSA
            }
            _ => return None,
        };
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Self { id: jwk.common.key_id, algorithm, key })
    }

    /// Whether a token with this header may be of this key; one without a key id, or a key without one, matches any.
    fn may_sign(&self, algorithm: Algorithm, kid: Option<&str>) -> bool {
        self.algorithm == algorithm
            && match (self.id.as_deref(), kid) {
                (Some(own), Some(named)) => own == named,
                _ => true,
            }
    }
}

/// Judges the three times of a token.
fn in_time(claims: &Claims, now: u64) -> Result<(), TokenError> {
    if now >= claims.exp.saturating_add(LEEWAY) {
        return Err(TokenError::Expired { expired: claims.exp, now });
    }
    for from in [claims.nbf, claims.iat].into_iter().flatten() {
        if from > now.saturating_add(LEEWAY) {
            return Err(TokenError::Early { from, now });
        }
    }
    Ok(())
}

/// The service account that the claims name, if they name one and only one.
fn account(claims: Claims) -> Result<ServiceAccount, TokenError> {
    let parts: Vec<&str> = claims.sub.split(':').collect();
    let ["system", "serviceaccount", namespace, name] = parts[..] else {
        return Err(TokenError::Subject(claims.sub));
    };
    let account = ServiceAccount { namespace: namespace.to_owned(), name: name.to_owned(), pod: None };
    // Any trust domain will do: it is the names that are looked at.
    if account.identity("any").is_err() {
        return Err(TokenError::Subject(claims.sub));
    }
    let Some(claim) = claims.kubernetes else {
        return Ok(account);
    };
    if claim.namespace != account.namespace || claim.serviceaccount.name != account.name {
        let claim = format!("{}:{}", claim.namespace, claim.serviceaccount.name);
        return Err(TokenError::Contradiction { subject: claims.sub, claim });
    }
    Ok(ServiceAccount { pod: claim.pod, ..account })
}

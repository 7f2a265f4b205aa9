//! Making tokens, where no cluster does.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PublicKeyData};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{Kubernetes, Object, ServiceAccount, TokenError};
use crate::moment;

/// Signs tokens with an ECDSA P-256 key (ES256).
///
/// Debug output names no key.
pub struct TokenSigner {
    issuer: String,
    pair: KeyPair,
    key: EncodingKey,
    kid: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: [&'a str; 1],
    exp: u64,
    iat: u64,
    iss: &'a str,
    jti: String,
    #[serde(rename = "kubernetes.io")]
    kubernetes: Kubernetes,
    nbf: u64,
    sub: String,
}

impl TokenSigner {
    /// A signer with a new key, whose tokens name `issuer`.
    ///
    /// # Errors
    /// If no key can be made.
    pub fn generate(issuer: &str) -> Result<Self, TokenError> {
        Self::with(issuer, KeyPair::generate().map_err(|error| TokenError::Key(error.to_string()))?)
    }

    /// A signer with a key from a PKCS #8 PEM text.
    ///
    /// # Errors
    /// If the text is no ECDSA P-256 key.
    pub fn from_pem(issuer: &str, pem: &str) -> Result<Self, TokenError> {
        Self::with(issuer, KeyPair::from_pem(pem).map_err(|error| TokenError::Key(error.to_string()))?)
    }

    fn with(issuer: &str, pair: KeyPair) -> Result<Self, TokenError> {
        if pair.algorithm() != &rcgen::PKCS_ECDSA_P256_SHA256 {
            return Err(TokenError::Key("it is not of the curve P-256".to_owned()));
        }
        // Normalized to PKCS #8, whatever the PEM held.
        let key = EncodingKey::from_ec_der(&Zeroizing::new(pair.serialize_der()));
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &pair.subject_public_key_info());
        let kid = URL_SAFE_NO_PAD.encode(digest);
        Ok(Self { issuer: issuer.to_owned(), pair, key, kid })
    }

    /// The key as PKCS #8 PEM, to be kept where only its owner reads.
    pub fn to_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.pair.serialize_pem())
    }

    /// The issuer that the tokens name.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The public key as a JWKS, for [`super::TokenVerifier`].
    pub fn jwks(&self) -> String {
        // An uncompressed point: 4, then two coordinates of 32 bytes.
        let (x, y) = self.pair.der_bytes()[1..].split_at(32);
        let key = serde_json::json!({
            "kty": "EC",
            "crv": "P-256",
            "use": "sig",
            "alg": "ES256",
            "kid": self.kid,
            "x": URL_SAFE_NO_PAD.encode(x),
            "y": URL_SAFE_NO_PAD.encode(y),
        });
        serde_json::json!({ "keys": [key] }).to_string()
    }

    /// A token of `account` for `audience`, valid from `now` for `lifetime`.
    ///
    /// # Errors
    /// If the account's names cannot stand in an identity, or signing fails.
    pub fn mint(
        &self,
        account: &ServiceAccount,
        audience: &str,
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<String, TokenError> {
        account.identity("any").map_err(|error| TokenError::Claims(error.to_string()))?;
        let begin = moment::seconds(now);
        let claims = Claims {
            aud: [audience],
            exp: begin.saturating_add(lifetime.as_secs()),
            iat: begin,
            iss: &self.issuer,
            jti: format!("{:032x}", rand::random::<u128>()),
            kubernetes: Kubernetes {
                namespace: account.namespace.clone(),
                pod: account.pod.clone(),
                serviceaccount: Object { name: account.name.clone(), uid: None },
            },
            nbf: begin,
            sub: format!("system:serviceaccount:{}:{}", account.namespace, account.name),
        };
        // As Kubernetes writes it: algorithm and key id, no type.
        let header = Header { typ: None, kid: Some(self.kid.clone()), ..Header::new(Algorithm::ES256) };
        encode(&header, &claims, &self.key).map_err(|error| TokenError::Key(error.to_string()))
    }
}

impl std::fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenSigner")
            .field("issuer", &self.issuer)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

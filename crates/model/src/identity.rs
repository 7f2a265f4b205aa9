//! Who a workload is: a SPIFFE ID in Istio's shape, `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`.
//!
//! Parsing is strict: a name that is not exactly of that shape is no identity, and nothing is compared by pattern here.

use std::fmt;
use std::str::FromStr;

/// One workload identity; all workloads of one service account share it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpiffeId {
    /// The trust domain, in lower case, without scheme.
    pub trust_domain: String,
    /// The Kubernetes namespace.
    pub namespace: String,
    /// The Kubernetes service account.
    pub service_account: String,
}

/// Why a string is no SPIFFE ID of this mesh's shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{uri:?} is not spiffe://<trust domain>/ns/<namespace>/sa/<service account>: {why}")]
pub struct IdentityError {
    /// What was given.
    pub uri: String,
    /// Which part is wrong.
    pub why: &'static str,
}

impl SpiffeId {
    /// The identity of `service_account` in `namespace`.
    ///
    /// # Errors
    /// If a part is empty or holds a character that no such name may hold.
    pub fn new(trust_domain: &str, namespace: &str, service_account: &str) -> Result<Self, IdentityError> {
        format!("spiffe://{trust_domain}/ns/{namespace}/sa/{service_account}").parse()
    }

    /// Istio's principal: the URI without its scheme, as AuthorizationPolicies write it.
    pub fn principal(&self) -> String {
        format!("{}/ns/{}/sa/{}", self.trust_domain, self.namespace, self.service_account)
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}/ns/{}/sa/{}", self.trust_domain, self.namespace, self.service_account)
    }
}

impl FromStr for SpiffeId {
    type Err = IdentityError;

    fn from_str(uri: &str) -> Result<Self, IdentityError> {
        let wrong = |why| IdentityError { uri: uri.to_owned(), why };
        let rest = uri.strip_prefix("spiffe://").ok_or_else(|| wrong("it must begin with spiffe://"))?;
        if uri.len() > 2048 {
            return Err(wrong("longer than the 2048 bytes that SPIFFE allows"));
        }
        let parts: Vec<&str> = rest.split('/').collect();
        let [trust_domain, "ns", namespace, "sa", service_account] = parts[..] else {
            return Err(wrong("its path must be /ns/<namespace>/sa/<service account>"));
        };
        let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
        if trust_domain.is_empty() || !trust_domain.chars().all(lower) {
            return Err(wrong("a trust domain is lower-case letters, digits, dots, dashes and underscores"));
        }
        let segment = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        for part in [namespace, service_account] {
            if part.is_empty() || part == "." || part == ".." || !part.chars().all(segment) {
                return Err(wrong("a name is letters, digits, dots, dashes and underscores"));
            }
        }
        Ok(Self {
            trust_domain: trust_domain.to_owned(),
            namespace: namespace.to_owned(),
            service_account: service_account.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests;

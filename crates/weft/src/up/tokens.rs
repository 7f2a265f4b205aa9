//! The tokens by which pods prove themselves to the authority: what a cluster would project into them.

use super::plan::Pod;
use crate::run_directory::{RunDirectory, RunError, replace};
use std::time::{Duration, SystemTime};
use weft_certs::token::{AUDIENCE, KUBERNETES_ISSUER, Object, TokenError};
use weft_certs::{ServiceAccount, TokenSigner};

/// As long as Istio's injector asks for.
const LIFETIME: Duration = Duration::from_secs(43_200);
/// How often they are written anew.
pub(crate) const RENEWAL: Duration = Duration::from_secs(6 * 3600);

/// Signs the tokens of one mesh; the key stays in this process.
#[derive(Debug)]
pub(crate) struct Tokens(TokenSigner);

/// Why a pod has no token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokensError {
    #[error("pod {pod}: {source}")]
    Sign { pod: String, source: TokenError },
    #[error(transparent)]
    Write(#[from] RunError),
}

impl Tokens {
    /// A new key, whose public half the control plane reads from the run directory.
    pub(crate) fn create(run: &RunDirectory) -> anyhow::Result<Self> {
        let signer = TokenSigner::generate(KUBERNETES_ISSUER)?;
        run.write("tokens.jwks", signer.jwks().as_bytes())?;
        Ok(Self(signer))
    }

    /// Writes the token of `pod`, valid from now.
    pub(crate) fn write(&self, run: &RunDirectory, pod: &Pod) -> Result<(), TokensError> {
        let account = ServiceAccount {
            namespace: pod.namespace.clone(),
            name: pod.service_account.clone(),
            pod: Some(Object { name: pod.name.clone(), uid: None }),
        };
        let token = self.0.mint(&account, AUDIENCE, LIFETIME, SystemTime::now());
        let token = token.map_err(|source| TokensError::Sign { pod: pod.name.clone(), source })?;
        Ok(replace(&run.pod(pod)?.join("token"), token.as_bytes())?)
    }
}

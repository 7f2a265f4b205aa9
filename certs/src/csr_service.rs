//! Istio's certificate signing API: the caller's proven identity and the request's public key in, a certificate out.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tonic::{Request, Response, Status};
use weft_model::identity::SpiffeId;
use weft_wire::istio::ca::istio_certificate_service_server::{
    IstioCertificateService, IstioCertificateServiceServer,
};
use weft_wire::istio::ca::{IstioCertificateRequest, IstioCertificateResponse};

use crate::authority::{Authority, IssueError};
use crate::words;

/// The largest message read; a request has a few KiB.
const MAX_MESSAGE: usize = 64 * 1024;

/// The field of a request's metadata by which a node proxy asks for the certificate of a workload on its node.
const IMPERSONATED: &str = "ImpersonatedIdentity";

/// Answers `istio.v1.auth.IstioCertificateService`.
///
/// Stands behind [`crate::AuthenticateLayer`]: without the [`SpiffeId`] that it leaves in a request, nobody gets anything.
#[derive(Debug, Clone)]
pub struct CsrService {
    authority: Arc<Authority>,
}

impl CsrService {
    /// The API of one authority.
    pub fn new(authority: Arc<Authority>) -> Self {
        Self { authority }
    }

    /// As a gRPC service, with bounded messages.
    pub fn into_server(self) -> IstioCertificateServiceServer<Self> {
        IstioCertificateServiceServer::new(self).max_decoding_message_size(MAX_MESSAGE)
    }

    /// Decides one request at `now`.
    fn answer(
        &self,
        caller: Option<&SpiffeId>,
        request: &IstioCertificateRequest,
        now: SystemTime,
    ) -> Result<IstioCertificateResponse, Status> {
        let caller = caller.ok_or_else(|| Status::unauthenticated("request authenticate failure"))?;
        // Answering with the caller's own certificate would give it a wrong one under the workload's name.
        if request.metadata.as_ref().is_some_and(|metadata| metadata.fields.contains_key(IMPERSONATED)) {
            return Err(Status::permission_denied(format!(
                "{caller} may not ask for another's certificate ({IMPERSONATED} is not offered)"
            )));
        }
        // Zero and less mean: as long as the authority gives.
        let seconds = u64::try_from(request.validity_duration).ok().filter(|seconds| *seconds > 0);
        let lifetime = seconds.map(Duration::from_secs);
        match self.authority.issue(&request.csr, caller, lifetime, now) {
            Ok(cert_chain) => {
                tracing::debug!(%caller, "certificate issued");
                Ok(IstioCertificateResponse { cert_chain })
            }
            Err(error) => {
                let status = status(&error);
                tracing::warn!(%caller, error = status.message(), "no certificate issued");
                Err(status)
            }
        }
    }
}

/// Whose fault it is, in gRPC's words.
fn status(error: &IssueError) -> Status {
    let text = words::plain(error);
    match error {
        IssueError::Request(_) | IssueError::TooLong { .. } => Status::invalid_argument(text),
        IssueError::Foreign { .. } => Status::permission_denied(text),
        IssueError::Expired(_) => Status::failed_precondition(text),
        IssueError::Name(_) | IssueError::NoName | IssueError::Signing(_) | IssueError::Check(_) => {
            Status::internal(text)
        }
    }
}

#[tonic::async_trait]
impl IstioCertificateService for CsrService {
    async fn create_certificate(
        &self,
        request: Request<IstioCertificateRequest>,
    ) -> Result<Response<IstioCertificateResponse>, Status> {
        let caller = request.extensions().get::<SpiffeId>();
        self.answer(caller, request.get_ref(), SystemTime::now()).map(Response::new)
    }
}

#[cfg(test)]
mod tests;

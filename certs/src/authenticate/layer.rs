//! The authenticator as a tower layer around gRPC services.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use futures_util::future::{Either, Ready, ready};
use http::header::AUTHORIZATION;
use http::{Request, Response};
use tonic::Status;
use tower::{Layer, Service};
use weft_model::identity::SpiffeId;

use super::{Authenticator, PeerCertificates};
use crate::words;

/// Puts the caller's [`SpiffeId`] into each request's extensions, if the caller proved one.
///
/// It reads [`PeerCertificates`] from the extensions and `authorization` from the headers; the header goes no further. A
/// proof that does not hold is answered with UNAUTHENTICATED before any service sees the request.
#[derive(Debug, Clone)]
pub struct AuthenticateLayer(Arc<Authenticator>);

/// The service that [`AuthenticateLayer`] makes.
#[derive(Debug, Clone)]
pub struct Authenticate<S> {
    inner: S,
    authenticator: Arc<Authenticator>,
}

impl AuthenticateLayer {
    /// A layer over one authenticator.
    pub fn new(authenticator: Arc<Authenticator>) -> Self {
        Self(authenticator)
    }
}

impl<S> Layer<S> for AuthenticateLayer {
    type Service = Authenticate<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Authenticate { inner, authenticator: Arc::clone(&self.0) }
    }
}

impl<S, B, R> Service<Request<B>> for Authenticate<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response<R>, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // Nothing but the proofs below may say who calls.
        request.extensions_mut().remove::<SpiffeId>();
        let peer = request.extensions().get::<PeerCertificates>();
        match self.authenticator.caller(peer, request.headers(), SystemTime::now()) {
            Ok(caller) => {
                request.headers_mut().remove(AUTHORIZATION);
                if let Some(caller) = caller {
                    request.extensions_mut().insert(caller);
                }
                Either::Left(self.inner.call(request))
            }
            Err(error) => {
                let error = words::plain(&error);
                tracing::info!(path = request.uri().path(), %error, "a caller's proof of identity was refused");
                let status = Status::unauthenticated(format!("request authenticate failure: {error}"));
                Either::Right(ready(Ok(status.into_http())))
            }
        }
    }
}

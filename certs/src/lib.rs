//! The authority: who is who in the mesh, and the papers that prove it.
//!
//! [`authority`] issues SPIFFE X.509 certificates from an issuing certificate below a root; [`token`] makes and reads
//! tokens shaped like a Kubernetes service account's; [`authenticate`] turns either proof into an identity;
//! [`csr_service`] is Istio's certificate signing API on top of the three, and [`mod@serve`] the TLS port that they share
//! with the control plane. The README tells the life of a certificate and of a root.
//!
//! An identity is never taken from a signing request, a header or a node's metadata, only from a proof; what cannot be
//! proven is refused. Time is an argument everywhere but at the edge ([`csr_service`], [`mod@serve`] and
//! [`authenticate::AuthenticateLayer`]).

pub mod authenticate;
pub mod authority;
pub mod csr_service;
#[cfg(test)]
mod fixture;
mod moment;
pub mod serve;
pub mod token;
mod words;

pub use authenticate::{AuthenticateLayer, Authenticator, PeerCertificates};
pub use authority::{Authority, ServingCertificate};
pub use csr_service::CsrService;
pub use serve::{Limits, ServerTls, ServingNames, keep_fresh, serve};
pub use token::{ServiceAccount, TokenSigner, TokenVerifier};

//! The control plane's side of ADS: a [`Session`] per stream, and the gRPC [`Service`] that runs them over a [`Source`].
//!
//! # Order
//!
//! Responses leave in push order (CDS, EDS, LDS, RDS, SDS, the rest), at most one unanswered response a type; what
//! changes meanwhile merges into the next. So that nothing refers to what is not there (make before break):
//!
//! 1. Listeners and routes wait until the clusters that were sent are answered, their endpoints asked for, and these
//!    answered too.
//! 2. Removals of clusters and endpoints wait until listeners and routes are in force: nothing to send, nothing
//!    unanswered, nothing refused. A client that keeps refusing its routes keeps the clusters that the old ones use.
//!    A SotW client that reconnects does not say what it holds; of what vanished while it was away it learns at once.
//! 3. Neither wait is for a client that does not answer at all: after [`Limits::patience`] the first is given up, and
//!    a type that a client never asks for holds nothing back after that time.
//! 4. When a cluster is sent again its endpoints are sent again: Envoy warms a changed cluster only with them.
//!
//! # Refusals
//!
//! A NACK names no resource in a form that a program could read. A refused response of several resources is halved and
//! sent again until the culprit stands alone: it is not sent again before it changes, and the rest is in force.

mod connected;
mod driver;
mod session;
mod source;
mod subscription;

pub use connected::{Connected, ProxyStatus};
pub use driver::Service;
pub use session::{Limits, Mark, Refusal, Session, TypeStatus, Verdict, Violation};
pub use source::{Client, Source};

//! The workload's identity: a key made here that never leaves, a certificate asked for over Istio's CSR API, renewed in time.

mod csr;
mod renew;

pub use csr::{CsrError, request_svid};
pub use renew::{keep_renewed, renewal_delay};

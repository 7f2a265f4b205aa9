//! TLS at the hop: who the peer is, whom we believe, and rustls configurations made of Envoy's settings.
//!
//! Session resumption is off on both sides: an identity that was rotated or revoked must not live on in a ticket.

pub mod client;
pub mod files;
pub mod foreign;
pub mod names;
pub mod roots;
pub mod secrets;
pub mod server;
mod signatures;
pub mod unverified;

use std::sync::{Arc, LazyLock};

use rustls::crypto::CryptoProvider;

/// The one crypto provider of this process.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    PROVIDER.clone()
}

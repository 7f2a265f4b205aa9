//! The sidecar. README.md tells the life of a connection and the life of a request.

pub mod admin;
mod allocator;
pub mod bootstrap;
pub mod config;
pub mod connection;
pub mod control_channel;
pub mod dns;
pub mod farewell;
pub mod http;
pub mod identity;
pub mod listeners;
pub mod observe;
pub mod overload;
pub mod probes;
mod serving;
pub mod sidecar;
pub mod snapshot;
pub mod sniff;
pub mod stream;
pub mod tcp;
pub mod tls;
pub mod tunnel;
pub mod upstream;
pub mod worker;

pub use sidecar::{SidecarArgs, sidecar};

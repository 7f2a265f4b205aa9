//! The sidecar. README.md tells the life of a connection and the life of a request.

pub mod bootstrap;
pub mod control_channel;
pub mod identity;
pub mod sniff;
pub mod stream;
pub mod tls;
pub mod upstream;
pub mod http;

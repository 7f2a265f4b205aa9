//! ADS sessions, client and server, delta and state-of-the-world (SotW), over opaque resources.
//!
//! A [`Resource`] is a name, a version and bytes: nothing here knows what a cluster or a route means, only which
//! types there are and in which order they make sense ([`type_url`]). Each side is a state machine without sockets
//! or clock ([`client::Session`], [`server::Session`]) and one thin driver that feeds it from a gRPC stream
//! ([`client::Driver`], [`server::Service`]).

pub mod client;
mod message;
mod peek;
mod resource;
#[cfg(test)]
mod samples;
pub mod server;
pub mod type_url;

pub use envoy_types::pb::envoy::config::core::v3::Node;
pub use message::{Protocol, Request, Response};
pub use resource::{Resource, ResourceSet, Resources};

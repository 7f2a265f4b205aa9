//! Protobuf to model and back, and nothing else.
//!
//! - [`decode`]: xDS resources to `weft_model` settings. What is not honoured is listed with its path, what cannot be
//!   decided becomes an explicit `Unknown`, what is malformed is an error that names its place.
//! - [`encode`]: the same settings to xDS resources, in the shapes that istiod serves: `decode(encode(m)) == m`.
//! - [`nds`] and [`node`]: the name table of a sidecar's DNS, and a proxy's account of itself, both ways.
//! - [`health`]: gRPC's own question about health, and its answer.
//! - [`json`]: any resource as Envoy shows it, for people and their tools.
//! - [`istio`]: the few messages that Envoy's protos do not hold.
//!
//! The folders of decode and encode have one file a subject, under the same names.

pub mod decode;
pub mod encode;
pub mod health;
pub mod istio;
pub mod json;
pub mod nds;
pub mod node;
mod pb;

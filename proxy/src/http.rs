//! HTTP on its way through the sidecar, codec by codec and step by step.

pub mod downstream;
pub mod h1;
pub mod h2;
pub mod message;

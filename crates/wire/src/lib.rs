//! To be written.

pub mod istio;

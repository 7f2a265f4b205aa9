//! The control plane: from resources (files or a cluster) to the configuration of each proxy.

pub mod annotations;
pub mod check;
pub mod read;
pub mod resources;
#[cfg(test)]
mod sample;
pub mod serve;
pub mod translate;
pub mod world;

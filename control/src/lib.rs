//! The control plane: from resources (files or a cluster) to the configuration of each proxy.

pub mod read;
pub mod resources;
pub mod world;

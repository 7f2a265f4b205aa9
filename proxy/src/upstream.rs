//! The side toward a cluster: connections made, pooled and given up.

pub mod chosen;
pub mod clash;
pub mod cluster;
pub mod connect;
pub mod dial;
pub mod endpoint;
pub mod h2_client;
pub mod health;
pub mod line;
pub mod names;
pub mod nobody;
pub mod outbound;
pub mod outlier;
pub mod outside;
pub mod panics;
pub mod pick;
pub mod places;
pub mod pool;
pub mod spare;
pub mod stream;
pub mod unspoken;
pub mod whose;
pub mod written;

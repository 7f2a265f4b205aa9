//! What is remembered of a cluster across configurations, shared by all workers: keyed by its name, so a swap of the table
//! loses nothing.

use super::outlier::Ward;

/// One cluster.
#[derive(Debug, Default)]
pub struct ClusterState {
    /// Who is left alone for a while.
    pub ward: Ward,
}

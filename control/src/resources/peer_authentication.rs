//! PeerAuthentication: what a workload asks of those that connect to it.

use std::collections::BTreeMap;

use super::selector::Selector;

message! {
    /// mTLS of some workloads, a namespace, or the mesh.
    pub struct PeerAuthentication {
        pub selector: Option<Selector>,
        pub mtls: Option<MutualTls>,
        /// By the workload's port, not the service's.
        pub port_level_mtls: BTreeMap<u16, MutualTls>,
    }

    /// One mode.
    pub struct MutualTls {
        pub mode: MutualTlsMode,
    }
}

choice! {
    /// What is taken.
    pub enum MutualTlsMode {
        Unset,
        Disable,
        Permissive,
        Strict,
    }
}

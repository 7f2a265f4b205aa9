//! WorkloadEntry and WorkloadGroup: workloads that are not pods.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Probe;

message! {
    /// One workload: a machine, or an endpoint of a ServiceEntry.
    pub struct WorkloadEntry {
        pub address: String,
        pub ports: BTreeMap<String, u32>,
        pub labels: BTreeMap<String, String>,
        pub network: String,
        pub locality: String,
        /// 0 counts as 1.
        pub weight: u32,
        pub service_account: String,
    }

    /// The pattern of WorkloadEntries that register by themselves.
    pub struct WorkloadGroup {
        pub metadata: Option<GroupMetadata>,
        pub template: Option<WorkloadEntry>,
        pub probe: Option<Probe>,
    }

    /// Metadata of the entries made from a group.
    pub struct GroupMetadata {
        pub labels: BTreeMap<String, String>,
        pub annotations: BTreeMap<String, String>,
    }
}

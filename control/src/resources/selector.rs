//! What a resource applies to.

use std::collections::BTreeMap;

message! {
    /// Selects workloads by all of the labels given (`selector.matchLabels`); none selects every workload in reach.
    pub struct Selector {
        pub match_labels: BTreeMap<String, String>,
    }

    /// Selects workloads by all of the labels given (`workloadSelector.labels`).
    pub struct LabelSelector {
        pub labels: BTreeMap<String, String>,
    }

    /// Names a resource that a policy is attached to: a Gateway of the Kubernetes Gateway API, a Service, a waypoint.
    pub struct TargetRef {
        pub group: String,
        pub kind: String,
        pub name: String,
        pub namespace: String,
    }

    /// A port by its number.
    pub struct PortSelector {
        pub number: u32,
    }
}

//! ServiceEntry: a service that Kubernetes does not know of, inside or outside the mesh.

use super::selector::LabelSelector;
use super::workload_entry::WorkloadEntry;

message! {
    /// A service by its hosts.
    pub struct ServiceEntry {
        pub hosts: Vec<String>,
        pub addresses: Vec<String>,
        pub ports: Vec<ServicePort>,
        pub location: Location,
        pub resolution: Resolution,
        pub endpoints: Vec<WorkloadEntry>,
        pub workload_selector: Option<LabelSelector>,
        pub export_to: Vec<String>,
        pub subject_alt_names: Vec<String>,
    }

    /// A port of the service.
    pub struct ServicePort {
        pub number: u32,
        /// HTTP, HTTPS, GRPC, HTTP2, MONGO, TCP, TLS...; empty leaves it to the name, or to sniffing.
        pub protocol: String,
        pub name: String,
        /// 0 is `number`.
        pub target_port: u32,
    }
}

choice! {
    /// Whether its endpoints have sidecars.
    pub enum Location {
        MeshExternal,
        MeshInternal,
    }

    /// Where its endpoints come from.
    pub enum Resolution {
        None,
        Static,
        Dns,
        DnsRoundRobin,
        DynamicDns,
    }
}

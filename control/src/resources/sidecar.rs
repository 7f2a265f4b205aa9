//! Sidecar: what the proxies of some workloads hear of and take in.

use super::destination_rule::ConnectionPool;
use super::gateway::{Port, ServerTls};
use super::mesh_config::OutboundMode;
use super::selector::LabelSelector;
use super::virtual_service::Destination;

message! {
    /// The scope of some workloads' proxies.
    pub struct Sidecar {
        pub workload_selector: Option<LabelSelector>,
        pub ingress: Vec<IngressListener>,
        pub egress: Vec<EgressListener>,
        pub inbound_connection_pool: Option<ConnectionPool>,
        pub outbound_traffic_policy: Option<OutboundTrafficPolicy>,
    }

    /// A port on which the proxy takes traffic for its app.
    pub struct IngressListener {
        pub port: Option<Port>,
        pub bind: String,
        pub capture_mode: CaptureMode,
        pub default_endpoint: String,
        pub tls: Option<ServerTls>,
        pub connection_pool: Option<ConnectionPool>,
    }

    /// What the app can reach, on one port or on all.
    pub struct EgressListener {
        pub port: Option<Port>,
        pub bind: String,
        pub capture_mode: CaptureMode,
        /// `namespace/host`, with `.`, `*` and `~` for the namespace.
        pub hosts: Vec<String>,
    }

    /// What happens to a destination that nothing names.
    pub struct OutboundTrafficPolicy {
        /// Unset is REGISTRY_ONLY, the first of its enum, as in Istio.
        pub mode: OutboundMode,
        pub egress_proxy: Option<Destination>,
    }
}

choice! {
    /// How traffic gets to a listener.
    pub enum CaptureMode {
        Default,
        Iptables,
        None,
    }
}

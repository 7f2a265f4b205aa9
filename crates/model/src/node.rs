//! Who asks for configuration: a proxy's own account of itself, `envoy.config.core.v3.Node`.
//!
//! Nothing here is proof: a proxy's identity is what its certificate or token says, and the control plane compares.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// One proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What kind.
    pub role: Role,
    /// The pod's address, the second part of the id; `None` where the id has none and `INSTANCE_IPS` counts.
    pub ip: Option<IpAddr>,
    /// The third part of the id: `pod.namespace`.
    pub name: String,
    /// The fourth: `namespace.svc.cluster.local`.
    pub domain: String,
    /// `app.namespace`, or `istio-proxy`.
    pub cluster: String,
    /// The region, zone and sub-zone that it says it is in; empty where it says nothing.
    pub locality: crate::endpoint::Locality,
    /// Which program it is.
    pub agent: Agent,
    /// What else it says.
    pub metadata: NodeMetadata,
}

impl Node {
    /// The id on the wire: `role~ip~pod.namespace~domain`.
    pub fn id(&self) -> String {
        let ip = self.ip.map(|ip| ip.to_string()).unwrap_or_default();
        format!("{}~{ip}~{}~{}", self.role.as_str(), self.name, self.domain)
    }

    /// Its address first, then the others of `INSTANCE_IPS`.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let more = self.metadata.instance_ips.iter().copied().filter(move |ip| Some(*ip) != self.ip);
        self.ip.into_iter().chain(more)
    }

    /// The namespace: of the metadata, else of the id's name.
    pub fn namespace(&self) -> &str {
        if self.metadata.namespace.is_empty() {
            self.name.rsplit_once('.').map_or("", |(_, namespace)| namespace)
        } else {
            &self.metadata.namespace
        }
    }
}

/// The kinds of proxies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Next to an app.
    Sidecar,
    /// A gateway.
    Router,
    /// One proxy for all pods of a place (ambient).
    Waypoint,
    /// A node's L4 proxy (ambient).
    Ztunnel,
}

impl Role {
    /// As the id spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sidecar => "sidecar",
            Self::Router => "router",
            Self::Waypoint => "waypoint",
            Self::Ztunnel => "ztunnel",
        }
    }
}

/// Which program asks, which decides which filters it can be given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Agent {
    /// `user_agent_name`: `weft`, `envoy`.
    pub name: String,
    /// `user_agent_version`, or the build version's numbers.
    pub version: String,
    /// It has Istio's own filters (`istio.stats`, `istio.alpn`, metadata exchange): `weft`, or a build of Istio's.
    pub istio_filters: bool,
}

/// How traffic comes to the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Interception {
    /// By redirection.
    #[default]
    Redirect,
    /// By TPROXY, with the client's own address.
    Tproxy,
    /// Not at all: apps speak to its listeners.
    None,
}

/// What a proxy says of itself, under Istio's keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeMetadata {
    /// `NAME`: the pod.
    pub name: String,
    /// `NAMESPACE`.
    pub namespace: String,
    /// `SERVICE_ACCOUNT`.
    pub service_account: String,
    /// `CLUSTER_ID`.
    pub cluster_id: String,
    /// `INSTANCE_IPS`.
    pub instance_ips: Vec<IpAddr>,
    /// `LABELS`.
    pub labels: BTreeMap<String, String>,
    /// `ANNOTATIONS`.
    pub annotations: BTreeMap<String, String>,
    /// `WORKLOAD_NAME`.
    pub workload_name: String,
    /// `OWNER`.
    pub owner: String,
    /// `MESH_ID`.
    pub mesh_id: String,
    /// `NETWORK`.
    pub network: String,
    /// `NODE_NAME`: the machine.
    pub node_name: String,
    /// `ISTIO_VERSION`; empty: not of Istio's kind.
    pub istio_version: String,
    /// `INTERCEPTION_MODE`.
    pub interception: Interception,
    /// `HTTP10`: answers HTTP/1.0.
    pub http_10: bool,
    /// `DNS_CAPTURE`: answers the app's DNS.
    pub dns_capture: bool,
    /// `UNPRIVILEGED_POD`: cannot bind low ports.
    pub unprivileged: bool,
    /// `IDLE_TIMEOUT`: how long its clients' connections may be idle, as Go writes it; empty: Envoy's hour.
    pub idle_timeout: String,
    /// `GENERATOR`: another generator of configuration is asked for (`grpc`, `event`); empty: the usual.
    pub generator: String,
}

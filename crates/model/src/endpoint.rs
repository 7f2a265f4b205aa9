//! Endpoint settings: `envoy.config.endpoint.v3.ClusterLoadAssignment`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

/// All endpoints of one cluster.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LoadAssignment {
    /// The cluster's name (or its EDS service name).
    pub cluster: String,
    /// By locality.
    pub localities: Vec<LocalityEndpoints>,
    /// Percent; `None`: Envoy's 140.
    pub overprovisioning_factor: Option<u32>,
}

/// The endpoints of one locality.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LocalityEndpoints {
    /// Where they stand.
    pub locality: Locality,
    /// Share of the locality, where localities are weighted; `None`: unset.
    pub weight: Option<u32>,
    /// 0 is used first.
    pub priority: u32,
    /// The endpoints.
    pub endpoints: Vec<Endpoint>,
}

/// `region/zone/sub_zone`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct Locality {
    /// `topology.kubernetes.io/region`.
    pub region: String,
    /// `topology.kubernetes.io/zone`.
    pub zone: String,
    /// `topology.istio.io/subzone`.
    pub sub_zone: String,
}

/// One endpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoint {
    /// Where it listens.
    pub address: Address,
    /// Its share; 1 unless set.
    pub weight: u32,
    /// What the configuration says of its health.
    pub health: Health,
    /// `envoy.transport_socket_match`, such as `tlsMode: istio`: decides the transport to it.
    pub transport_match: BTreeMap<String, String>,
    /// Istio's `workload` metadata: `name;namespace;canonical name;canonical revision;cluster`.
    pub workload: String,
    /// A host name, where SNI or the Host header follow the endpoint.
    pub hostname: String,
}

/// Where something listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IP address and port.
    Socket(SocketAddr),
    /// A name to be resolved (STRICT_DNS, LOGICAL_DNS) and port.
    Name(String, u16),
    /// A Unix domain socket's path.
    Pipe(String),
}

/// `envoy.config.core.v3.HealthStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Health {
    /// Nothing is said: taken as healthy.
    #[default]
    Unknown,
    /// Well.
    Healthy,
    /// Not to be used.
    Unhealthy,
    /// Goes away: no new work.
    Draining,
    /// Used after the healthy.
    Degraded,
}

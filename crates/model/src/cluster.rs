//! Cluster settings: `envoy.config.cluster.v3.Cluster`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::endpoint::LoadAssignment;
use crate::health::HealthCheck;
use crate::tls::{Transport, UpstreamTls};

/// One upstream cluster.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cluster {
    /// `outbound|80|v1|host`, `inbound|8000||`, `PassthroughCluster`...
    pub name: String,
    /// Where its endpoints come from.
    pub discovery: Discovery,
    /// Endpoints that stand in the cluster itself (STATIC and DNS).
    pub load_assignment: Option<LoadAssignment>,
    /// How one is picked.
    pub balancing: Balancing,
    /// `None`: Envoy's 5 s.
    pub connect_timeout: Option<Duration>,
    /// Limits of the default priority.
    pub circuit_breakers: CircuitBreakers,
    /// How endpoints are asked whether they are well.
    pub health_check: Option<HealthCheck>,
    /// When an endpoint is left alone.
    pub outlier_detection: Option<OutlierDetection>,
    /// How HTTP is spoken to it.
    pub http: UpstreamHttp,
    /// How connections are carried.
    pub transport: Transport<UpstreamTls>,
    /// The first whose criteria an endpoint's metadata meets decides instead of `transport`.
    pub transport_matches: Vec<TransportMatch>,
    /// Local address to connect from (127.0.0.6 for inbound).
    pub bind_address: Option<SocketAddr>,
    /// TCP keep-alive; `None`: off.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// How names are resolved.
    pub dns: Dns,
    /// Istio's notes: `metadata.filter_metadata.istio`.
    pub istio: IstioMetadata,
    /// Carries Istio's network filter for metadata exchange (`istio.metadata_exchange`).
    pub metadata_exchange: bool,
    /// `ignore_health_on_host_removal`.
    pub ignore_health_on_host_removal: bool,
}

/// Where a cluster's endpoints come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Discovery {
    /// Over EDS, under this name (the cluster's own where empty).
    Eds(String),
    /// They stand in the cluster.
    #[default]
    Static,
    /// All addresses of its names.
    StrictDns,
    /// One address of its name at a time.
    LogicalDns,
    /// Where the connection was going.
    OriginalDst,
    /// By a kind of cluster that this program does not know: it has no endpoints.
    Unknown(String),
}

/// How an endpoint is picked.
#[derive(Debug, Clone, PartialEq)]
pub struct Balancing {
    /// The rule.
    pub policy: LbPolicy,
    /// Below this percent of healthy endpoints all are used; `None`: Envoy's 50.
    pub panic_threshold: Option<f64>,
    /// Localities are weighted.
    pub locality_weighted: bool,
    /// Newcomers get less for a while.
    pub slow_start: Option<SlowStart>,
}

impl Default for Balancing {
    fn default() -> Self {
        Self {
            policy: LbPolicy::RoundRobin,
            panic_threshold: None,
            locality_weighted: false,
            slow_start: None,
        }
    }
}

/// The balancing rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LbPolicy {
    /// In turn, by weight.
    #[default]
    RoundRobin,
    /// The less busy of `choices` taken by chance.
    LeastRequest {
        /// At least 2.
        choices: u32,
    },
    /// By chance.
    Random,
    /// Consistent hashing on a ring.
    RingHash {
        /// At least so many points.
        minimum_ring_size: u64,
    },
    /// Consistent hashing by Maglev's table.
    Maglev {
        /// A prime.
        table_size: u64,
    },
    /// The endpoint is the original destination.
    ClusterProvided,
}

/// `SlowStartConfig`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlowStart {
    /// How long.
    pub window: Duration,
    /// The curve; 1 is a straight line.
    pub aggression: f64,
    /// What a newcomer gets at least.
    pub min_weight_percent: f64,
}

/// `CircuitBreakers.Thresholds`; `None` is no limit set here (Envoy's default 1024, or 3 for retries).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CircuitBreakers {
    /// Connections.
    pub max_connections: Option<u32>,
    /// Requests that wait for a connection.
    pub max_pending_requests: Option<u32>,
    /// Requests in flight.
    pub max_requests: Option<u32>,
    /// Retries in flight.
    pub max_retries: Option<u32>,
    /// Retries in flight as a share of requests in flight.
    pub retry_budget: Option<RetryBudget>,
    /// Ask for `remaining_*` gauges.
    pub track_remaining: bool,
}

/// `RetryBudget`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryBudget {
    /// Percent of the requests in flight.
    pub budget_percent: f64,
    /// So many at least.
    pub min_retry_concurrency: u32,
}

/// `OutlierDetection`; `None` is Envoy's default.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct OutlierDetection {
    /// 5xx in a row.
    pub consecutive_5xx: Option<u32>,
    /// Percent of verdicts that are carried out.
    pub enforcing_consecutive_5xx: Option<u32>,
    /// 502, 503, 504 in a row.
    pub consecutive_gateway_failure: Option<u32>,
    /// Percent of verdicts that are carried out.
    pub enforcing_consecutive_gateway_failure: Option<u32>,
    /// Failures of our own making (connect, timeout) are counted apart.
    pub split_external_local_origin_errors: bool,
    /// Those in a row.
    pub consecutive_local_origin_failure: Option<u32>,
    /// Percent of verdicts that are carried out.
    pub enforcing_consecutive_local_origin_failure: Option<u32>,
    /// Time between sweeps.
    pub interval: Option<Duration>,
    /// First ejection's length.
    pub base_ejection_time: Option<Duration>,
    /// Longest ejection.
    pub max_ejection_time: Option<Duration>,
    /// Share of endpoints that may be out.
    pub max_ejection_percent: Option<u32>,
    /// Percent of success-rate verdicts that are carried out.
    pub enforcing_success_rate: Option<u32>,
    /// The same for failures of our own making.
    pub enforcing_local_origin_success_rate: Option<u32>,
    /// Whoever passes a health check is in again at once (`successful_active_health_check_uneject_host`).
    pub health_check_readmits: Option<bool>,
}

/// How HTTP is spoken to a cluster: `HttpProtocolOptions`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct UpstreamHttp {
    /// The protocol.
    pub protocol: UpstreamProtocol,
    /// An idle connection is closed after so long; `None`: Envoy's hour.
    pub idle_timeout: Option<Duration>,
    /// A connection is closed after so many; `None`: no limit.
    pub max_requests_per_connection: Option<u32>,
    /// Streams at once on one HTTP/2 connection.
    pub max_concurrent_streams: Option<u32>,
    /// A connection's longest life.
    pub max_connection_duration: Option<Duration>,
    /// Header names keep their case (`preserve_case`).
    pub preserve_header_case: bool,
    /// `auto_sni` of the upstream HTTP options.
    pub auto_sni: bool,
    /// `auto_san_validation` of the upstream HTTP options.
    pub auto_san_validation: bool,
}

/// Which HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UpstreamProtocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2.
    Http2,
    /// What the client spoke.
    Downstream,
    /// What ALPN yields.
    Auto,
}

/// One of `transport_socket_matches`.
#[derive(Debug, Clone, PartialEq)]
pub struct TransportMatch {
    /// `tlsMode-istio`, `tlsMode-disabled`.
    pub name: String,
    /// All must be in the endpoint's metadata; none matches every endpoint.
    pub criteria: BTreeMap<String, String>,
    /// What is used then.
    pub transport: Transport<UpstreamTls>,
}

/// TCP keep-alive; `None` is the system's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TcpKeepalive {
    /// Probes before the end.
    pub probes: Option<u32>,
    /// Idle time before the first.
    pub time: Option<Duration>,
    /// Time between them.
    pub interval: Option<Duration>,
}

/// How names are resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dns {
    /// Which addresses.
    pub family: DnsFamily,
    /// Time between resolutions; `None`: Envoy's 5 s.
    pub refresh_rate: Option<Duration>,
    /// The answer's TTL decides instead.
    pub respect_ttl: bool,
}

/// `DnsLookupFamily`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DnsFamily {
    /// IPv6 first, IPv4 if there is none.
    #[default]
    Auto,
    /// IPv4 alone.
    V4Only,
    /// IPv6 alone.
    V6Only,
    /// IPv4 first.
    V4Preferred,
    /// Both.
    All,
}

/// What Istio notes of a cluster, which telemetry needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IstioMetadata {
    /// The services behind it.
    pub services: Vec<IstioService>,
    /// The DestinationRule: `/apis/networking.istio.io/v1/namespaces/ns/destination-rule/name`.
    pub config: String,
    /// The subset.
    pub subset: String,
    /// Outside the mesh.
    pub external: bool,
    /// The service's port, where noted.
    pub default_original_port: Option<u16>,
    /// `alpn_override: "false"`: keeps ALPN as configured.
    pub keep_alpn: bool,
}

/// One service of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IstioService {
    /// `name.ns.svc.cluster.local`.
    pub host: String,
    /// Short name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
}

//! DestinationRule: how a service is called once a route has chosen it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::duration::Span;
use super::selector::{PortSelector, Selector};

message! {
    /// How callers treat a host.
    pub struct DestinationRule {
        pub host: String,
        pub traffic_policy: Option<TrafficPolicy>,
        pub subsets: Vec<Subset>,
        pub export_to: Vec<String>,
        pub workload_selector: Option<Selector>,
    }

    /// Endpoints of a host that share labels.
    pub struct Subset {
        pub name: String,
        pub labels: BTreeMap<String, String>,
        pub traffic_policy: Option<TrafficPolicy>,
    }

    /// Balancing, pools, breakers, TLS.
    pub struct TrafficPolicy {
        pub load_balancer: Option<LoadBalancer>,
        pub connection_pool: Option<ConnectionPool>,
        pub outlier_detection: Option<OutlierDetection>,
        pub tls: Option<ClientTls>,
        pub port_level_settings: Vec<PortTrafficPolicy>,
        pub tunnel: Option<Tunnel>,
        pub proxy_protocol: Option<ProxyProtocol>,
        pub retry_budget: Option<RetryBudget>,
    }

    /// The policy of one port; what it leaves out is the default and not the host's.
    pub struct PortTrafficPolicy {
        pub port: Option<PortSelector>,
        pub load_balancer: Option<LoadBalancer>,
        pub connection_pool: Option<ConnectionPool>,
        pub outlier_detection: Option<OutlierDetection>,
        pub tls: Option<ClientTls>,
    }

    /// How an endpoint is chosen.
    pub struct LoadBalancer {
        pub simple: Option<SimpleBalancer>,
        pub consistent_hash: Option<ConsistentHash>,
        pub locality_lb_setting: Option<LocalityBalancing>,
        pub warmup_duration_secs: Option<Span>,
        pub warmup: Option<Warmup>,
    }

    /// The same key to the same endpoint.
    pub struct ConsistentHash {
        pub http_header_name: Option<String>,
        pub http_cookie: Option<HashCookie>,
        pub use_source_ip: Option<bool>,
        pub http_query_parameter_name: Option<String>,
        pub ring_hash: Option<RingHash>,
        pub maglev: Option<Maglev>,
        pub minimum_ring_size: u64,
    }

    /// A cookie as the key; set when missing if it has a `ttl`.
    pub struct HashCookie {
        pub name: String,
        pub path: String,
        pub ttl: Option<Span>,
        pub attributes: Vec<CookieAttribute>,
    }

    /// An attribute of the cookie that is set.
    pub struct CookieAttribute {
        pub name: String,
        pub value: String,
    }

    /// The ring's size.
    pub struct RingHash {
        pub minimum_ring_size: Option<u64>,
    }

    /// The table's size.
    pub struct Maglev {
        pub table_size: Option<u64>,
    }

    /// Which places are preferred.
    pub struct LocalityBalancing {
        pub distribute: Vec<Distribute>,
        pub failover: Vec<Failover>,
        pub failover_priority: Vec<String>,
        pub enabled: Option<bool>,
    }

    /// Shares of traffic by the place it comes from.
    pub struct Distribute {
        pub from: String,
        pub to: BTreeMap<String, u32>,
    }

    /// Where to go when a region fails.
    pub struct Failover {
        pub from: String,
        pub to: String,
    }

    /// How a new endpoint gets its share little by little.
    pub struct Warmup {
        pub duration: Option<Span>,
        pub minimum_percent: Option<f64>,
        pub aggression: Option<f64>,
    }

    /// How much may be open or wait.
    pub struct ConnectionPool {
        pub tcp: Option<TcpPool>,
        pub http: Option<HttpPool>,
    }

    /// Limits of connections.
    pub struct TcpPool {
        pub max_connections: i32,
        pub connect_timeout: Option<Span>,
        pub tcp_keepalive: Option<TcpKeepalive>,
        pub max_connection_duration: Option<Span>,
        pub idle_timeout: Option<Span>,
    }

    /// When the kernel probes an idle connection.
    pub struct TcpKeepalive {
        pub probes: u32,
        pub time: Option<Span>,
        pub interval: Option<Span>,
    }

    /// Limits of requests.
    pub struct HttpPool {
        pub http1_max_pending_requests: i32,
        pub http2_max_requests: i32,
        pub max_requests_per_connection: i32,
        pub max_retries: i32,
        pub idle_timeout: Option<Span>,
        pub h2_upgrade_policy: H2UpgradePolicy,
        pub use_client_protocol: bool,
        pub max_concurrent_streams: i32,
    }

    /// When an endpoint is left alone for a while.
    pub struct OutlierDetection {
        pub consecutive_errors: i32,
        pub split_external_local_origin_errors: bool,
        pub consecutive_local_origin_failures: Option<u32>,
        pub consecutive_gateway_errors: Option<u32>,
        #[serde(rename = "consecutive5xxErrors")]
        pub consecutive_5xx_errors: Option<u32>,
        pub interval: Option<Span>,
        pub base_ejection_time: Option<Span>,
        pub max_ejection_percent: i32,
        pub min_health_percent: i32,
    }

    /// TLS as a client.
    pub struct ClientTls {
        pub mode: TlsMode,
        pub client_certificate: String,
        pub private_key: String,
        pub ca_certificates: String,
        pub credential_name: String,
        pub subject_alt_names: Vec<String>,
        pub sni: String,
        pub insecure_skip_verify: Option<bool>,
        pub ca_crl: String,
    }

    /// Goes through a forward proxy.
    pub struct Tunnel {
        pub protocol: String,
        pub target_host: String,
        pub target_port: u32,
    }

    /// Begins each connection with the PROXY protocol.
    pub struct ProxyProtocol {
        pub version: ProxyProtocolVersion,
    }

    /// How many retries may be under way, as a share of the requests.
    pub struct RetryBudget {
        pub percent: Option<f64>,
        pub min_retry_concurrency: u32,
    }
}

/// Balancers without a key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SimpleBalancer {
    /// Istio's default, LEAST_REQUEST.
    #[default]
    Unspecified,
    /// The old name of LEAST_REQUEST.
    LeastConn,
    /// Any endpoint.
    Random,
    /// The address that the caller asked for.
    Passthrough,
    /// One after the other.
    RoundRobin,
    /// The less busy one of two drawn at random.
    LeastRequest,
}

choice! {
    /// How the connection to the service is protected.
    pub enum TlsMode {
        Disable,
        Simple,
        Mutual,
        IstioMutual,
    }

    /// Whether HTTP/1.1 becomes HTTP/2 between proxies.
    pub enum H2UpgradePolicy {
        Default,
        DoNotUpgrade,
        Upgrade,
    }

    /// The PROXY protocol's version.
    pub enum ProxyProtocolVersion {
        V1,
        V2,
    }
}

//! Listener settings: `envoy.config.listener.v3.Listener`.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::IpNet;

use crate::access_log::AccessLog;
use crate::http::{ExtAuthz, HttpConnectionManager, Stats};
use crate::rbac::RbacFilter;
use crate::route::HashPolicy;
use crate::tls::{DownstreamTls, Transport};

/// One listener.
#[derive(Debug, Clone, PartialEq)]
pub struct Listener {
    /// Its name.
    pub name: String,
    /// Where it listens, or for which original destination it stands.
    pub address: SocketAddr,
    /// More of them.
    pub additional_addresses: Vec<SocketAddr>,
    /// Has a socket of its own; false: `use_original_dst` hands connections over to it.
    pub bind_to_port: bool,
    /// Inbound or outbound.
    pub direction: Direction,
    /// Hands a connection over to the listener of its original destination.
    pub use_original_dst: bool,
    /// The socket takes connections for foreign addresses (TPROXY).
    pub transparent: bool,
    /// What looks at a connection first.
    pub listener_filters: Vec<ListenerFilter>,
    /// `None`: Envoy's 15 s; zero: wait without limit.
    pub listener_filters_timeout: Option<Duration>,
    /// When the time is over the connection goes on rather than ends.
    pub continue_on_listener_filters_timeout: bool,
    /// The most specific match wins.
    pub filter_chains: Vec<FilterChain>,
    /// If none matches; without it the connection is closed.
    pub default_filter_chain: Option<Box<FilterChain>>,
    /// Who writes down connections that found no chain.
    pub access_log: Vec<AccessLog>,
    /// The resource it was made from, such as a VirtualService.
    pub config: String,
}

impl Listener {
    /// One that binds, with the field's defaults.
    pub fn new(name: impl Into<String>, address: SocketAddr, direction: Direction) -> Self {
        Self {
            name: name.into(),
            address,
            additional_addresses: Vec::new(),
            bind_to_port: true,
            direction,
            use_original_dst: false,
            transparent: false,
            listener_filters: Vec::new(),
            listener_filters_timeout: None,
            continue_on_listener_filters_timeout: false,
            filter_chains: Vec::new(),
            default_filter_chain: None,
            access_log: Vec::new(),
            config: String::new(),
        }
    }
}

/// `TrafficDirection`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// Nothing is said.
    #[default]
    Unspecified,
    /// Toward the app.
    Inbound,
    /// From the app.
    Outbound,
}

/// What looks at a connection before a chain is chosen.
#[derive(Debug, Clone, PartialEq)]
pub enum ListenerFilter {
    /// Asks the kernel where it was going.
    OriginalDst,
    /// Goes on under the client's own address (TPROXY).
    OriginalSrc {
        /// Socket mark.
        mark: u32,
    },
    /// Reads SNI and ALPN.
    TlsInspector {
        /// Not on these destination ports.
        disabled: Vec<RangeInclusive<u16>>,
    },
    /// Reads the HTTP version.
    HttpInspector {
        /// Not on these destination ports.
        disabled: Vec<RangeInclusive<u16>>,
    },
    /// Another one, by name; it is not honoured.
    Unknown(String),
}

/// One filter chain.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FilterChain {
    /// Its name.
    pub name: String,
    /// Which connections.
    pub matches: FilterChainMatch,
    /// How they are carried.
    pub transport: Transport<DownstreamTls>,
    /// The handshake must be over by then.
    pub handshake_timeout: Option<Duration>,
    /// What is done; the last one ends it.
    pub filters: Vec<NetworkFilter>,
    /// The resource it was made from.
    pub config: String,
}

/// `FilterChainMatch`; an empty part matches everything, and the earlier part decides among several matches
/// (destination port, destination address, server name, transport, ALPN, ..., in this order).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FilterChainMatch {
    /// The original destination's port.
    pub destination_port: Option<u16>,
    /// Its address.
    pub prefix_ranges: Vec<IpNet>,
    /// SNI: exact or `*.suffix`.
    pub server_names: Vec<String>,
    /// `tls` or `raw_buffer`; empty: either.
    pub transport_protocol: String,
    /// One of what the client OFFERS (or what HTTP version was seen: `http/1.0`, `http/1.1`, `h2c`).
    pub application_protocols: Vec<String>,
    /// The client's address.
    pub source_prefix_ranges: Vec<IpNet>,
    /// The client's port.
    pub source_ports: Vec<u16>,
}

/// One network filter.
#[derive(Debug, Clone, PartialEq)]
pub enum NetworkFilter {
    /// `envoy.filters.network.rbac`.
    Rbac(RbacFilter),
    /// `envoy.filters.network.tcp_proxy`.
    TcpProxy(TcpProxy),
    /// `envoy.filters.network.http_connection_manager`.
    Http(Box<HttpConnectionManager>),
    /// `envoy.filters.network.ext_authz`: a CUSTOM policy's question.
    ExtAuthz(ExtAuthz),
    /// `istio.stats`.
    Stats(Stats),
    /// `istio.metadata_exchange`.
    MetadataExchange {
        /// Its ALPN: `istio-peer-exchange`.
        protocol: String,
    },
    /// Another one, by name and type; a chain that holds one is not served.
    Unknown {
        /// Its name.
        name: String,
        /// Its type.
        type_url: String,
    },
}

/// `TcpProxy`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TcpProxy {
    /// Prefix of its statistics.
    pub stat_prefix: String,
    /// Clusters by weight; one with weight 1 is the plain `cluster`.
    pub clusters: Vec<(String, u32)>,
    /// Written as `weighted_clusters` even if there is one.
    pub weighted: bool,
    /// `None`: Envoy's hour; zero: never.
    pub idle_timeout: Option<Duration>,
    /// A connection ends after so long, whatever it does (`max_downstream_connection_duration`).
    pub max_connection_duration: Option<Duration>,
    /// What consistent hashing goes by (source IP).
    pub hash: Vec<HashPolicy>,
    /// Who writes down what happened.
    pub access_log: Vec<AccessLog>,
    /// How often a connection is tried; `None`: Envoy's once.
    pub max_connect_attempts: Option<u32>,
}

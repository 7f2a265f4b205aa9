//! Compiled listeners: which filter chain takes a connection, and what it does with it.

mod select;

use std::net::SocketAddr;
use std::sync::Arc;

use crate::http as http_settings;
use crate::listener as settings;
use crate::table::kept::Turns;
use crate::table::limit::Limit;
use crate::table::names::{ClusterRef, RouteRef};
use crate::table::rbac::Gate;
use crate::table::route::RouteTable;

/// A compiled listener.
#[derive(Debug, Clone)]
pub struct Listener {
    /// As it arrived.
    pub settings: Arc<settings::Listener>,
    /// Its chains, in the settings' order.
    pub chains: Vec<Arc<Chain>>,
    /// For what no chain matches.
    pub default: Option<Arc<Chain>>,
}

/// What is known of a connection when its chain is chosen.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// Where it was going.
    pub destination: SocketAddr,
    /// Where it comes from.
    pub source: SocketAddr,
    /// `tls`, `raw_buffer`; empty, if nobody looked, counts as `raw_buffer`.
    pub transport: &'a str,
    /// The TLS server name that was asked for; empty if none.
    pub server_name: &'a str,
    /// The ALPN list that the client offers, or the HTTP version that was seen.
    pub protocols: &'a [&'a str],
}

impl Listener {
    /// The chain that takes a connection. By Envoy's rules: each level keeps the most specific match, and a level once
    /// decided is not gone back on, even if nothing fits further down.
    pub fn chain(&self, arrival: &Arrival<'_>) -> Option<&Arc<Chain>> {
        let place = select::select(self.chains.iter().map(|chain| &chain.settings.matches), arrival);
        place.map(|place| &self.chains[place]).or(self.default.as_ref())
    }
}

/// A compiled filter chain.
#[derive(Debug, Clone)]
pub struct Chain {
    /// Its name.
    pub name: Box<str>,
    /// As it arrived: its match, its transport.
    pub settings: Arc<settings::FilterChain>,
    /// Authorization of the connection, in order.
    pub gates: Vec<Gate>,
    /// Istio's TCP metrics are asked for.
    pub stats: bool,
    /// ALPN of Istio's metadata exchange, if it is asked for.
    pub metadata_exchange: Option<Box<str>>,
    /// What is done with the connection.
    pub terminal: Terminal,
}

/// What a chain does.
#[derive(Debug, Clone)]
pub enum Terminal {
    /// Passes bytes on.
    Tcp(Box<TcpProxy>),
    /// Speaks HTTP.
    Http(Box<HttpManager>),
    /// Closes the connection, and why.
    Refuse(Box<str>),
}

/// A compiled TCP proxy.
#[derive(Debug, Clone)]
pub struct TcpProxy {
    /// As it arrived.
    pub settings: settings::TcpProxy,
    /// Where it goes, by weight; never empty.
    pub targets: Vec<(ClusterRef, u32)>,
    /// The sum of the weights; above zero.
    pub total: u64,
    /// Whose turn it is.
    pub turns: Turns,
}

/// A compiled HTTP connection manager.
#[derive(Debug, Clone)]
pub struct HttpManager {
    /// As it arrived; its routes and filters are compiled below.
    pub settings: http_settings::HttpConnectionManager,
    /// Where routes come from.
    pub routes: RouteSource,
    /// Authorization, in the filters' order.
    pub gates: Vec<Gate>,
    /// How many requests it takes, where their route says nothing of its own.
    pub limit: Option<Limit>,
    /// Who may bring a token.
    pub jwt: Option<http_settings::JwtAuthn>,
    /// Istio's HTTP metrics, if they are asked for.
    pub stats: Option<http_settings::Stats>,
    /// Which of Istio's and Envoy's other filters are there.
    pub filters: Filters,
    /// Istio's metadata exchange by headers.
    pub peer_metadata: Option<http_settings::PeerMetadata>,
    /// Every request is answered with an error, and why: a filter that is not honoured stands in the chain.
    pub refuse: Option<Box<str>>,
}

/// Where routes come from.
#[derive(Debug, Clone)]
pub enum RouteSource {
    /// In place.
    Inline(Arc<RouteTable>),
    /// By name.
    Named(RouteRef),
}

/// Filters that are there or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Filters {
    /// `istio.alpn`.
    pub alpn: bool,
    /// `envoy.filters.http.grpc_stats`.
    pub grpc_stats: bool,
    /// `envoy.filters.http.grpc_web`.
    pub grpc_web: bool,
    /// `envoy.filters.http.fault`.
    pub fault: bool,
    /// `envoy.filters.http.cors`.
    pub cors: bool,
    /// `envoy.filters.http.local_ratelimit`.
    pub limit: bool,
}

#[cfg(test)]
mod tests;

//! The names by which clusters, listeners and routes refer to each other, as Istio writes them.

use crate::world::scope::Scope;

/// `outbound|80|v1|host`.
pub fn outbound(port: u16, subset: &str, host: &str) -> String {
    format!("outbound|{port}|{subset}|{host}")
}

/// `inbound|8000||`, by the workload's own port.
pub fn inbound(port: u16) -> String {
    format!("inbound|{port}||")
}

/// The server name that mTLS asks for: `outbound_.80_.v1_.host`.
pub(crate) fn server_name(port: u16, subset: &str, host: &str) -> String {
    format!("outbound_.{port}_.{subset}_.{host}")
}

/// Where what nothing names goes, as far as it is let out at all.
pub(crate) fn outside(scope: &Scope) -> String {
    scope
        .egress_proxy
        .as_ref()
        .map_or_else(|| PASSTHROUGH.to_owned(), |to| outbound(to.port, &to.subset, &to.host))
}

/// Where what nothing names is let out.
pub const PASSTHROUGH: &str = "PassthroughCluster";
/// Where what nothing names ends.
pub const BLACK_HOLE: &str = "BlackHoleCluster";
/// Where ports that no service names are let in.
pub const INBOUND_PASSTHROUGH: &str = "InboundPassthroughCluster";
/// The routes of the HTTP proxy.
pub const HTTP_PROXY: &str = "http_proxy";

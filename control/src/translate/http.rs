//! HTTP connection managers and their filters, in Istio's order.

use std::time::Duration;

use weft_model::http::{
    ClientCertDetails, EscapedSlashes, ForwardClientCert, HttpConnectionManager, HttpFilter,
    PathNormalization, PeerMetadata, RouteSource, Stats,
};
use weft_model::limit::LocalRateLimit;
use weft_model::route::Upgrade;

use super::access_log::{self, Side};
use super::{Proxy, gates};
use crate::annotations::rate_limit;
use crate::resources::mesh_config::NormalizationType;

/// The server side of the app's own requests.
pub(super) fn outbound(proxy: &Proxy<'_>, stat_prefix: &str, routes: RouteSource) -> HttpConnectionManager {
    let istio = proxy.istio_filters();
    let metadata =
        PeerMetadata { upstream_discovery: true, upstream_propagation: true, ..PeerMetadata::default() };
    let mut filters = Vec::new();
    filters.extend(istio.then_some(HttpFilter::PeerMetadata(metadata)));
    filters.push(HttpFilter::GrpcStats);
    filters.extend(istio.then_some(HttpFilter::Alpn));
    filters.extend(proxy.limits_routes().then(|| HttpFilter::LocalRateLimit(rate_limit::of_routes())));
    filters.extend([HttpFilter::Fault, HttpFilter::Cors]);
    filters.extend(istio.then_some(HttpFilter::Stats(Stats::default())));
    filters.push(HttpFilter::Router);
    let mut manager = manager(proxy, stat_prefix, routes, filters, Side::Client);
    if proxy.is_weft() {
        manager.server_name = "weft".to_owned();
    }
    manager
}

/// The server side of requests to the app; `limit` is on how many of them.
pub(super) fn inbound(
    proxy: &Proxy<'_>,
    stat_prefix: &str,
    routes: RouteSource,
    limit: Option<LocalRateLimit>,
) -> HttpConnectionManager {
    let istio = proxy.istio_filters();
    let metadata =
        PeerMetadata { downstream_discovery: true, downstream_propagation: true, ..PeerMetadata::default() };
    let mut filters = Vec::new();
    filters.extend(istio.then_some(HttpFilter::PeerMetadata(metadata)));
    filters.extend(gates::http(proxy));
    filters.extend(limit.map(HttpFilter::LocalRateLimit));
    filters.extend([HttpFilter::GrpcStats, HttpFilter::Fault, HttpFilter::Cors]);
    let stats = Stats { disable_host_header_fallback: true, ..Stats::default() };
    filters.extend(istio.then_some(HttpFilter::Stats(stats)));
    filters.push(HttpFilter::Router);
    let mut manager = manager(proxy, stat_prefix, routes, filters, Side::Server);
    manager.server_name = if proxy.is_weft() { "weft" } else { "istio-envoy" }.to_owned();
    manager.client_cert = ForwardClientCert::AppendForward;
    manager.client_cert_details = ClientCertDetails { subject: true, cert: false, dns: true, uri: true };
    manager
}

fn manager(
    proxy: &Proxy<'_>,
    stat_prefix: &str,
    routes: RouteSource,
    filters: Vec<HttpFilter>,
    side: Side,
) -> HttpConnectionManager {
    let mut manager = HttpConnectionManager::new(stat_prefix, routes, filters);
    manager.access_log = access_log::logs(proxy, side);
    manager.path = normalization(proxy);
    manager.upgrades = vec![upgrade("websocket")];
    manager.stream_idle_timeout = Some(Duration::ZERO);
    manager.idle_timeout = proxy.idle_timeout();
    manager.accept_http_10 = proxy.takes_http_10();
    manager
}

/// Lets an upgrade through.
pub(super) fn upgrade(token: &str) -> Upgrade {
    Upgrade { token: token.to_owned(), enabled: true, terminate_connect: false }
}

fn normalization(proxy: &Proxy<'_>) -> PathNormalization {
    let said = proxy.world.mesh.config.path_normalization.as_ref();
    let (normalize, merge_slashes, escaped_slashes) =
        match said.map(|said| said.normalization).unwrap_or_default() {
            NormalizationType::None => (false, false, EscapedSlashes::Keep),
            NormalizationType::Default | NormalizationType::Base => (true, false, EscapedSlashes::Keep),
            NormalizationType::MergeSlashes => (true, true, EscapedSlashes::Keep),
            NormalizationType::DecodeAndMergeSlashes => (true, true, EscapedSlashes::UnescapeAndForward),
        };
    PathNormalization { normalize, merge_slashes, escaped_slashes }
}

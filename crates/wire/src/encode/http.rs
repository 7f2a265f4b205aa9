//! `HttpConnectionManager` and its filters.

use weft_model::http::{
    EscapedSlashes, ForwardClientCert, HttpConnectionManager, HttpFilter, RouteSource, ServerHeader,
};

use super::access_log::access_logs;
use super::value::{maybe_duration, number, over_ads, pack, yes};
use super::{ext_authz, istio, jwt, limit, rbac, route, upstream_http};
use crate::pb::{Any, core, cors, fault, grpc_stats, grpc_web, hcm, router, uuid_request_id};

pub(crate) fn manager(value: &HttpConnectionManager) -> hcm::HttpConnectionManager {
    use hcm::http_connection_manager::RouteSpecifier;
    let routes = match &value.routes {
        RouteSource::Rds(name) => RouteSpecifier::Rds(hcm::Rds {
            config_source: Some(over_ads(true)),
            route_config_name: name.clone(),
        }),
        RouteSource::Inline(routes) => RouteSpecifier::RouteConfig(route::route_configuration(routes)),
    };
    let common = core::HttpProtocolOptions {
        idle_timeout: maybe_duration(value.idle_timeout),
        max_connection_duration: maybe_duration(value.max_connection_duration),
        ..Default::default()
    };
    let one =
        upstream_http::http1(value.accept_http_10, value.allow_absolute_url, value.preserve_header_case);
    hcm::HttpConnectionManager {
        stat_prefix: value.stat_prefix.clone(),
        route_specifier: Some(routes),
        http_filters: value.filters.iter().map(filter).collect(),
        common_http_protocol_options: (common != core::HttpProtocolOptions::default()).then_some(common),
        http_protocol_options: (one != core::Http1ProtocolOptions::default()).then_some(one),
        server_name: value.server_name.clone(),
        server_header_transformation: server_header(value.server_header) as i32,
        max_request_headers_kb: number(value.max_request_headers_kb),
        stream_idle_timeout: maybe_duration(value.stream_idle_timeout),
        request_timeout: maybe_duration(value.request_timeout),
        request_headers_timeout: maybe_duration(value.request_headers_timeout),
        drain_timeout: maybe_duration(value.drain_timeout),
        access_log: access_logs(&value.access_log),
        use_remote_address: yes(value.use_remote_address),
        xff_num_trusted_hops: value.xff_trusted_hops,
        skip_xff_append: value.skip_xff_append,
        generate_request_id: value.generate_request_id.and_then(yes),
        preserve_external_request_id: value.preserve_external_request_id,
        forward_client_cert_details: forward_client_cert(value.client_cert) as i32,
        set_current_client_cert_details: client_cert_details(value),
        proxy_100_continue: true,
        upgrade_configs: upgrades(value),
        normalize_path: yes(value.path.normalize),
        merge_slashes: value.path.merge_slashes,
        path_with_escaped_slashes_action: escaped_slashes(value.path.escaped_slashes) as i32,
        request_id_extension: Some(request_id()),
        ..Default::default()
    }
}

/// A request's id is a random UUID, by whose bits traces are sampled.
pub(crate) fn request_id() -> hcm::RequestIdExtension {
    let config = uuid_request_id::UuidRequestIdConfig {
        use_request_id_for_trace_sampling: yes(true),
        ..Default::default()
    };
    hcm::RequestIdExtension { typed_config: Some(pack(&config)) }
}

const fn server_header(value: ServerHeader) -> hcm::http_connection_manager::ServerHeaderTransformation {
    use hcm::http_connection_manager::ServerHeaderTransformation as Is;
    match value {
        ServerHeader::Overwrite => Is::Overwrite,
        ServerHeader::AppendIfAbsent => Is::AppendIfAbsent,
        ServerHeader::PassThrough => Is::PassThrough,
    }
}

const fn forward_client_cert(
    value: ForwardClientCert,
) -> hcm::http_connection_manager::ForwardClientCertDetails {
    use hcm::http_connection_manager::ForwardClientCertDetails as Is;
    match value {
        ForwardClientCert::Sanitize => Is::Sanitize,
        ForwardClientCert::ForwardOnly => Is::ForwardOnly,
        ForwardClientCert::AppendForward => Is::AppendForward,
        ForwardClientCert::SanitizeSet => Is::SanitizeSet,
        ForwardClientCert::AlwaysForwardOnly => Is::AlwaysForwardOnly,
    }
}

const fn escaped_slashes(
    value: EscapedSlashes,
) -> hcm::http_connection_manager::PathWithEscapedSlashesAction {
    use hcm::http_connection_manager::PathWithEscapedSlashesAction as Is;
    match value {
        EscapedSlashes::Keep => Is::KeepUnchanged,
        EscapedSlashes::Reject => Is::RejectRequest,
        EscapedSlashes::UnescapeAndRedirect => Is::UnescapeAndRedirect,
        EscapedSlashes::UnescapeAndForward => Is::UnescapeAndForward,
    }
}

fn client_cert_details(
    value: &HttpConnectionManager,
) -> Option<hcm::http_connection_manager::SetCurrentClientCertDetails> {
    let details = value.client_cert_details;
    let said = details != weft_model::http::ClientCertDetails::default();
    said.then(|| hcm::http_connection_manager::SetCurrentClientCertDetails {
        subject: if details.subject { yes(true) } else { None },
        cert: details.cert,
        dns: details.dns,
        uri: details.uri,
        ..Default::default()
    })
}

fn upgrades(value: &HttpConnectionManager) -> Vec<hcm::http_connection_manager::UpgradeConfig> {
    let upgrades = value.upgrades.iter().map(|value| hcm::http_connection_manager::UpgradeConfig {
        upgrade_type: value.token.clone(),
        filters: Vec::new(),
        enabled: if value.enabled { None } else { yes(false) },
    });
    upgrades.collect()
}

/// Messages are counted for telemetry, but not by method.
pub(crate) fn grpc_stats() -> grpc_stats::FilterConfig {
    use grpc_stats::filter_config::PerMethodStatSpecifier;
    grpc_stats::FilterConfig {
        emit_filter_state: true,
        per_method_stat_specifier: yes(false).map(PerMethodStatSpecifier::StatsForAllMethods),
        ..Default::default()
    }
}

fn filter(value: &HttpFilter) -> hcm::HttpFilter {
    let (name, config) = match value {
        HttpFilter::Rbac(value) => ("envoy.filters.http.rbac", pack(&rbac::http(value))),
        HttpFilter::JwtAuthn(value) => ("envoy.filters.http.jwt_authn", pack(&jwt::jwt_authn(value))),
        HttpFilter::ExtAuthz(value) => ("envoy.filters.http.ext_authz", pack(&ext_authz::http(value))),
        HttpFilter::Alpn => ("istio.alpn", istio::alpn()),
        HttpFilter::Stats(value) => ("istio.stats", istio::stats(*value)),
        HttpFilter::PeerMetadata(value) => ("istio.metadata_exchange", istio::peer_metadata(*value)),
        HttpFilter::GrpcStats => ("envoy.filters.http.grpc_stats", pack(&grpc_stats())),
        HttpFilter::GrpcWeb => ("envoy.filters.http.grpc_web", pack(&grpc_web::GrpcWeb::default())),
        HttpFilter::Fault => ("envoy.filters.http.fault", pack(&fault::HttpFault::default())),
        HttpFilter::Cors => ("envoy.filters.http.cors", pack(&cors::Cors::default())),
        HttpFilter::LocalRateLimit(value) => {
            ("envoy.filters.http.local_ratelimit", pack(&limit::limit(value)))
        }
        HttpFilter::Router => ("envoy.filters.http.router", pack(&router::Router::default())),
        HttpFilter::Unknown { name, type_url } if type_url.is_empty() => {
            return hcm::HttpFilter { name: name.clone(), ..Default::default() };
        }
        HttpFilter::Unknown { name, type_url } => {
            (name.as_str(), Any { type_url: type_url.clone(), value: Vec::new() })
        }
    };
    hcm::HttpFilter {
        name: name.to_owned(),
        config_type: Some(hcm::http_filter::ConfigType::TypedConfig(config)),
        ..Default::default()
    }
}

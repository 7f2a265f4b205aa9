//! `HttpConnectionManager` and its filters.

use weft_model::http::{
    ClientCertDetails, EscapedSlashes, ForwardClientCert, HttpConnectionManager, HttpFilter,
    PathNormalization, RouteSource, ServerHeader,
};
use weft_model::route::Upgrade;

use super::access_log::access_logs;
use super::at::{At, Decoded, unpack};
use super::upstream_http::{self, Http1};
use super::value::{Packed, duration, message, packed};
use super::{ext_authz, istio, jwt, limit, per_route, rbac, route};
use crate::encode;
use crate::pb::{core, fault, grpc_stats, hcm, router};

#[allow(deprecated, reason = "what older control planes write is noted too")]
#[allow(clippy::too_many_lines, reason = "one line a field")]
pub(super) fn manager(at: &At<'_>, value: hcm::HttpConnectionManager) -> Decoded<HttpConnectionManager> {
    unpack!(at, value, hcm::HttpConnectionManager {
        stat_prefix, http_filters, common_http_protocol_options, http_protocol_options, server_name,
        server_header_transformation, max_request_headers_kb, stream_idle_timeout, request_timeout,
        request_headers_timeout, drain_timeout, access_log, use_remote_address, xff_num_trusted_hops, skip_xff_append,
        generate_request_id, preserve_external_request_id, forward_client_cert_details,
        set_current_client_cert_details, forward_client_cert_matcher, proxy_100_continue, upgrade_configs,
        normalize_path, merge_slashes, path_with_escaped_slashes_action, request_id_extension, http2_protocol_options, route_specifier
    } else { codec_type, add_user_agent, tracing, http1_safe_max_connection_duration, http3_protocol_options, scheme_header_transformation, stream_flush_timeout, drain_timeout_jitter, delayed_close_timeout, access_log_flush_interval, flush_access_log_on_new_request, access_log_options, original_ip_detection_extensions, early_header_mutation_extensions, internal_address_config, via, always_set_request_id_in_response, represent_ipv4_remote_address_as_ipv4_mapped_ipv6, local_reply_config, strip_matching_host_port, stream_error_on_invalid_http_message, path_normalization_options, strip_trailing_host_dot, proxy_status_config, typed_header_validation_config, append_x_forwarded_port, append_local_overload, add_proxy_protocol_connection_state, forward_proto_config, strip_port_mode });
    if forward_client_cert_matcher.is_some() {
        return Err(at.field("forward_client_cert_matcher").fault("a matching tree is not walked here"));
    }
    if let Some(value) = http2_protocol_options
        && upstream_http::http2(&at.field("http2_protocol_options"), value).is_some()
    {
        at.field("http2_protocol_options").field("max_concurrent_streams").note("the limit is weft's own");
    }
    if !proxy_100_continue {
        at.field("proxy_100_continue").note("100 Continue of an upstream is always passed on");
    }
    if request_id_extension.is_some() && request_id_extension != Some(encode::http::request_id()) {
        at.field("request_id_extension").note("x-request-id is a random UUID");
    }
    let mut filters = Vec::with_capacity(http_filters.len());
    for (n, value) in http_filters.into_iter().enumerate() {
        filters.push(filter(&at.item("http_filters", n), value)?);
    }
    let common = common_http_protocol_options.unwrap_or_default();
    let common_at = at.field("common_http_protocol_options");
    unpack!(common_at, common, core::HttpProtocolOptions { idle_timeout, max_connection_duration } else { max_connection_duration_jitter, max_headers_count, max_response_headers_kb, max_stream_duration, headers_with_underscores_action, max_requests_per_connection });
    let Http1 { accept_http_10, allow_absolute_url, preserve_case } = match http_protocol_options {
        Some(value) => upstream_http::http1(&at.field("http_protocol_options"), value),
        None => Http1::default(),
    };
    let mut upgrades = Vec::with_capacity(upgrade_configs.len());
    for (n, value) in upgrade_configs.into_iter().enumerate() {
        let at = at.item("upgrade_configs", n);
        unpack!(at, value, hcm::http_connection_manager::UpgradeConfig { upgrade_type, enabled } else { filters });
        let enabled = enabled.is_none_or(|enabled| enabled.value);
        upgrades.push(Upgrade { token: upgrade_type, enabled, terminate_connect: false });
    }
    Ok(HttpConnectionManager {
        stat_prefix,
        routes: routes(at, route_specifier)?,
        filters,
        access_log: access_logs(at, access_log)?,
        server_name,
        server_header: server_header(at, server_header_transformation)?,
        use_remote_address: use_remote_address.is_some_and(|value| value.value),
        xff_trusted_hops: xff_num_trusted_hops,
        path: PathNormalization {
            normalize: normalize_path.is_some_and(|value| value.value),
            merge_slashes,
            escaped_slashes: escaped_slashes(at, path_with_escaped_slashes_action)?,
        },
        client_cert: forward_client_cert(at, forward_client_cert_details)?,
        client_cert_details: client_cert_details(at, set_current_client_cert_details),
        upgrades,
        stream_idle_timeout: duration(at, "stream_idle_timeout", stream_idle_timeout)?,
        request_timeout: duration(at, "request_timeout", request_timeout)?,
        request_headers_timeout: duration(at, "request_headers_timeout", request_headers_timeout)?,
        idle_timeout: duration(&common_at, "idle_timeout", idle_timeout)?,
        max_connection_duration: duration(&common_at, "max_connection_duration", max_connection_duration)?,
        drain_timeout: duration(at, "drain_timeout", drain_timeout)?,
        accept_http_10,
        allow_absolute_url,
        preserve_header_case: preserve_case,
        preserve_external_request_id,
        generate_request_id: generate_request_id.map(|value| value.value),
        skip_xff_append,
        max_request_headers_kb: max_request_headers_kb.map(|value| value.value),
    })
}

fn routes(at: &At<'_>, value: Option<hcm::http_connection_manager::RouteSpecifier>) -> Decoded<RouteSource> {
    use hcm::http_connection_manager::RouteSpecifier as Is;
    match value {
        Some(Is::Rds(rds)) => {
            let at = at.field("rds");
            if rds.route_config_name.is_empty() {
                return Err(at.field("route_config_name").fault("it is empty"));
            }
            if rds.config_source.as_ref() != Some(&encode::value::over_ads(true)) {
                at.field("config_source").note("routes come over ADS, whatever else is said here");
            }
            Ok(RouteSource::Rds(rds.route_config_name))
        }
        Some(Is::RouteConfig(value)) => {
            let routes = route::route_configuration(&at.field("route_config"), value)?;
            Ok(RouteSource::Inline(Box::new(routes)))
        }
        Some(Is::ScopedRoutes(_)) => {
            Err(at.field("scoped_routes").fault("scoped routes are not followed here"))
        }
        None => Err(at.fault("it has no routes")),
    }
}

fn server_header(at: &At<'_>, value: i32) -> Decoded<ServerHeader> {
    use hcm::http_connection_manager::ServerHeaderTransformation as Is;
    match Is::try_from(value) {
        Ok(Is::Overwrite) => Ok(ServerHeader::Overwrite),
        Ok(Is::AppendIfAbsent) => Ok(ServerHeader::AppendIfAbsent),
        Ok(Is::PassThrough) => Ok(ServerHeader::PassThrough),
        Err(_) => {
            Err(at.field("server_header_transformation").fault(format!("{value} is no transformation")))
        }
    }
}

fn escaped_slashes(at: &At<'_>, value: i32) -> Decoded<EscapedSlashes> {
    use hcm::http_connection_manager::PathWithEscapedSlashesAction as Is;
    match Is::try_from(value) {
        Ok(Is::ImplementationSpecificDefault | Is::KeepUnchanged) => Ok(EscapedSlashes::Keep),
        Ok(Is::RejectRequest) => Ok(EscapedSlashes::Reject),
        Ok(Is::UnescapeAndRedirect) => Ok(EscapedSlashes::UnescapeAndRedirect),
        Ok(Is::UnescapeAndForward) => Ok(EscapedSlashes::UnescapeAndForward),
        Err(_) => Err(at.field("path_with_escaped_slashes_action").fault(format!("{value} is no action"))),
    }
}

fn forward_client_cert(at: &At<'_>, value: i32) -> Decoded<ForwardClientCert> {
    use hcm::http_connection_manager::ForwardClientCertDetails as Is;
    match Is::try_from(value) {
        Ok(Is::Sanitize) => Ok(ForwardClientCert::Sanitize),
        Ok(Is::ForwardOnly) => Ok(ForwardClientCert::ForwardOnly),
        Ok(Is::AppendForward) => Ok(ForwardClientCert::AppendForward),
        Ok(Is::SanitizeSet) => Ok(ForwardClientCert::SanitizeSet),
        Ok(Is::AlwaysForwardOnly) => Ok(ForwardClientCert::AlwaysForwardOnly),
        Err(_) => Err(at.field("forward_client_cert_details").fault(format!("{value} is no way to forward"))),
    }
}

fn client_cert_details(
    at: &At<'_>,
    value: Option<hcm::http_connection_manager::SetCurrentClientCertDetails>,
) -> ClientCertDetails {
    let at = at.field("set_current_client_cert_details");
    let Some(value) = value else { return ClientCertDetails::default() };
    unpack!(at, value, hcm::http_connection_manager::SetCurrentClientCertDetails {
        subject, cert, dns, uri
    } else { chain, issuer, format });
    ClientCertDetails { subject: subject.is_some_and(|value| value.value), cert, dns, uri }
}

fn filter(at: &At<'_>, value: hcm::HttpFilter) -> Decoded<HttpFilter> {
    unpack!(at, value, hcm::HttpFilter { name, config_type } else { is_optional, disabled });
    let Some(hcm::http_filter::ConfigType::TypedConfig(any)) = config_type else {
        // The router may stand there by its name alone.
        if name == "envoy.filters.http.router" {
            return Ok(HttpFilter::Router);
        }
        at.note("a filter without configuration in place is not known");
        return Ok(HttpFilter::Unknown { name, type_url: String::new() });
    };
    let config = at.field("typed_config");
    let packed = packed(&config, &any)?;
    let Some((canonical, filter)) = known(&config, &packed)? else {
        config.note(format!("the filter {name:?} ({}) is not known", packed.type_name()));
        return Ok(HttpFilter::Unknown { name, type_url: any.type_url });
    };
    if name != canonical {
        at.field("name").note(format!("it is known as {canonical}"));
    }
    Ok(filter)
}

fn known(at: &At<'_>, packed: &Packed<'_>) -> Decoded<Option<(&'static str, HttpFilter)>> {
    let known = match *packed {
        Packed::Message("envoy.extensions.filters.http.rbac.v3.RBAC", bytes) => {
            ("envoy.filters.http.rbac", HttpFilter::Rbac(rbac::http(at, message(at, bytes)?)?))
        }
        Packed::Message("envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication", bytes) => {
            ("envoy.filters.http.jwt_authn", HttpFilter::JwtAuthn(jwt::jwt_authn(at, message(at, bytes)?)?))
        }
        Packed::Message("envoy.extensions.filters.http.ext_authz.v3.ExtAuthz", bytes) => {
            ("envoy.filters.http.ext_authz", HttpFilter::ExtAuthz(ext_authz::http(at, message(at, bytes)?)?))
        }
        Packed::Message("envoy.extensions.filters.http.grpc_stats.v3.FilterConfig", bytes) => {
            if message::<grpc_stats::FilterConfig>(at, bytes)? != encode::http::grpc_stats() {
                at.note("messages are counted in Istio's usual way, whatever is said here");
            }
            ("envoy.filters.http.grpc_stats", HttpFilter::GrpcStats)
        }
        Packed::Message("envoy.extensions.filters.http.grpc_web.v3.GrpcWeb", _) => {
            ("envoy.filters.http.grpc_web", HttpFilter::GrpcWeb)
        }
        Packed::Message("envoy.extensions.filters.http.fault.v3.HTTPFault", bytes) => {
            let value: fault::HttpFault = message(at, bytes)?;
            if per_route::fault(at, value)? != weft_model::route::Fault::default() {
                at.note("faults are injected by routes alone");
            }
            ("envoy.filters.http.fault", HttpFilter::Fault)
        }
        Packed::Message("envoy.extensions.filters.http.cors.v3.Cors", _) => {
            ("envoy.filters.http.cors", HttpFilter::Cors)
        }
        Packed::Message("envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit", bytes) => {
            let limit = limit::limit(at, message(at, bytes)?)?;
            ("envoy.filters.http.local_ratelimit", HttpFilter::LocalRateLimit(limit))
        }
        Packed::Message("envoy.extensions.filters.http.router.v3.Router", bytes) => {
            unpack_router(at, message(at, bytes)?);
            ("envoy.filters.http.router", HttpFilter::Router)
        }
        _ => match packed.type_name() {
            istio::STATS => ("istio.stats", HttpFilter::Stats(istio::stats(at, packed)?)),
            istio::ALPN => {
                istio::alpn(at, packed)?;
                ("istio.alpn", HttpFilter::Alpn)
            }
            istio::PEER_METADATA => {
                ("istio.metadata_exchange", HttpFilter::PeerMetadata(istio::peer_metadata(at, packed)?))
            }
            _ => return Ok(None),
        },
    };
    Ok(Some(known))
}

#[allow(deprecated, reason = "what older control planes write is noted too")]
fn unpack_router(at: &At<'_>, value: router::Router) {
    unpack!(at, value, router::Router {} else { dynamic_stats, start_child_span, upstream_log, upstream_log_options, suppress_envoy_headers, strict_check_headers, respect_expected_rq_timeout, suppress_grpc_request_failure_code_stats, upstream_http_filters, reject_connect_request_early_data });
}

//! External authorizers: that one stands there, and when it is to be asked.

use weft_model::http::ExtAuthz;

use super::at::{At, Decoded, unpack};
use crate::encode;
use crate::pb::{core, http_ext_authz, matcher};

pub(super) fn http(at: &At<'_>, value: http_ext_authz::ExtAuthz) -> Decoded<ExtAuthz> {
    use http_ext_authz::ext_authz::Services;
    unpack!(at, value, http_ext_authz::ExtAuthz { services, filter_enabled_metadata } else { transport_api_version, failure_mode_allow, failure_mode_allow_header_add, with_request_body, clear_route_cache, status_on_error, validate_mutations, metadata_context_namespaces, typed_metadata_context_namespaces, route_metadata_context_namespaces, route_typed_metadata_context_namespaces, filter_enabled, deny_at_disable, include_peer_certificate, stat_prefix, bootstrap_metadata_labels_key, allowed_headers, disallowed_headers, include_tls_session, charge_cluster_response_stats, encode_raw_headers, decoder_header_mutation_rules, enable_dynamic_metadata_ingestion, filter_metadata, emit_filter_state_stats, max_denied_response_body_bytes, enforce_response_header_limits, shadow_mode, emit_client_span });
    let (cluster, grpc) = match services {
        Some(Services::GrpcService(service)) => (grpc_cluster(at, Some(service)), true),
        Some(Services::HttpService(service)) => (http_cluster(&at.field("http_service"), service), false),
        None => (String::new(), false),
    };
    Ok(ExtAuthz { provider: provider(at, filter_enabled_metadata), cluster, grpc })
}

pub(super) fn grpc_cluster(at: &At<'_>, service: Option<core::GrpcService>) -> String {
    use core::grpc_service::TargetSpecifier;
    let at = at.field("grpc_service");
    let Some(service) = service else { return String::new() };
    unpack!(at, service, core::GrpcService { target_specifier } else { timeout, initial_metadata, retry_policy });
    match target_specifier {
        Some(TargetSpecifier::EnvoyGrpc(value)) => {
            let at = at.field("envoy_grpc");
            unpack!(at, value, core::grpc_service::EnvoyGrpc { cluster_name } else { authority, retry_policy, max_receive_message_length, skip_envoy_headers });
            cluster_name
        }
        _ => {
            at.note("only a cluster can be asked");
            String::new()
        }
    }
}

fn http_cluster(at: &At<'_>, service: http_ext_authz::HttpService) -> String {
    unpack!(at, service, http_ext_authz::HttpService { server_uri } else { path_prefix, path_override, authorization_request, authorization_response, retry_policy });
    let at = at.field("server_uri");
    let Some(uri) = server_uri else { return String::new() };
    at.left("uri", &uri.uri);
    at.left("timeout", &uri.timeout);
    match uri.http_upstream_type {
        Some(core::http_uri::HttpUpstreamType::Cluster(cluster)) => cluster,
        None => String::new(),
    }
}

/// The prefix of the shadow policy on which the question depends. A condition of another shape is not decided: then
/// every request is asked about, and so denied.
pub(super) fn provider(at: &At<'_>, condition: Option<matcher::MetadataMatcher>) -> String {
    use matcher::string_matcher::MatchPattern;
    use matcher::value_matcher::MatchPattern as Value;
    let Some(condition) = condition else { return String::new() };
    let value = condition.value.as_ref().and_then(|value| value.match_pattern.as_ref());
    if let Some(Value::StringMatch(value)) = value
        && let Some(MatchPattern::Prefix(provider)) = &value.match_pattern
        && encode::ext_authz::is_condition(&condition, provider)
    {
        return provider.clone();
    }
    at.field("filter_enabled_metadata").note("the condition is not known: every request is asked about");
    String::new()
}

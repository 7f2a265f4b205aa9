//! External authorizers.

use weft_model::http::ExtAuthz;

use super::value::duration;
use crate::pb::{core, http_ext_authz, matcher, network_ext_authz};

/// Asked about a request only where a shadow policy of the provider matched, as istiod writes it.
pub(crate) fn condition(provider: &str) -> Option<matcher::MetadataMatcher> {
    use matcher::metadata_matcher::{PathSegment, path_segment::Segment};
    if provider.is_empty() {
        return None;
    }
    let key = "istio_ext_authz_shadow_effective_policy_id".to_owned();
    let prefix = matcher::string_matcher::MatchPattern::Prefix(provider.to_owned());
    let value = matcher::StringMatcher { ignore_case: false, match_pattern: Some(prefix) };
    Some(matcher::MetadataMatcher {
        filter: "envoy.filters.http.rbac".to_owned(),
        path: vec![PathSegment { segment: Some(Segment::Key(key)) }],
        value: Some(matcher::ValueMatcher {
            match_pattern: Some(matcher::value_matcher::MatchPattern::StringMatch(value)),
        }),
        invert: false,
    })
}

fn network_condition(provider: &str) -> Option<matcher::MetadataMatcher> {
    let condition = condition(provider)?;
    Some(matcher::MetadataMatcher { filter: "envoy.filters.network.rbac".to_owned(), ..condition })
}

/// Whether this is the condition of a provider, on HTTP or TCP.
pub(crate) fn is_condition(value: &matcher::MetadataMatcher, provider: &str) -> bool {
    [condition(provider), network_condition(provider)].iter().flatten().any(|known| known == value)
}

pub(crate) fn http(value: &ExtAuthz) -> http_ext_authz::ExtAuthz {
    use http_ext_authz::ext_authz::Services;
    let services = if value.grpc {
        Services::GrpcService(grpc(&value.cluster))
    } else {
        let uri = core::HttpUri {
            uri: format!("http://{}", value.cluster),
            timeout: Some(duration(std::time::Duration::from_secs(600))),
            http_upstream_type: Some(core::http_uri::HttpUpstreamType::Cluster(value.cluster.clone())),
        };
        Services::HttpService(http_ext_authz::HttpService { server_uri: Some(uri), ..Default::default() })
    };
    http_ext_authz::ExtAuthz {
        transport_api_version: core::ApiVersion::V3 as i32,
        filter_enabled_metadata: condition(&value.provider),
        services: Some(services),
        ..Default::default()
    }
}

pub(crate) fn network(value: &ExtAuthz) -> network_ext_authz::ExtAuthz {
    network_ext_authz::ExtAuthz {
        stat_prefix: "tcp.".to_owned(),
        transport_api_version: core::ApiVersion::V3 as i32,
        filter_enabled_metadata: network_condition(&value.provider),
        grpc_service: Some(grpc(&value.cluster)),
        ..Default::default()
    }
}

fn grpc(cluster: &str) -> core::GrpcService {
    use core::grpc_service::{EnvoyGrpc, TargetSpecifier};
    let target = EnvoyGrpc { cluster_name: cluster.to_owned(), ..Default::default() };
    core::GrpcService { target_specifier: Some(TargetSpecifier::EnvoyGrpc(target)), ..Default::default() }
}

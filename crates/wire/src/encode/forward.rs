//! What happens to a request on its way to a cluster: `RouteAction`.

use weft_model::route::{
    Forward, HashKey, HashPolicy, HostRewrite, Mirror, RetryPolicy, Target, Upgrade, WeightedCluster,
};

use super::matcher::header;
use super::route::{operations, rewrite};
use super::value::{maybe_duration, number, pack, runtime_fraction, typed, yes};
use crate::pb::{previous_hosts, previous_priorities, route, uri_template};

#[allow(deprecated, reason = "istiod writes `max_grpc_timeout`")]
pub(crate) fn forward(value: &Forward) -> route::RouteAction {
    use route::route_action::{
        ClusterNotFoundResponseCode as Code, ClusterSpecifier, HostRewriteSpecifier as Host,
    };
    use route::weighted_cluster::RandomValueSpecifier;
    use uri_template::rewrite::uri_template::v3::UriTemplateRewriteConfig;
    let cluster = match &value.target {
        Target::Cluster(name) => ClusterSpecifier::Cluster(name.clone()),
        Target::Header(name) => ClusterSpecifier::ClusterHeader(name.clone()),
        Target::Weighted(clusters) => ClusterSpecifier::WeightedClusters(route::WeightedCluster {
            clusters: clusters.iter().map(weight).collect(),
            random_value_specifier: if value.sticky {
                yes(true).map(RandomValueSpecifier::UseHashPolicy)
            } else {
                None
            },
            ..Default::default()
        }),
    };
    let host = match &value.host_rewrite {
        HostRewrite::None => None,
        HostRewrite::Literal(host) => Some(Host::HostRewriteLiteral(host.clone())),
        HostRewrite::Auto => yes(true).map(Host::AutoHostRewrite),
        HostRewrite::Header(name) => Some(Host::HostRewriteHeader(name.clone())),
    };
    let not_found = match value.cluster_not_found {
        Some(404) => Code::NotFound,
        Some(500) => Code::InternalServerError,
        _ => Code::ServiceUnavailable,
    };
    let template = value.template_rewrite.as_ref().map(|template| {
        let config = UriTemplateRewriteConfig { path_template_rewrite: template.clone() };
        typed("envoy.path.rewrite.uri_template.uri_template_rewriter", pack(&config))
    });
    let grpc_timeout = maybe_duration(value.grpc_timeout_cap);
    route::RouteAction {
        cluster_specifier: Some(cluster),
        host_rewrite_specifier: host,
        cluster_not_found_response_code: not_found as i32,
        prefix_rewrite: value.prefix_rewrite.clone().unwrap_or_default(),
        regex_rewrite: value.regex_rewrite.as_ref().map(rewrite),
        path_rewrite_policy: template,
        timeout: maybe_duration(value.timeout),
        idle_timeout: maybe_duration(value.idle_timeout),
        retry_policy: value.retry.as_ref().map(retry),
        request_mirror_policies: value.mirrors.iter().map(mirror).collect(),
        hash_policy: value.hash.iter().map(hash).collect(),
        max_grpc_timeout: if value.grpc_timeout_in_max_stream { None } else { grpc_timeout },
        upgrade_configs: value.upgrades.iter().map(upgrade).collect(),
        max_stream_duration: stream_duration(value),
        ..Default::default()
    }
}

fn stream_duration(value: &Forward) -> Option<route::route_action::MaxStreamDuration> {
    let cap = if value.grpc_timeout_in_max_stream { value.grpc_timeout_cap } else { None };
    (value.max_stream_duration.is_some() || cap.is_some()).then(|| route::route_action::MaxStreamDuration {
        max_stream_duration: maybe_duration(value.max_stream_duration),
        grpc_timeout_header_max: maybe_duration(cap),
        grpc_timeout_header_offset: None,
    })
}

fn weight(value: &WeightedCluster) -> route::weighted_cluster::ClusterWeight {
    use route::weighted_cluster::cluster_weight::HostRewriteSpecifier;
    let headers = operations(&value.headers);
    route::weighted_cluster::ClusterWeight {
        name: value.name.clone(),
        weight: number(Some(value.weight)),
        request_headers_to_add: headers.0,
        request_headers_to_remove: headers.1,
        response_headers_to_add: headers.2,
        response_headers_to_remove: headers.3,
        host_rewrite_specifier: value.host_rewrite.clone().map(HostRewriteSpecifier::HostRewriteLiteral),
        ..Default::default()
    }
}

fn retry(value: &RetryPolicy) -> route::RetryPolicy {
    use route::retry_policy::{
        RetryBackOff, RetryHostPredicate, RetryPriority, retry_host_predicate, retry_priority,
    };
    let hosts = || RetryHostPredicate {
        name: "envoy.retry_host_predicates.previous_hosts".to_owned(),
        config_type: Some(retry_host_predicate::ConfigType::TypedConfig(pack(
            &previous_hosts::PreviousHostsPredicate::default(),
        ))),
    };
    let priorities = |after: u32| RetryPriority {
        name: "envoy.retry_priorities.previous_priorities".to_owned(),
        config_type: Some(retry_priority::ConfigType::TypedConfig(pack(
            &previous_priorities::PreviousPrioritiesConfig {
                update_frequency: i32::try_from(after).unwrap_or(i32::MAX),
            },
        ))),
    };
    let back_off = RetryBackOff {
        base_interval: maybe_duration(value.back_off_base),
        max_interval: maybe_duration(value.back_off_max),
    };
    route::RetryPolicy {
        retry_on: value.retry_on.clone(),
        num_retries: number(value.num_retries),
        per_try_timeout: maybe_duration(value.per_try_timeout),
        retry_priority: value.avoid_previous_priorities.map(priorities),
        retry_host_predicate: value.avoid_previous_hosts.then(hosts).into_iter().collect(),
        host_selection_retry_max_attempts: value.host_selection_max_attempts.unwrap_or_default().into(),
        retriable_status_codes: value.retriable_status_codes.iter().map(|status| (*status).into()).collect(),
        retry_back_off: (back_off != RetryBackOff::default()).then_some(back_off),
        retriable_headers: value.retriable_headers.iter().map(header).collect(),
        ..Default::default()
    }
}

fn mirror(value: &Mirror) -> route::route_action::RequestMirrorPolicy {
    route::route_action::RequestMirrorPolicy {
        cluster: value.cluster.clone(),
        runtime_fraction: value.fraction.map(runtime_fraction),
        trace_sampled: yes(false),
        disable_shadow_host_suffix_append: value.keep_host,
        ..Default::default()
    }
}

fn hash(value: &HashPolicy) -> route::route_action::HashPolicy {
    use route::route_action::hash_policy::{
        ConnectionProperties, Cookie, CookieAttribute, Header, PolicySpecifier as Is, QueryParameter,
    };
    let key = match &value.key {
        HashKey::Header(name) => Is::Header(Header { header_name: name.clone(), regex_rewrite: None }),
        HashKey::Cookie { name, ttl, path, attributes } => {
            let said = attributes.iter();
            let said = said.map(|(name, value)| CookieAttribute { name: name.clone(), value: value.clone() });
            Is::Cookie(Cookie {
                name: name.clone(),
                ttl: maybe_duration(*ttl),
                path: path.clone(),
                attributes: said.collect(),
            })
        }
        HashKey::SourceIp => Is::ConnectionProperties(ConnectionProperties { source_ip: true }),
        HashKey::Query(name) => Is::QueryParameter(QueryParameter { name: name.clone() }),
    };
    route::route_action::HashPolicy { terminal: value.terminal, policy_specifier: Some(key) }
}

fn upgrade(value: &Upgrade) -> route::route_action::UpgradeConfig {
    use route::route_action::upgrade_config::ConnectConfig;
    route::route_action::UpgradeConfig {
        upgrade_type: value.token.clone(),
        enabled: if value.enabled { None } else { yes(false) },
        connect_config: value.terminate_connect.then(ConnectConfig::default),
    }
}

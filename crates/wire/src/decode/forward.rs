//! What happens to a request on its way to a cluster: `RouteAction`.

use weft_model::route::{
    Forward, HashKey, HashPolicy, HostRewrite, Mirror, RouteAction, Target, Upgrade, WeightedCluster,
};

use super::at::{At, Decoded, unpack};
use super::retry;
use super::route::{operations, rewrite};
use super::value::{duration, extension, runtime_fraction};
use crate::pb::{core, route, uri_template};

#[allow(
    deprecated,
    reason = "istiod writes `max_grpc_timeout`; what older control planes write is noted too"
)]
#[allow(clippy::too_many_lines, reason = "one line a field")]
pub(super) fn forward(at: &At<'_>, value: route::RouteAction) -> Decoded<RouteAction> {
    unpack!(at, value, route::RouteAction {
        cluster_specifier, host_rewrite_specifier, cluster_not_found_response_code, prefix_rewrite, regex_rewrite,
        path_rewrite_policy, path_rewrite, timeout, idle_timeout, retry_policy, request_mirror_policies, hash_policy,
        max_grpc_timeout, upgrade_configs, max_stream_duration
    } else { metadata_match, append_x_forwarded_host, flush_timeout, early_data_policy, retry_policy_typed_config, priority, rate_limits, include_vh_rate_limits, cors, grpc_timeout_offset, internal_redirect_policy, internal_redirect_action, max_internal_redirects, hedge_policy });
    let sticky = is_sticky(cluster_specifier.as_ref());
    let target = match target(at, cluster_specifier)? {
        Ok(target) => target,
        Err(unknown) => return Ok(RouteAction::Unknown(unknown)),
    };
    if !path_rewrite.is_empty() {
        return Err(at.field("path_rewrite").fault("it is not known here"));
    }
    let grpc_timeout_cap = duration(at, "max_grpc_timeout", max_grpc_timeout)?;
    let mut forward = Forward {
        target,
        sticky,
        prefix_rewrite: (!prefix_rewrite.is_empty()).then_some(prefix_rewrite),
        regex_rewrite: regex_rewrite.map(|value| rewrite(&at.field("regex_rewrite"), value)).transpose()?,
        template_rewrite: template(&at.field("path_rewrite_policy"), path_rewrite_policy)?,
        host_rewrite: host_rewrite(at, host_rewrite_specifier),
        timeout: duration(at, "timeout", timeout)?,
        idle_timeout: duration(at, "idle_timeout", idle_timeout)?,
        grpc_timeout_cap,
        grpc_timeout_in_max_stream: false,
        max_stream_duration: None,
        retry: retry_policy.map(|value| retry::retry(&at.field("retry_policy"), value)).transpose()?,
        hash: Vec::with_capacity(hash_policy.len()),
        mirrors: Vec::with_capacity(request_mirror_policies.len()),
        upgrades: Vec::with_capacity(upgrade_configs.len()),
        cluster_not_found: not_found(at, cluster_not_found_response_code)?,
    };
    if let Some(value) = max_stream_duration {
        stream_duration(&at.field("max_stream_duration"), value, &mut forward)?;
    }
    for (n, value) in hash_policy.into_iter().enumerate() {
        forward.hash.extend(hash(&at.item("hash_policy", n), value)?);
    }
    for (n, value) in request_mirror_policies.into_iter().enumerate() {
        forward.mirrors.extend(mirror(&at.item("request_mirror_policies", n), value)?);
    }
    for (n, value) in upgrade_configs.into_iter().enumerate() {
        forward.upgrades.push(upgrade(&at.item("upgrade_configs", n), value)?);
    }
    Ok(RouteAction::Forward(Box::new(forward)))
}

/// Where to, or the description of a way to choose that nobody here knows.
fn target(
    at: &At<'_>,
    value: Option<route::route_action::ClusterSpecifier>,
) -> Decoded<Result<Target, String>> {
    use route::route_action::ClusterSpecifier as Is;
    Ok(match value {
        Some(Is::Cluster(name)) if name.is_empty() => return Err(at.field("cluster").fault("it is empty")),
        Some(Is::Cluster(name)) => Ok(Target::Cluster(name)),
        Some(Is::ClusterHeader(name)) => Ok(Target::Header(name.to_ascii_lowercase())),
        Some(Is::WeightedClusters(value)) => {
            Ok(Target::Weighted(weighted(&at.field("weighted_clusters"), value)?))
        }
        Some(Is::ClusterSpecifierPlugin(_)) => {
            at.note("clusters are not chosen by plugins: requests are answered with an error");
            Err("cluster_specifier_plugin".to_owned())
        }
        Some(Is::InlineClusterSpecifierPlugin(_)) => {
            at.note("clusters are not chosen by plugins: requests are answered with an error");
            Err("inline_cluster_specifier_plugin".to_owned())
        }
        None => return Err(at.fault("it names no cluster")),
    })
}

/// Whether a session's key chooses among weighted clusters.
fn is_sticky(value: Option<&route::route_action::ClusterSpecifier>) -> bool {
    use route::route_action::ClusterSpecifier as Is;
    use route::weighted_cluster::RandomValueSpecifier::UseHashPolicy;
    let Some(Is::WeightedClusters(value)) = value else { return false };
    matches!(&value.random_value_specifier, Some(UseHashPolicy(yes)) if yes.value)
}

#[allow(deprecated, reason = "the sum of weights that older control planes write says nothing new")]
fn weighted(at: &At<'_>, value: route::WeightedCluster) -> Decoded<Vec<WeightedCluster>> {
    unpack!(at, value, route::WeightedCluster { clusters, random_value_specifier } else { total_weight, runtime_key_prefix });
    if let Some(route::weighted_cluster::RandomValueSpecifier::HeaderName(_)) = random_value_specifier {
        at.field("header_name").note("clusters are not chosen by a number of the client's");
    }
    if clusters.is_empty() {
        return Err(at.field("clusters").fault("it has none"));
    }
    clusters.into_iter().enumerate().map(|(n, value)| weight(&at.item("clusters", n), value)).collect()
}

fn weight(at: &At<'_>, value: route::weighted_cluster::ClusterWeight) -> Decoded<WeightedCluster> {
    use route::weighted_cluster::cluster_weight::HostRewriteSpecifier;
    unpack!(at, value, route::weighted_cluster::ClusterWeight {
        name, weight, request_headers_to_add, request_headers_to_remove, response_headers_to_add,
        response_headers_to_remove, host_rewrite_specifier
    } else { cluster_header, metadata_match, typed_per_filter_config });
    if name.is_empty() {
        return Err(at.field("name").fault("it is empty"));
    }
    let headers = operations(
        at,
        (request_headers_to_add, request_headers_to_remove),
        (response_headers_to_add, response_headers_to_remove),
    )?;
    Ok(WeightedCluster {
        name,
        weight: weight.map_or(0, |weight| weight.value),
        headers,
        host_rewrite: host_rewrite_specifier.map(|HostRewriteSpecifier::HostRewriteLiteral(host)| host),
    })
}

fn template(at: &At<'_>, value: Option<core::TypedExtensionConfig>) -> Decoded<Option<String>> {
    use uri_template::rewrite::uri_template::v3::UriTemplateRewriteConfig;
    let Some(value) = value else { return Ok(None) };
    match extension::<UriTemplateRewriteConfig>(at, value.typed_config.as_ref())? {
        Some(config) => Ok(Some(config.path_template_rewrite)),
        None => Err(at.fault(format!("the policy {:?} is not known here", value.name))),
    }
}

fn host_rewrite(at: &At<'_>, value: Option<route::route_action::HostRewriteSpecifier>) -> HostRewrite {
    use route::route_action::HostRewriteSpecifier as Is;
    match value {
        None => HostRewrite::None,
        Some(Is::HostRewriteLiteral(host)) => HostRewrite::Literal(host),
        Some(Is::AutoHostRewrite(auto)) if auto.value => HostRewrite::Auto,
        Some(Is::AutoHostRewrite(_)) => HostRewrite::None,
        Some(Is::HostRewriteHeader(name)) => HostRewrite::Header(name.to_ascii_lowercase()),
        Some(Is::HostRewritePathRegex(_)) => {
            at.field("host_rewrite_path_regex").note("the host stays");
            HostRewrite::None
        }
        Some(Is::HostRewrite(_)) => {
            at.field("host_rewrite").note("the host stays");
            HostRewrite::None
        }
    }
}

fn not_found(at: &At<'_>, value: i32) -> Decoded<Option<u16>> {
    use route::route_action::ClusterNotFoundResponseCode as Code;
    match Code::try_from(value) {
        Ok(Code::ServiceUnavailable) => Ok(None),
        Ok(Code::NotFound) => Ok(Some(404)),
        Ok(Code::InternalServerError) => Ok(Some(500)),
        Err(_) => {
            Err(at.field("cluster_not_found_response_code").fault(format!("{value} is no response code")))
        }
    }
}

fn stream_duration(
    at: &At<'_>,
    value: route::route_action::MaxStreamDuration,
    forward: &mut Forward,
) -> Decoded<()> {
    unpack!(at, value, route::route_action::MaxStreamDuration {
        max_stream_duration, grpc_timeout_header_max
    } else { grpc_timeout_header_offset });
    forward.max_stream_duration = duration(at, "max_stream_duration", max_stream_duration)?;
    if let Some(cap) = duration(at, "grpc_timeout_header_max", grpc_timeout_header_max)? {
        // The newer field counts, as in Envoy.
        if forward.grpc_timeout_cap.is_some() {
            at.note("`max_grpc_timeout` stands beside `grpc_timeout_header_max`, which counts");
        }
        forward.grpc_timeout_cap = Some(cap);
        forward.grpc_timeout_in_max_stream = true;
    }
    Ok(())
}

fn hash(at: &At<'_>, value: route::route_action::HashPolicy) -> Decoded<Option<HashPolicy>> {
    use route::route_action::hash_policy::{Cookie, Header, PolicySpecifier as Is};
    let key = match value.policy_specifier {
        Some(Is::Header(value)) => {
            let at = at.field("header");
            unpack!(at, value, Header { header_name } else { regex_rewrite });
            HashKey::Header(header_name.to_ascii_lowercase())
        }
        Some(Is::Cookie(value)) => {
            let at = at.field("cookie");
            unpack!(at, value, Cookie { name, ttl, path, attributes } else {});
            let attributes = attributes.into_iter().enumerate().map(|(n, of)| {
                let whole = |text: &str| !text.contains(|c: char| c == ';' || c.is_control());
                if of.name.is_empty() || !whole(&of.name) || !whole(&of.value) {
                    return Err(at.item("attributes", n).fault("it would be no attribute of a cookie"));
                }
                Ok((of.name, of.value))
            });
            let attributes = attributes.collect::<Decoded<_>>()?;
            HashKey::Cookie { name, ttl: duration(&at, "ttl", ttl)?, path, attributes }
        }
        Some(Is::ConnectionProperties(properties)) if properties.source_ip => HashKey::SourceIp,
        Some(Is::ConnectionProperties(_)) => {
            at.field("connection_properties").note("it names nothing to hash");
            return Ok(None);
        }
        Some(Is::QueryParameter(value)) => HashKey::Query(value.name),
        Some(Is::FilterState(_)) => {
            at.field("filter_state").note("filter state is not hashed");
            return Ok(None);
        }
        None => return Err(at.fault("it names nothing to hash")),
    };
    Ok(Some(HashPolicy { key, terminal: value.terminal }))
}

fn mirror(at: &At<'_>, value: route::route_action::RequestMirrorPolicy) -> Decoded<Option<Mirror>> {
    unpack!(at, value, route::route_action::RequestMirrorPolicy {
        cluster, cluster_header, runtime_fraction, trace_sampled, disable_shadow_host_suffix_append
    } else { request_headers_mutations, host_rewrite_literal });
    if trace_sampled.is_some_and(|sampled| sampled.value) {
        at.field("trace_sampled").note("copies are never sampled");
    }
    if cluster.is_empty() {
        if cluster_header.is_empty() {
            return Err(at.field("cluster").fault("it is empty"));
        }
        at.note("a mirror's cluster is not taken from a header: nothing is mirrored");
        return Ok(None);
    }
    let fraction = self::runtime_fraction(at, "runtime_fraction", runtime_fraction)?;
    Ok(Some(Mirror { cluster, fraction, keep_host: disable_shadow_host_suffix_append }))
}

fn upgrade(at: &At<'_>, value: route::route_action::UpgradeConfig) -> Decoded<Upgrade> {
    use route::route_action::upgrade_config::ConnectConfig;
    unpack!(at, value, route::route_action::UpgradeConfig { upgrade_type, enabled, connect_config } else {});
    if upgrade_type.is_empty() {
        return Err(at.field("upgrade_type").fault("it is empty"));
    }
    let terminate_connect = connect_config.is_some();
    if let Some(config) = connect_config {
        let at = at.field("connect_config");
        unpack!(at, config, ConnectConfig {} else { proxy_protocol_config, allow_post });
    }
    let enabled = enabled.is_none_or(|enabled| enabled.value);
    Ok(Upgrade { token: upgrade_type, enabled, terminate_connect })
}

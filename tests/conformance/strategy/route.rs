//! Routes.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use weft_model::limit::{LocalRateLimit, TokenBucket};
use weft_model::matcher::QueryMatcher;
use weft_model::route::*;

use super::{duration, header_matcher, metadata_matcher, name, string_matcher, text};

fn fraction() -> BoxedStrategy<Fraction> {
    (any::<u32>(), prop_oneof![Just(100), Just(10_000), Just(1_000_000)])
        .prop_map(|(numerator, denominator)| Fraction { numerator, denominator })
        .boxed()
}

fn operations() -> BoxedStrategy<HeaderOperations> {
    let action = prop_oneof![
        Just(HeaderAction::Append),
        Just(HeaderAction::AddIfAbsent),
        Just(HeaderAction::Overwrite),
        Just(HeaderAction::OverwriteIfPresent)
    ];
    let option =
        (name(), text(), action).prop_map(|(name, value, action)| HeaderValueOption { name, value, action });
    (vec(option.clone(), 0..2), vec(name(), 0..2), vec(option, 0..2), vec(name(), 0..2))
        .prop_map(|(request_set, request_remove, response_set, response_remove)| HeaderOperations {
            request_set,
            request_remove,
            response_set,
            response_remove,
        })
        .boxed()
}

pub(super) fn route_match() -> BoxedStrategy<RouteMatch> {
    let path = prop_oneof![
        text().prop_map(PathMatch::Prefix),
        text().prop_map(PathMatch::Exact),
        text().prop_map(PathMatch::Regex),
        text().prop_map(PathMatch::PathSeparatedPrefix),
        text().prop_map(PathMatch::Template),
        Just(PathMatch::Connect),
    ];
    let query = (name(), of(string_matcher())).prop_map(|(name, value)| QueryMatcher { name, value });
    (
        path,
        any::<bool>(),
        vec(header_matcher(), 0..3),
        vec(query, 0..2),
        vec(metadata_matcher(), 0..2),
        any::<bool>(),
        of(fraction()),
    )
        .prop_map(|(path, ignore_case, headers, query, metadata, grpc, fraction)| RouteMatch {
            path,
            ignore_case,
            headers,
            query,
            metadata,
            grpc,
            fraction,
        })
        .boxed()
}

fn rewrite() -> BoxedStrategy<RegexRewrite> {
    (text(), text()).prop_map(|(pattern, substitution)| RegexRewrite { pattern, substitution }).boxed()
}

fn retry() -> BoxedStrategy<RetryPolicy> {
    let first =
        (text(), of(any::<u32>()), of(duration()), vec(100..=599_u16, 0..3), vec(header_matcher(), 0..2));
    let second = (any::<bool>(), of(1_u32..=1000), of(1_u32..), of(duration()), of(duration()));
    (first, second)
        .prop_map(
            |(
                (retry_on, num_retries, per_try_timeout, retriable_status_codes, retriable_headers),
                (
                    avoid_previous_hosts,
                    avoid_previous_priorities,
                    host_selection_max_attempts,
                    back_off_base,
                    back_off_max,
                ),
            )| RetryPolicy {
                retry_on,
                num_retries,
                per_try_timeout,
                retriable_status_codes,
                retriable_headers,
                avoid_previous_hosts,
                avoid_previous_priorities,
                host_selection_max_attempts,
                back_off_base,
                back_off_max,
            },
        )
        .boxed()
}

fn forward() -> BoxedStrategy<Forward> {
    let weighted =
        (name(), any::<u32>(), operations(), of(text())).prop_map(|(name, weight, headers, host_rewrite)| {
            WeightedCluster { name, weight, headers, host_rewrite }
        });
    // Stickiness is said of weighted clusters alone.
    let target = prop_oneof![
        name().prop_map(|name| (Target::Cluster(name), false)),
        (vec(weighted, 1..3), any::<bool>()).prop_map(|(of, sticky)| (Target::Weighted(of), sticky)),
        name().prop_map(|name| (Target::Header(name), false))
    ];
    let host = prop_oneof![
        Just(HostRewrite::None),
        text().prop_map(HostRewrite::Literal),
        Just(HostRewrite::Auto),
        name().prop_map(HostRewrite::Header)
    ];
    let key = prop_oneof![
        name().prop_map(HashKey::Header),
        (text(), of(duration()), text(), vec((name(), name()), 0..3))
            .prop_map(|(name, ttl, path, attributes)| HashKey::Cookie { name, ttl, path, attributes }),
        Just(HashKey::SourceIp),
        text().prop_map(HashKey::Query)
    ];
    let hash = (key, any::<bool>()).prop_map(|(key, terminal)| HashPolicy { key, terminal });
    let mirror = (name(), of(fraction()), any::<bool>()).prop_map(|(cluster, fraction, keep_host)| Mirror {
        cluster,
        fraction,
        keep_host,
    });
    let upgrade = (name(), any::<bool>(), any::<bool>())
        .prop_map(|(token, enabled, terminate_connect)| Upgrade { token, enabled, terminate_connect });
    // A cap says where it stands; without one there is nothing to stand anywhere.
    let cap = prop_oneof![
        Just((None, false)),
        (duration(), any::<bool>()).prop_map(|(cap, place)| (Some(cap), place))
    ];
    let first = (target, of(name()), of(rewrite()), of(text()), host, of(duration()), of(duration()));
    let lists = (vec(hash, 0..2), vec(mirror, 0..2), vec(upgrade, 0..2));
    let second =
        (cap, of(duration()), of(retry()), prop_oneof![Just(None), Just(Some(404)), Just(Some(500))]);
    (first, lists, second)
        .prop_map(
            |(
                (
                    (target, sticky),
                    prefix_rewrite,
                    regex_rewrite,
                    template_rewrite,
                    host_rewrite,
                    timeout,
                    idle_timeout,
                ),
                (hash, mirrors, upgrades),
                (
                    (grpc_timeout_cap, grpc_timeout_in_max_stream),
                    max_stream_duration,
                    retry,
                    cluster_not_found,
                ),
            )| Forward {
                target,
                sticky,
                prefix_rewrite,
                regex_rewrite,
                template_rewrite,
                host_rewrite,
                timeout,
                idle_timeout,
                grpc_timeout_cap,
                grpc_timeout_in_max_stream,
                max_stream_duration,
                retry,
                hash,
                mirrors,
                upgrades,
                cluster_not_found,
            },
        )
        .boxed()
}

pub(super) fn limit() -> BoxedStrategy<LocalRateLimit> {
    let interval = (50..100_000_u64).prop_map(std::time::Duration::from_millis);
    let bucket =
        (any::<u32>(), 1_u32.., interval).prop_map(|(max_tokens, tokens_per_fill, fill_interval)| {
            TokenBucket { max_tokens, tokens_per_fill, fill_interval }
        });
    let flags = any::<(bool, bool)>();
    (name(), of(bucket), fraction(), fraction(), 400..600_u16, flags)
        .prop_map(|(stat_prefix, bucket, enabled, enforced, status, (headers, resource_exhausted))| {
            LocalRateLimit { stat_prefix, bucket, enabled, enforced, status, headers, resource_exhausted }
        })
        .boxed()
}

fn action() -> BoxedStrategy<RouteAction> {
    let path = prop_oneof![
        text().prop_map(RedirectPath::Full),
        text().prop_map(RedirectPath::Prefix),
        rewrite().prop_map(RedirectPath::Regex)
    ];
    // A scheme of its own leaves nothing to say about https.
    let scheme =
        prop_oneof![text().prop_map(|scheme| (Some(scheme), false)), any::<bool>().prop_map(|s| (None, s))];
    let status = prop_oneof![Just(301), Just(302), Just(303), Just(307), Just(308)];
    let redirect = (scheme, of(name()), of(1_u16..), of(path), status, any::<bool>()).prop_map(
        |((scheme, https), host, port, path, status, strip_query)| {
            RouteAction::Redirect(Redirect { scheme, https, host, port, path, status, strip_query })
        },
    );
    let direct = (100..=599_u16, vec(any::<u8>(), 0..9))
        .prop_map(|(status, body)| RouteAction::DirectResponse { status, body });
    let unknown = prop_oneof![Just("filter_action"), Just("non_forwarding_action")];
    prop_oneof![
        4 => forward().prop_map(|forward| RouteAction::Forward(Box::new(forward))),
        1 => redirect,
        1 => direct,
        1 => unknown.prop_map(|what| RouteAction::Unknown(what.to_owned())),
    ]
    .boxed()
}

fn filters() -> BoxedStrategy<(Option<Fault>, Option<Cors>, Option<LocalRateLimit>)> {
    let abort =
        prop_oneof![(100..=599_u16).prop_map(FaultAbort::Http), any::<u32>().prop_map(FaultAbort::Grpc)];
    let fault = (of((duration(), fraction())), of((abort, fraction())))
        .prop_map(|(delay, abort)| Fault { delay, abort });
    let texts = [text(), text(), text(), text()];
    let cors = (vec(string_matcher(), 0..2), texts, of(any::<bool>()), of(any::<bool>())).prop_map(
        |(allow_origins, texts, allow_credentials, forward_not_matching_preflights)| {
            let [allow_methods, allow_headers, expose_headers, max_age] = texts;
            Cors {
                allow_origins,
                allow_methods,
                allow_headers,
                expose_headers,
                max_age,
                allow_credentials,
                forward_not_matching_preflights,
            }
        },
    );
    (of(fault), of(cors), of(limit())).boxed()
}

fn route() -> BoxedStrategy<Route> {
    (text(), route_match(), action(), operations(), text(), text(), filters())
        .prop_map(|(name, matches, action, headers, config, operation, (fault, cors, limit))| Route {
            name,
            matches,
            action,
            headers,
            config,
            operation,
            fault,
            cors,
            limit,
        })
        .boxed()
}

pub(crate) fn route_configuration() -> BoxedStrategy<RouteConfiguration> {
    let require_tls = prop_oneof![
        Just(TlsRequirement::None),
        Just(TlsRequirement::All),
        Just(TlsRequirement::ExternalOnly)
    ];
    let host = (text(), vec(name(), 1..3), vec(route(), 0..3), operations(), require_tls, any::<bool>())
        .prop_map(|(name, domains, routes, headers, require_tls, include_request_attempt_count)| {
            VirtualHost { name, domains, routes, headers, require_tls, include_request_attempt_count }
        });
    (text(), vec(host, 0..3), any::<bool>(), operations())
        .prop_map(|(name, virtual_hosts, ignore_port_in_host_matching, headers)| RouteConfiguration {
            name,
            virtual_hosts,
            ignore_port_in_host_matching,
            headers,
        })
        .boxed()
}

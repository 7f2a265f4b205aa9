//! The connection manager, its filters and policies.

use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use weft_model::http::*;
use weft_model::rbac::*;
use weft_model::route::Upgrade;

use super::route::{route_configuration, route_match};
use super::{access_log, cidr, duration, header_matcher, metadata_matcher, name, string_matcher, text};

fn permission() -> BoxedStrategy<Permission> {
    let leaf = prop_oneof![
        Just(Permission::Any),
        header_matcher().prop_map(Permission::Header),
        string_matcher().prop_map(Permission::UrlPath),
        text().prop_map(Permission::UriTemplate),
        cidr().prop_map(Permission::DestinationIp),
        any::<u16>().prop_map(Permission::DestinationPort),
        (0..9000_u16, 9000_u16..).prop_map(|(first, last)| Permission::DestinationPortRange(first, last)),
        metadata_matcher().prop_map(Permission::Metadata),
        string_matcher().prop_map(Permission::RequestedServerName),
        text().prop_map(Permission::Unknown),
    ];
    leaf.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Permission::And),
            vec(inner.clone(), 0..3).prop_map(Permission::Or),
            inner.prop_map(|inner| Permission::Not(Box::new(inner))),
        ]
    })
    .boxed()
}

fn principal() -> BoxedStrategy<Principal> {
    let leaf = prop_oneof![
        Just(Principal::Any),
        of(string_matcher()).prop_map(Principal::Authenticated),
        cidr().prop_map(Principal::DirectRemoteIp),
        cidr().prop_map(Principal::RemoteIp),
        header_matcher().prop_map(Principal::Header),
        string_matcher().prop_map(Principal::UrlPath),
        metadata_matcher().prop_map(Principal::Metadata),
        (text(), string_matcher()).prop_map(|(key, value)| Principal::FilterState { key, value }),
        text().prop_map(Principal::Unknown),
    ];
    leaf.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Principal::And),
            vec(inner.clone(), 0..3).prop_map(Principal::Or),
            inner.prop_map(|inner| Principal::Not(Box::new(inner))),
        ]
    })
    .boxed()
}

fn rbac() -> BoxedStrategy<Rbac> {
    let policy = (vec(permission(), 0..3), vec(principal(), 0..3), any::<bool>()).prop_map(
        |(permissions, principals, has_condition)| Policy { permissions, principals, has_condition },
    );
    let action = prop_oneof![Just(Action::Allow), Just(Action::Deny), Just(Action::Log)];
    (action, btree_map(name(), policy, 0..3)).prop_map(|(action, policies)| Rbac { action, policies }).boxed()
}

pub(super) fn rbac_filter(network: bool) -> BoxedStrategy<RbacFilter> {
    (of(rbac()), of(rbac()), text(), text())
        .prop_map(move |(rules, shadow_rules, shadow_rules_stat_prefix, stat_prefix)| RbacFilter {
            rules,
            shadow_rules,
            shadow_rules_stat_prefix,
            stat_prefix: if network { stat_prefix } else { String::new() },
        })
        .boxed()
}

fn jwt() -> BoxedStrategy<JwtAuthn> {
    let keys = prop_oneof![
        text().prop_map(JwksSource::Inline),
        (text(), name(), duration(), of(duration()))
            .prop_map(|(uri, cluster, timeout, cache)| JwksSource::Remote { uri, cluster, timeout, cache }),
    ];
    let pairs = || vec((text(), text()), 0..2);
    let texts = || vec(text(), 0..2);
    let first = (name(), text(), texts(), of(keys), pairs(), texts(), texts());
    let second = (text(), text(), texts(), pairs(), any::<u32>(), any::<bool>(), any::<bool>());
    let provider = (first, second).prop_map(|(first, second)| JwtProvider {
        name: first.0,
        issuer: first.1,
        audiences: first.2,
        keys: first.3,
        from_headers: first.4,
        from_params: first.5,
        from_cookies: first.6,
        forward_payload_header: second.0,
        payload_in_metadata: second.1,
        space_delimited_claims: second.2,
        claim_to_headers: second.3,
        clock_skew_seconds: second.4,
        forward: second.5,
        require_expiration: second.6,
    });
    let leaf = prop_oneof![
        text().prop_map(JwtRequirement::Provider),
        (text(), texts()).prop_map(|(name, audiences)| JwtRequirement::ProviderAndAudiences(name, audiences)),
        Just(JwtRequirement::AllowMissing),
        Just(JwtRequirement::AllowMissingOrFailed),
        Just(JwtRequirement::Unknown("extract_only_without_validation".to_owned())),
    ];
    let requirement = leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(JwtRequirement::Any),
            vec(inner, 0..3).prop_map(JwtRequirement::All)
        ]
    });
    let rule = (route_match(), of(requirement)).prop_map(|(matches, requires)| JwtRule { matches, requires });
    (vec(provider, 0..3), vec(rule, 0..3), any::<bool>())
        .prop_map(|(mut providers, rules, bypass_cors_preflight)| {
            providers.sort_by(|a, b| a.name.cmp(&b.name));
            providers.dedup_by(|a, b| a.name == b.name);
            JwtAuthn { providers, rules, bypass_cors_preflight }
        })
        .boxed()
}

pub(super) fn stats() -> BoxedStrategy<Stats> {
    any::<(bool, bool)>()
        .prop_map(|(disable_host_header_fallback, server_gateway)| Stats {
            disable_host_header_fallback,
            server_gateway,
        })
        .boxed()
}

pub(super) fn ext_authz() -> BoxedStrategy<ExtAuthz> {
    (text(), name(), any::<bool>())
        .prop_map(|(provider, cluster, grpc)| ExtAuthz { provider, cluster, grpc })
        .boxed()
}

fn filter() -> BoxedStrategy<HttpFilter> {
    // External services are skipped where something is sent to the upstream, and nowhere else.
    let peer = any::<[bool; 5]>().prop_map(|flags| {
        HttpFilter::PeerMetadata(PeerMetadata {
            downstream_discovery: flags[0],
            upstream_discovery: flags[1],
            downstream_propagation: flags[2],
            upstream_propagation: flags[3],
            skip_external: flags[3] && flags[4],
        })
    });
    let unknown =
        (name(), prop_oneof![Just(String::new()), Just("type.googleapis.com/a.stranger".to_owned())]);
    prop_oneof![
        rbac_filter(false).prop_map(HttpFilter::Rbac),
        jwt().prop_map(HttpFilter::JwtAuthn),
        ext_authz().prop_map(HttpFilter::ExtAuthz),
        Just(HttpFilter::Alpn),
        stats().prop_map(HttpFilter::Stats),
        peer,
        Just(HttpFilter::GrpcStats),
        Just(HttpFilter::GrpcWeb),
        Just(HttpFilter::Fault),
        Just(HttpFilter::Cors),
        super::route::limit().prop_map(HttpFilter::LocalRateLimit),
        Just(HttpFilter::Router),
        unknown.prop_map(|(name, type_url)| HttpFilter::Unknown { name, type_url }),
    ]
    .boxed()
}

pub(super) fn manager() -> BoxedStrategy<HttpConnectionManager> {
    let routes = prop_oneof![
        name().prop_map(RouteSource::Rds),
        route_configuration().prop_map(|routes| RouteSource::Inline(Box::new(routes)))
    ];
    let upgrade = (name(), any::<bool>()).prop_map(|(token, enabled)| Upgrade {
        token,
        enabled,
        terminate_connect: false,
    });
    let server_header = prop_oneof![
        Just(ServerHeader::Overwrite),
        Just(ServerHeader::AppendIfAbsent),
        Just(ServerHeader::PassThrough)
    ];
    let slashes = prop_oneof![
        Just(EscapedSlashes::Keep),
        Just(EscapedSlashes::Reject),
        Just(EscapedSlashes::UnescapeAndRedirect),
        Just(EscapedSlashes::UnescapeAndForward)
    ];
    let client_cert = prop_oneof![
        Just(ForwardClientCert::Sanitize),
        Just(ForwardClientCert::ForwardOnly),
        Just(ForwardClientCert::AppendForward),
        Just(ForwardClientCert::SanitizeSet),
        Just(ForwardClientCert::AlwaysForwardOnly)
    ];
    let first = (text(), routes, vec(filter(), 0..4), vec(access_log(), 0..2), text(), vec(upgrade, 0..2));
    let second = (server_header, slashes, client_cert, any::<u32>(), of(any::<bool>()), of(any::<u32>()));
    (first, second, vec(of(duration()), 6), any::<[bool; 12]>())
        .prop_map(|(first, second, times, flags)| HttpConnectionManager {
            stat_prefix: first.0,
            routes: first.1,
            filters: first.2,
            access_log: first.3,
            server_name: first.4,
            upgrades: first.5,
            server_header: second.0,
            path: PathNormalization {
                normalize: flags[0],
                merge_slashes: flags[1],
                escaped_slashes: second.1,
            },
            client_cert: second.2,
            client_cert_details: ClientCertDetails {
                subject: flags[2],
                cert: flags[3],
                dns: flags[4],
                uri: flags[5],
            },
            xff_trusted_hops: second.3,
            generate_request_id: second.4,
            max_request_headers_kb: second.5,
            use_remote_address: flags[6],
            stream_idle_timeout: times[0],
            request_timeout: times[1],
            request_headers_timeout: times[2],
            idle_timeout: times[3],
            max_connection_duration: times[4],
            drain_timeout: times[5],
            accept_http_10: flags[7],
            allow_absolute_url: flags[8],
            preserve_header_case: flags[9],
            preserve_external_request_id: flags[10],
            skip_xff_append: flags[11],
        })
        .boxed()
}

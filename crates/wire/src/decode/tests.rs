use prost::Message;
use weft_model::cluster::Discovery;
use weft_model::http::HttpFilter;
use weft_model::listener::NetworkFilter;
use weft_model::rbac::{Action, Permission, Principal};
use weft_model::route::RouteAction;
use weft_model::tls::Transport;

use super::*;
use crate::encode::value::{duration, over_ads, pack, typed};
use crate::pb::{Any, UInt32Value, core, hcm, http_rbac, matcher, rbac, route, tls, types};

fn a_listener() -> pb::listener::Listener {
    pb::listener::Listener {
        name: "here".to_owned(),
        address: Some(crate::encode::value::address("0.0.0.0:80".parse().unwrap())),
        ..Default::default()
    }
}

fn chain_of(name: &str, config: Any) -> pb::listener::FilterChain {
    let config_type = Some(pb::listener::filter::ConfigType::TypedConfig(config));
    let filter = pb::listener::Filter { name: name.to_owned(), config_type };
    pb::listener::FilterChain { filters: vec![filter], ..Default::default() }
}

/// A listener whose one chain is a connection manager with one filter.
fn with_http_filter(name: &str, config: Any) -> pb::listener::Listener {
    let rds = hcm::Rds { config_source: Some(over_ads(true)), route_config_name: "80".to_owned() };
    let manager = hcm::HttpConnectionManager {
        route_specifier: Some(hcm::http_connection_manager::RouteSpecifier::Rds(rds)),
        proxy_100_continue: true,
        http_filters: vec![hcm::HttpFilter {
            name: name.to_owned(),
            config_type: Some(hcm::http_filter::ConfigType::TypedConfig(config)),
            ..Default::default()
        }],
        ..Default::default()
    };
    let chain = chain_of("envoy.filters.network.http_connection_manager", pack(&manager));
    pb::listener::Listener { filter_chains: vec![chain], ..a_listener() }
}

fn with_permission(permission: rbac::Permission) -> pb::listener::Listener {
    let anybody = rbac::Principal { identifier: Some(rbac::principal::Identifier::Any(true)) };
    let policy =
        rbac::Policy { permissions: vec![permission], principals: vec![anybody], ..Default::default() };
    let rules = rbac::Rbac { policies: [("p".to_owned(), policy)].into(), ..Default::default() };
    with_http_filter(
        "envoy.filters.http.rbac",
        pack(&http_rbac::Rbac { rules: Some(rules), ..Default::default() }),
    )
}

fn refused<M: std::fmt::Debug>(result: Result<M>) -> String {
    result.unwrap_err().to_string()
}

fn refused_listener(value: &pb::listener::Listener) -> String {
    refused(listener(&value.encode_to_vec()))
}

/// The one HTTP filter of a listener, and what was noted.
fn http_filter(value: &pb::listener::Listener) -> (HttpFilter, Vec<NotHonoured>) {
    let (listener, notes) = listener(&value.encode_to_vec()).unwrap();
    let NetworkFilter::Http(manager) = &listener.filter_chains[0].filters[0] else { panic!("{listener:?}") };
    (manager.filters[0].clone(), notes)
}

#[test]
fn an_error_names_the_resource_the_place_and_the_reason() {
    let mut value = a_listener();
    value.filter_chains.push(pb::listener::FilterChain {
        filter_chain_match: Some(pb::listener::FilterChainMatch {
            destination_port: Some(UInt32Value { value: 70_000 }),
            ..Default::default()
        }),
        ..Default::default()
    });
    assert_eq!(
        refused_listener(&value),
        "listener \"here\", at \"filter_chains[0].filter_chain_match.destination_port\": 70000 is no port (0 to 65535)"
    );
}

#[test]
fn bytes_that_are_no_listener_are_an_error() {
    assert!(refused(listener(&[0xff; 9])).starts_with("listener \"\""));
    assert!(refused(cluster(b"\x0a\x05ab")).contains("no envoy.config.cluster.v3.Cluster"));
}

#[test]
fn an_address_that_is_none_is_refused() {
    for address in ["", "300.0.0.1", "a.example", "10.0.0.1/8", "::g"] {
        let socket = crate::encode::value::host_port(address, 80);
        let address = core::Address { address: Some(core::address::Address::SocketAddress(socket)) };
        let value = pb::listener::Listener { address: Some(address), ..a_listener() };
        assert!(refused_listener(&value).contains("address.socket_address.address"));
    }
    assert!(refused_listener(&pb::listener::Listener { address: None, ..a_listener() }).contains("missing"));
}

#[test]
fn durations_below_zero_and_beyond_time_are_refused() {
    let mut value = pb::cluster::Cluster { name: "c".to_owned(), ..Default::default() };
    for (seconds, nanos) in [(-1, 0), (0, -1), (0, 1_000_000_000), (i64::MAX, 0), (i64::MIN, i32::MIN)] {
        value.connect_timeout = Some(pb::Duration { seconds, nanos });
        assert!(
            refused(cluster(&value.encode_to_vec())).contains("\"connect_timeout\""),
            "{seconds} {nanos}"
        );
    }
}

#[test]
fn a_percentage_is_a_number_from_0_to_100() {
    for value in [f64::NAN, f64::INFINITY, -0.1, 100.1] {
        let cluster = pb::cluster::Cluster {
            name: "c".to_owned(),
            common_lb_config: Some(pb::cluster::cluster::CommonLbConfig {
                healthy_panic_threshold: Some(types::Percent { value }),
                ..Default::default()
            }),
            ..Default::default()
        };
        assert!(
            refused(super::cluster(&cluster.encode_to_vec()))
                .contains("common_lb_config.healthy_panic_threshold")
        );
    }
}

#[test]
fn an_endpoint_needs_an_address_and_a_weight_above_zero() {
    let lb = |endpoint: pb::endpoint::LbEndpoint| pb::endpoint::ClusterLoadAssignment {
        cluster_name: "c".to_owned(),
        endpoints: vec![pb::endpoint::LocalityLbEndpoints {
            lb_endpoints: vec![endpoint],
            ..Default::default()
        }],
        ..Default::default()
    };
    let nowhere = lb(pb::endpoint::LbEndpoint::default());
    assert!(
        refused(load_assignment(&nowhere.encode_to_vec())).contains("endpoints[0].lb_endpoints[0].endpoint")
    );
    let host = pb::endpoint::Endpoint {
        address: Some(crate::encode::value::address("10.0.0.1:80".parse().unwrap())),
        ..Default::default()
    };
    let light = lb(pb::endpoint::LbEndpoint {
        load_balancing_weight: Some(UInt32Value { value: 0 }),
        host_identifier: Some(pb::endpoint::lb_endpoint::HostIdentifier::Endpoint(host)),
        ..Default::default()
    });
    assert!(refused(load_assignment(&light.encode_to_vec())).contains("load_balancing_weight"));
}

#[test]
fn a_policy_without_a_known_rule_is_refused_and_keeps_what_was_before() {
    let empty = rbac::Permission::default();
    assert!(refused_listener(&with_permission(empty)).contains("policies[p].permissions[0]"));
    let never = rbac::Permission { rule: Some(rbac::permission::Rule::Any(false)) };
    assert!(refused_listener(&with_permission(never)).contains("it can only be true"));
}

#[test]
fn a_policy_nested_too_deep_is_refused_even_on_a_small_stack() {
    let nest = |levels: usize| {
        let mut permission = rbac::Permission { rule: Some(rbac::permission::Rule::Any(true)) };
        for _ in 0..levels {
            permission =
                rbac::Permission { rule: Some(rbac::permission::Rule::NotRule(Box::new(permission))) };
        }
        with_permission(permission).encode_to_vec()
    };
    let on_a_stack_of = |mebibytes: usize| std::thread::Builder::new().stack_size(mebibytes << 20);
    // Making such a thing takes a deep stack of its own; reading it must not.
    let make = move || [63, 64, 5000].map(nest);
    let [deep, deeper, deepest] = on_a_stack_of(64).spawn(make).unwrap().join().unwrap();
    let judge = move || {
        let refusal = |bytes: &[u8]| listener(bytes).unwrap_err().to_string();
        assert!(listener(&deep).is_ok());
        assert!(refusal(&deeper).contains("nested too deep"));
        assert!(refusal(&deepest).contains("recursion limit"));
    };
    on_a_stack_of(1).spawn(judge).unwrap().join().unwrap();
}

#[test]
fn a_rule_that_is_not_known_is_unknown_and_noted() {
    let strange = rbac::permission::Rule::Matcher(core::TypedExtensionConfig {
        name: "strange".to_owned(),
        typed_config: Some(Any { type_url: "type.googleapis.com/a.B".to_owned(), value: vec![1, 2] }),
    });
    let (filter, notes) = http_filter(&with_permission(rbac::Permission { rule: Some(strange) }));
    let HttpFilter::Rbac(filter) = filter else { panic!("{filter:?}") };
    let permissions = &filter.rules.unwrap().policies["p"].permissions;
    assert_eq!(permissions[0], Permission::Unknown("strange (type.googleapis.com/a.B)".to_owned()));
    assert!(notes[0].path.ends_with("typed_config.rules.policies[p].permissions[0].matcher"), "{notes:?}");
}

#[test]
fn a_matching_tree_in_place_of_rules_denies_all() {
    let filter = http_rbac::Rbac { matcher: Some(Default::default()), ..Default::default() };
    let (filter, notes) = http_filter(&with_http_filter("envoy.filters.http.rbac", pack(&filter)));
    let HttpFilter::Rbac(filter) = filter else { panic!("{filter:?}") };
    let rules = filter.rules.unwrap();
    assert_eq!(rules.action, Action::Deny);
    assert_eq!(rules.policies["matcher"].principals, [Principal::Any]);
    assert!(matches!(rules.policies["matcher"].permissions[..], [Permission::Unknown(_)]));
    assert_eq!(
        notes.len(),
        1 + usize::from(notes.iter().any(|note| note.path.ends_with("proxy_100_continue")))
    );
}

#[test]
fn filters_that_are_not_known_keep_their_name_and_type() {
    let lua = Any { type_url: "type.googleapis.com/envoy.Lua".to_owned(), value: b"\x0a\x01x".to_vec() };
    let (filter, notes) = http_filter(&with_http_filter("my.lua", lua.clone()));
    let unknown = HttpFilter::Unknown { name: "my.lua".to_owned(), type_url: lua.type_url.clone() };
    assert_eq!(filter, unknown);
    assert!(notes.iter().any(|note| note.path.ends_with("http_filters[0].typed_config")), "{notes:?}");
    let value = pb::listener::Listener { filter_chains: vec![chain_of("x", lua)], ..a_listener() };
    let (listener, _) = listener(&value.encode_to_vec()).unwrap();
    assert!(matches!(listener.filter_chains[0].filters[..], [NetworkFilter::Unknown { .. }]));
}

#[test]
fn a_transport_that_cannot_be_checked_as_asked_is_not_spoken() {
    let pinned = tls::CertificateValidationContext {
        verify_certificate_hash: vec!["aa".to_owned()],
        ..Default::default()
    };
    let context = tls::UpstreamTlsContext {
        common_tls_context: Some(tls::CommonTlsContext {
            validation_context_type: Some(tls::common_tls_context::ValidationContextType::ValidationContext(
                pinned,
            )),
            ..Default::default()
        }),
        ..Default::default()
    };
    for (config, why) in [
        (pack(&context), "verify_certificate_hash"),
        (Any { type_url: "type.googleapis.com/a.Quic".to_owned(), value: Vec::new() }, "a.Quic"),
    ] {
        let socket = core::TransportSocket {
            name: "t".to_owned(),
            config_type: Some(core::transport_socket::ConfigType::TypedConfig(config)),
        };
        let value = pb::cluster::Cluster {
            name: "c".to_owned(),
            transport_socket: Some(socket),
            ..Default::default()
        };
        let (cluster, notes) = super::cluster(&value.encode_to_vec()).unwrap();
        assert_eq!(cluster.transport, Transport::Unknown(why.to_owned()));
        assert_eq!(notes.len(), 1, "{notes:?}");
    }
}

#[test]
fn a_cluster_of_another_type_has_no_endpoints() {
    let custom = pb::cluster::cluster::CustomClusterType { name: "aggregate".to_owned(), typed_config: None };
    let value = pb::cluster::Cluster {
        name: "c".to_owned(),
        cluster_discovery_type: Some(pb::cluster::cluster::ClusterDiscoveryType::ClusterType(custom)),
        ..Default::default()
    };
    let (cluster, notes) = cluster(&value.encode_to_vec()).unwrap();
    assert_eq!(cluster.discovery, Discovery::Unknown("aggregate".to_owned()));
    assert_eq!(notes[0].path, "cluster_type");
}

fn with_route(route: route::Route) -> Vec<u8> {
    let host = route::VirtualHost {
        name: "h".to_owned(),
        domains: vec!["*".to_owned()],
        routes: vec![route],
        ..Default::default()
    };
    let routes = route::RouteConfiguration { virtual_hosts: vec![host], ..Default::default() };
    routes.encode_to_vec()
}

fn everything() -> route::RouteMatch {
    let path = route::route_match::PathSpecifier::Prefix("/".to_owned());
    route::RouteMatch { path_specifier: Some(path), ..Default::default() }
}

fn nothing() -> Option<route::route::Action> {
    Some(route::route::Action::NonForwardingAction(route::NonForwardingAction {}))
}

#[test]
fn a_condition_of_a_route_that_cannot_be_checked_refuses_it() {
    let cookie = route::RouteMatch { cookies: vec![route::CookieMatcher::default()], ..everything() };
    let value = route::Route { r#match: Some(cookie), action: nothing(), ..Default::default() };
    assert!(
        refused(route_configuration(&with_route(value))).contains("virtual_hosts[0].routes[0].match.cookies")
    );
}

#[test]
fn a_regex_without_end_is_refused() {
    let regex = matcher::RegexMatcher { regex: "a".repeat(20_000), engine_type: None };
    let path = route::RouteMatch {
        path_specifier: Some(route::route_match::PathSpecifier::SafeRegex(regex)),
        ..Default::default()
    };
    let value = route::Route { r#match: Some(path), action: nothing(), ..Default::default() };
    assert!(refused(route_configuration(&with_route(value))).contains("20000 bytes"));
}

#[test]
fn a_route_by_plugin_is_answered_with_an_error_and_noted() {
    let plugin = route::route_action::ClusterSpecifier::ClusterSpecifierPlugin("p".to_owned());
    let action = route::RouteAction { cluster_specifier: Some(plugin), ..Default::default() };
    let value = route::Route {
        r#match: Some(everything()),
        action: Some(route::route::Action::Route(action)),
        ..Default::default()
    };
    let (routes, notes) = route_configuration(&with_route(value)).unwrap();
    assert!(matches!(routes.virtual_hosts[0].routes[0].action, RouteAction::Unknown(_)));
    assert_eq!(notes.len(), 1);
}

#[test]
fn an_answer_longer_than_the_configuration_allows_is_refused() {
    let body = crate::encode::value::inline(&"x".repeat(5000));
    let answer = route::DirectResponseAction { status: 200, body: Some(body), body_format: None };
    let value = route::Route {
        r#match: Some(everything()),
        action: Some(route::route::Action::DirectResponse(answer)),
        ..Default::default()
    };
    assert!(refused(route_configuration(&with_route(value))).contains("has 5000 bytes, 4096 are allowed"));
}

#[test]
fn what_nobody_honours_is_listed_where_it_stands() {
    let hidden = route::Route {
        r#match: Some(everything()),
        action: nothing(),
        stat_prefix: "s".to_owned(),
        tracing: Some(route::Tracing::default()),
        typed_per_filter_config: [("x".to_owned(), Any::default())].into(),
        ..Default::default()
    };
    let (_, notes) = route_configuration(&with_route(hidden)).unwrap();
    let mut paths: Vec<&str> = notes.iter().map(|note| note.path.as_str()).collect();
    paths.sort_unstable();
    let at = "virtual_hosts[0].routes[0]";
    let expected =
        ["stat_prefix", "tracing", "typed_per_filter_config[x]"].map(|field| format!("{at}.{field}"));
    assert_eq!(paths, expected);
}

#[test]
fn fields_of_a_newer_protocol_are_noted() {
    let mut bytes = pb::cluster::Cluster { name: "c".to_owned(), ..Default::default() }.encode_to_vec();
    // Field 1999, a string.
    bytes.extend_from_slice(&[0xfa, 0x7c, 0x01, b'x']);
    let (_, notes) = cluster(&bytes).unwrap();
    assert_eq!(notes[0].path, "?");
    assert!(notes[0].what.starts_with("4 bytes of envoy.config.cluster.v3.Cluster"), "{notes:?}");
}

#[test]
fn the_newer_form_of_a_balancing_policy_is_read_and_an_unknown_one_is_passed_over() {
    use crate::pb::lb::ring_hash::v3::RingHash;
    let policy = |config: core::TypedExtensionConfig| pb::cluster::load_balancing_policy::Policy {
        typed_extension_config: Some(config),
    };
    let strange = Any { type_url: "type.googleapis.com/a.B".to_owned(), value: Vec::new() };
    let value = pb::cluster::Cluster {
        name: "c".to_owned(),
        load_balancing_policy: Some(pb::cluster::LoadBalancingPolicy {
            policies: vec![policy(typed("a", strange)), policy(typed("b", pack(&RingHash::default())))],
        }),
        ..Default::default()
    };
    let (cluster, notes) = cluster(&value.encode_to_vec()).unwrap();
    let expected = weft_model::cluster::LbPolicy::RingHash { minimum_ring_size: 1024 };
    assert_eq!(cluster.balancing.policy, expected);
    assert_eq!(notes[0].path, "load_balancing_policy.policies[0].typed_extension_config");
}

#[test]
fn istios_filters_are_read_from_json_too() {
    let json = crate::encode::value::json_object([
        ("disable_host_header_fallback", crate::encode::value::json(pb::Kind::BoolValue(true))),
        ("reporter", crate::encode::value::json_text("SERVER_GATEWAY")),
    ]);
    for flavour in [
        pack(&crate::istio::udpa::TypedStruct {
            type_url: "x/stats.PluginConfig".to_owned(),
            value: Some(json.clone()),
        }),
        pack(&crate::istio::xds::TypedStruct {
            type_url: "x/stats.PluginConfig".to_owned(),
            value: Some(json),
        }),
    ] {
        let (filter, _) = http_filter(&with_http_filter("istio.stats", flavour));
        let stats = weft_model::http::Stats { disable_host_header_fallback: true, server_gateway: true };
        assert_eq!(filter, HttpFilter::Stats(stats));
    }
}

#[test]
fn the_router_may_stand_by_its_name_alone() {
    let mut value = with_http_filter("envoy.filters.http.router", Any::default());
    let Some(pb::listener::filter::ConfigType::TypedConfig(any)) =
        &mut value.filter_chains[0].filters[0].config_type
    else {
        panic!("it has a configuration")
    };
    let mut manager = hcm::HttpConnectionManager::decode(any.value.as_slice()).unwrap();
    manager.http_filters[0].config_type = None;
    manager.stream_idle_timeout = Some(duration(std::time::Duration::ZERO));
    *any = pack(&manager);
    assert_eq!(http_filter(&value).0, HttpFilter::Router);
}

//! Any model that the wire can carry.
//!
//! Left out is only what the wire has no words for: two ways to say one thing, of which decoding picks one.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use weft_model::access_log::{AccessLog, LogFormat};
use weft_model::matcher::*;
use weft_model::names::{NameTable, NamedHost};
use weft_model::node::{Agent, Interception, Node, NodeMetadata, Role};

#[path = "strategy/cluster.rs"]
mod cluster;
#[path = "strategy/http.rs"]
mod http;
#[path = "strategy/listener.rs"]
mod listener;
#[path = "strategy/route.rs"]
mod route;

pub(crate) use cluster::{cluster, load_assignment};
pub(crate) use listener::listener;
pub(crate) use route::route_configuration;

/// A name of some kind, never empty.
fn name() -> BoxedStrategy<String> {
    "[a-z][a-z0-9|.~:/*-]{0,12}".boxed()
}

/// Any text, perhaps empty.
fn text() -> BoxedStrategy<String> {
    prop_oneof![Just(String::new()), "\\PC{0,8}"].boxed()
}

fn duration() -> BoxedStrategy<Duration> {
    (0..400_000_u64, prop_oneof![Just(0), 0..1_000_000_000_u32])
        .prop_map(|(seconds, nanos)| Duration::new(seconds, nanos))
        .boxed()
}

fn address() -> BoxedStrategy<SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port)).boxed()
}

fn cidr() -> BoxedStrategy<ipnet::IpNet> {
    (any::<IpAddr>(), 0..=32_u8).prop_map(|(ip, length)| ipnet::IpNet::new(ip, length).unwrap()).boxed()
}

fn string_matcher() -> BoxedStrategy<StringMatcher> {
    let pattern = prop_oneof![
        text().prop_map(Pattern::Exact),
        text().prop_map(Pattern::Prefix),
        text().prop_map(Pattern::Suffix),
        text().prop_map(Pattern::Contains),
        text().prop_map(Pattern::Regex),
    ];
    (pattern, any::<bool>()).prop_map(|(pattern, ignore_case)| StringMatcher { pattern, ignore_case }).boxed()
}

fn header_matcher() -> BoxedStrategy<HeaderMatcher> {
    let value = prop_oneof![
        any::<bool>().prop_map(HeaderValueMatch::Present),
        string_matcher().prop_map(HeaderValueMatch::String),
        any::<(i64, i64)>().prop_map(|(start, end)| HeaderValueMatch::Range(start..end)),
    ];
    (name(), value, any::<bool>(), any::<bool>())
        .prop_map(|(name, value, invert, treat_missing_as_empty)| HeaderMatcher {
            name,
            value,
            invert,
            treat_missing_as_empty,
        })
        .boxed()
}

fn metadata_matcher() -> BoxedStrategy<MetadataMatcher> {
    let leaf = prop_oneof![
        string_matcher().prop_map(MetadataValue::String),
        any::<bool>().prop_map(MetadataValue::Present),
        Just(MetadataValue::Unknown("null_match".to_owned())),
    ];
    let value = leaf.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|value| MetadataValue::ListOneOf(Box::new(value))),
            vec(inner, 0..3).prop_map(MetadataValue::Or),
        ]
    });
    (name(), vec(text(), 0..3), value, any::<bool>())
        .prop_map(|(filter, path, value, invert)| MetadataMatcher { filter, path, value, invert })
        .boxed()
}

fn access_log() -> BoxedStrategy<AccessLog> {
    let json =
        btree_map(name(), text(), 0..4).prop_map(|fields| LogFormat::Json(fields.into_iter().collect()));
    let format = prop_oneof![text().prop_map(LogFormat::Text), json];
    (name(), format, any::<bool>())
        .prop_map(|(path, format, only_no_route)| AccessLog { path, format, only_no_route })
        .boxed()
}

pub(crate) fn name_table() -> BoxedStrategy<NameTable> {
    let host = (vec(any::<IpAddr>(), 0..3), text(), text(), text()).prop_map(
        |(ips, registry, short_name, namespace)| NamedHost { ips, registry, short_name, namespace },
    );
    btree_map(name(), host, 0..5).prop_map(|hosts| NameTable { hosts }).boxed()
}

fn id_part() -> BoxedStrategy<String> {
    "[a-z0-9.-]{1,12}".boxed()
}

pub(crate) fn node() -> BoxedStrategy<Node> {
    let role =
        prop_oneof![Just(Role::Sidecar), Just(Role::Router), Just(Role::Waypoint), Just(Role::Ztunnel)];
    let mode =
        prop_oneof![Just(Interception::Redirect), Just(Interception::Tproxy), Just(Interception::None)];
    let agent = prop_oneof![
        text().prop_map(|version| Agent { name: "weft".to_owned(), version, istio_filters: true }),
        (text(), any::<bool>()).prop_map(|(version, istio_filters)| Agent {
            name: "envoy".to_owned(),
            version,
            istio_filters
        }),
    ];
    let maps = (btree_map(name(), text(), 0..3), btree_map(name(), text(), 0..3));
    let texts = vec(text(), 12);
    let flags = any::<[bool; 3]>();
    let metadata = (texts, maps, flags, mode, vec(any::<IpAddr>(), 1..3)).prop_map(
        |(
            mut texts,
            (labels, annotations),
            [http_10, dns_capture, unprivileged],
            interception,
            instance_ips,
        )| {
            let mut next = || texts.pop().unwrap();
            NodeMetadata {
                name: next(),
                namespace: next(),
                service_account: next(),
                cluster_id: next(),
                instance_ips,
                labels,
                annotations,
                workload_name: next(),
                owner: next(),
                mesh_id: next(),
                network: next(),
                node_name: next(),
                istio_version: next(),
                interception,
                http_10,
                dns_capture,
                unprivileged,
                idle_timeout: next(),
                generator: next(),
            }
        },
    );
    (role, of(any::<IpAddr>()), id_part(), id_part(), text(), cluster::locality(), agent, metadata)
        .prop_map(|(role, ip, name, domain, cluster, locality, agent, metadata)| Node {
            role,
            ip,
            name,
            domain,
            cluster,
            locality,
            agent,
            metadata,
        })
        .boxed()
}

//! Listeners.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use weft_model::http::ExtAuthz;
use weft_model::listener::*;
use weft_model::route::{HashKey, HashPolicy};
use weft_model::tls::{DownstreamTls, Transport};

use super::cluster::common_tls;
use super::http::{ext_authz, manager, rbac_filter, stats};
use super::{access_log, address, cidr, duration, name, text};

fn listener_filter() -> BoxedStrategy<ListenerFilter> {
    let disabled = vec((0..9000_u16, 9000_u16..).prop_map(|(first, last)| first..=last), 0..3);
    prop_oneof![
        Just(ListenerFilter::OriginalDst),
        any::<u32>().prop_map(|mark| ListenerFilter::OriginalSrc { mark }),
        disabled.clone().prop_map(|disabled| ListenerFilter::TlsInspector { disabled }),
        disabled.prop_map(|disabled| ListenerFilter::HttpInspector { disabled }),
        name().prop_map(ListenerFilter::Unknown),
    ]
    .boxed()
}

fn tcp_proxy() -> BoxedStrategy<TcpProxy> {
    let clusters = prop_oneof![
        name().prop_map(|name| (vec![(name, 1)], false)),
        vec((name(), any::<u32>()), 1..3).prop_map(|clusters| (clusters, true)),
    ];
    let hash = vec(Just(HashPolicy { key: HashKey::SourceIp, terminal: false }), 0..=1);
    (text(), clusters, of(duration()), of(duration()), hash, vec(access_log(), 0..2), of(any::<u32>()))
        .prop_map(
            |(
                stat_prefix,
                (clusters, weighted),
                idle_timeout,
                max_connection_duration,
                hash,
                access_log,
                max_connect_attempts,
            )| {
                TcpProxy {
                    stat_prefix,
                    clusters,
                    weighted,
                    idle_timeout,
                    max_connection_duration,
                    hash,
                    access_log,
                    max_connect_attempts,
                }
            },
        )
        .boxed()
}

fn network_filter() -> BoxedStrategy<NetworkFilter> {
    let unknown =
        (name(), prop_oneof![Just(String::new()), Just("type.googleapis.com/a.stranger".to_owned())]);
    prop_oneof![
        rbac_filter(true).prop_map(NetworkFilter::Rbac),
        tcp_proxy().prop_map(NetworkFilter::TcpProxy),
        manager().prop_map(|manager| NetworkFilter::Http(Box::new(manager))),
        // On TCP the question goes over gRPC.
        ext_authz().prop_map(|asked| NetworkFilter::ExtAuthz(ExtAuthz { grpc: true, ..asked })),
        stats().prop_map(NetworkFilter::Stats),
        name().prop_map(|protocol| NetworkFilter::MetadataExchange { protocol }),
        unknown.prop_map(|(name, type_url)| NetworkFilter::Unknown { name, type_url }),
    ]
    .boxed()
}

fn chain() -> BoxedStrategy<FilterChain> {
    let names = || vec(name(), 0..3);
    let cidrs = || vec(cidr(), 0..3);
    let matches = (of(any::<u16>()), cidrs(), names(), text(), names(), cidrs(), vec(any::<u16>(), 0..3))
        .prop_map(
            |(
                destination_port,
                prefix_ranges,
                server_names,
                transport_protocol,
                application_protocols,
                source_prefix_ranges,
                source_ports,
            )| FilterChainMatch {
                destination_port,
                prefix_ranges,
                server_names,
                transport_protocol,
                application_protocols,
                source_prefix_ranges,
                source_ports,
            },
        );
    let tls = (common_tls(), any::<bool>()).prop_map(|(common, require_client_certificate)| {
        Transport::Tls(Box::new(DownstreamTls { common, require_client_certificate }))
    });
    let transport = prop_oneof![Just(Transport::Raw), tls, name().prop_map(Transport::Unknown)];
    (text(), matches, transport, of(duration()), vec(network_filter(), 0..3), text())
        .prop_map(|(name, matches, transport, handshake_timeout, filters, config)| FilterChain {
            name,
            matches,
            transport,
            handshake_timeout,
            filters,
            config,
        })
        .boxed()
}

pub(crate) fn listener() -> BoxedStrategy<Listener> {
    let direction =
        prop_oneof![Just(Direction::Unspecified), Just(Direction::Inbound), Just(Direction::Outbound)];
    let first =
        (name(), address(), vec(address(), 0..2), direction, vec(listener_filter(), 0..3), of(duration()));
    let second = (vec(chain(), 0..2), of(chain().prop_map(Box::new)), vec(access_log(), 0..2), text());
    (first, second, any::<[bool; 4]>())
        .prop_map(
            |(
                (name, address, additional_addresses, direction, listener_filters, listener_filters_timeout),
                (filter_chains, default_filter_chain, access_log, config),
                [bind_to_port, use_original_dst, transparent, continue_on_listener_filters_timeout],
            )| Listener {
                name,
                address,
                additional_addresses,
                bind_to_port,
                direction,
                use_original_dst,
                transparent,
                listener_filters,
                listener_filters_timeout,
                continue_on_listener_filters_timeout,
                filter_chains,
                default_filter_chain,
                access_log,
                config,
            },
        )
        .boxed()
}

//! Listeners, their filters and their chains.

use std::ops::RangeInclusive;

use weft_model::listener::{Direction, FilterChain, FilterChainMatch, Listener, ListenerFilter};

use super::access_log::access_logs;
use super::value::{address, cidr, maybe_duration, number, pack, yes};
use super::{metadata, network, tls};
use crate::pb::{core, http_inspector, listener, original_dst, original_src, tls_inspector, types};

pub(crate) fn listener(value: &Listener) -> listener::Listener {
    let direction = match value.direction {
        Direction::Unspecified => core::TrafficDirection::Unspecified,
        Direction::Inbound => core::TrafficDirection::Inbound,
        Direction::Outbound => core::TrafficDirection::Outbound,
    };
    let more = value.additional_addresses.iter();
    let more = more
        .map(|value| listener::AdditionalAddress { address: Some(address(*value)), ..Default::default() });
    listener::Listener {
        name: value.name.clone(),
        address: Some(address(value.address)),
        additional_addresses: more.collect(),
        filter_chains: value.filter_chains.iter().map(filter_chain).collect(),
        use_original_dst: if value.use_original_dst { yes(true) } else { None },
        default_filter_chain: value.default_filter_chain.as_deref().map(filter_chain),
        metadata: metadata::config(&value.config),
        listener_filters: value.listener_filters.iter().map(listener_filter).collect(),
        listener_filters_timeout: maybe_duration(value.listener_filters_timeout),
        continue_on_listener_filters_timeout: value.continue_on_listener_filters_timeout,
        transparent: if value.transparent { yes(true) } else { None },
        traffic_direction: direction as i32,
        access_log: access_logs(&value.access_log),
        bind_to_port: if value.bind_to_port { None } else { yes(false) },
        ..Default::default()
    }
}

fn listener_filter(value: &ListenerFilter) -> listener::ListenerFilter {
    let (name, config, disabled) = match value {
        ListenerFilter::OriginalDst => {
            ("envoy.filters.listener.original_dst", pack(&original_dst::OriginalDst::default()), None)
        }
        ListenerFilter::OriginalSrc { mark } => {
            let config = original_src::OriginalSrc { mark: *mark, ..Default::default() };
            ("envoy.filters.listener.original_src", pack(&config), None)
        }
        ListenerFilter::TlsInspector { disabled } => {
            let config = tls_inspector::TlsInspector::default();
            ("envoy.filters.listener.tls_inspector", pack(&config), ports(disabled))
        }
        ListenerFilter::HttpInspector { disabled } => {
            let config = http_inspector::HttpInspector::default();
            ("envoy.filters.listener.http_inspector", pack(&config), ports(disabled))
        }
        ListenerFilter::Unknown(name) => {
            return listener::ListenerFilter { name: name.clone(), ..Default::default() };
        }
    };
    listener::ListenerFilter {
        name: name.to_owned(),
        filter_disabled: disabled,
        config_type: Some(listener::listener_filter::ConfigType::TypedConfig(config)),
    }
}

/// A predicate that holds for these destination ports.
fn ports(ranges: &[RangeInclusive<u16>]) -> Option<listener::ListenerFilterChainMatchPredicate> {
    use listener::listener_filter_chain_match_predicate::{MatchSet, Rule};
    let predicate = |rule| listener::ListenerFilterChainMatchPredicate { rule: Some(rule) };
    let mut rules = ranges.iter().map(|range| {
        // Half open on the wire.
        let (start, end) = (i32::from(*range.start()), i32::from(*range.end()) + 1);
        predicate(Rule::DestinationPortRange(types::Int32Range { start, end }))
    });
    match ranges.len() {
        0 => None,
        1 => rules.next(),
        _ => Some(predicate(Rule::OrMatch(MatchSet { rules: rules.collect() }))),
    }
}

fn filter_chain(value: &FilterChain) -> listener::FilterChain {
    listener::FilterChain {
        name: value.name.clone(),
        filter_chain_match: chain_match(&value.matches),
        filters: value.filters.iter().map(network::filter).collect(),
        metadata: metadata::config(&value.config),
        transport_socket: tls::downstream(&value.transport),
        transport_socket_connect_timeout: maybe_duration(value.handshake_timeout),
        ..Default::default()
    }
}

fn chain_match(value: &FilterChainMatch) -> Option<listener::FilterChainMatch> {
    if *value == FilterChainMatch::default() {
        return None;
    }
    Some(listener::FilterChainMatch {
        destination_port: number(value.destination_port.map(Into::into)),
        prefix_ranges: value.prefix_ranges.iter().map(cidr).collect(),
        server_names: value.server_names.clone(),
        transport_protocol: value.transport_protocol.clone(),
        application_protocols: value.application_protocols.clone(),
        source_prefix_ranges: value.source_prefix_ranges.iter().map(cidr).collect(),
        source_ports: value.source_ports.iter().map(|port| (*port).into()).collect(),
        ..Default::default()
    })
}

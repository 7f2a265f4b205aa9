//! Listeners, their filters and their chains.

use std::ops::RangeInclusive;

use weft_model::listener::{Direction, FilterChain, FilterChainMatch, Listener, ListenerFilter};

use super::DEEPEST;
use super::access_log::access_logs;
use super::at::{At, Decoded, unpack};
use super::value::{Packed, cidrs, duration, listening_address, message, packed, port};
use super::{metadata, network, tls};
use crate::pb::{core, listener, original_src, tls_inspector};

#[allow(deprecated, reason = "what older control planes write is noted too")]
#[allow(clippy::too_many_lines, reason = "one line a field")]
pub(super) fn listener(at: &At<'_>, value: listener::Listener) -> Decoded<Listener> {
    unpack!(at, value, listener::Listener {
        name, address, additional_addresses, filter_chains, filter_chain_matcher, use_original_dst,
        default_filter_chain, metadata, listener_filters, listener_filters_timeout,
        continue_on_listener_filters_timeout, transparent, traffic_direction, access_log, bind_to_port,
        listener_specifier, api_listener, fcds_config, udp_listener_config
    } else { stat_prefix, stats_matcher, per_connection_buffer_limit_bytes, per_connection_buffer_high_watermark_timeout, deprecated_v1, drain_type, freebind, socket_options, tcp_fast_open_queue_length, connection_balance_config, reuse_port, enable_reuse_port, tcp_backlog_size, max_connections_to_accept_per_socket_event, enable_mptcp, ignore_global_conn_limit, bypass_overload_manager, tcp_keepalive });
    if name.is_empty() {
        return Err(at.field("name").fault("it is empty"));
    }
    let foreign = [
        ("filter_chain_matcher", filter_chain_matcher.is_some()),
        ("internal_listener", listener_specifier.is_some()),
        ("api_listener", api_listener.is_some()),
        ("fcds_config", fcds_config.is_some()),
        ("udp_listener_config", udp_listener_config.is_some()),
    ];
    if let Some((field, _)) = foreign.iter().find(|(_, present)| *present) {
        return Err(at.field(field).fault("a listener of this kind is not served here"));
    }
    let direction = match core::TrafficDirection::try_from(traffic_direction) {
        Ok(core::TrafficDirection::Unspecified) => Direction::Unspecified,
        Ok(core::TrafficDirection::Inbound) => Direction::Inbound,
        Ok(core::TrafficDirection::Outbound) => Direction::Outbound,
        Err(_) => {
            return Err(at.field("traffic_direction").fault(format!("{traffic_direction} is no direction")));
        }
    };
    let mut addresses = Vec::with_capacity(additional_addresses.len());
    for (n, value) in additional_addresses.into_iter().enumerate() {
        let at = at.item("additional_addresses", n);
        unpack!(at, value, listener::AdditionalAddress { address } else { socket_options, tcp_keepalive });
        addresses.push(listening_address(&at, "address", address)?);
    }
    let mut filters = Vec::with_capacity(listener_filters.len());
    for (n, value) in listener_filters.into_iter().enumerate() {
        filters.push(listener_filter(&at.item("listener_filters", n), value)?);
    }
    let mut chains = Vec::with_capacity(filter_chains.len());
    for (n, value) in filter_chains.into_iter().enumerate() {
        chains.push(filter_chain(&at.item("filter_chains", n), value)?);
    }
    let default = default_filter_chain.map(|value| filter_chain(&at.field("default_filter_chain"), value));
    Ok(Listener {
        name,
        address: listening_address(at, "address", address)?,
        additional_addresses: addresses,
        bind_to_port: bind_to_port.is_none_or(|bind| bind.value),
        direction,
        use_original_dst: use_original_dst.is_some_and(|value| value.value),
        transparent: transparent.is_some_and(|value| value.value),
        listener_filters: filters,
        listener_filters_timeout: duration(at, "listener_filters_timeout", listener_filters_timeout)?,
        continue_on_listener_filters_timeout,
        filter_chains: chains,
        default_filter_chain: default.transpose()?.map(Box::new),
        access_log: access_logs(at, access_log)?,
        config: metadata::config(at, metadata),
    })
}

fn listener_filter(at: &At<'_>, value: listener::ListenerFilter) -> Decoded<ListenerFilter> {
    let Some(listener::listener_filter::ConfigType::TypedConfig(any)) = value.config_type else {
        at.note("a listener filter without configuration has no effect");
        return Ok(ListenerFilter::Unknown(value.name));
    };
    let config = at.field("typed_config");
    let packed = packed(&config, &any)?;
    let mut disabled = Vec::new();
    if let Some(predicate) = value.filter_disabled {
        ports(&at.field("filter_disabled"), predicate, &mut disabled, DEEPEST)?;
    }
    Ok(match packed {
        Packed::Message("envoy.extensions.filters.listener.original_dst.v3.OriginalDst", _) => {
            at.left("filter_disabled", &disabled);
            ListenerFilter::OriginalDst
        }
        Packed::Message("envoy.extensions.filters.listener.original_src.v3.OriginalSrc", bytes) => {
            at.left("filter_disabled", &disabled);
            let value: original_src::OriginalSrc = message(&config, bytes)?;
            config.left("bind_port", &value.bind_port);
            ListenerFilter::OriginalSrc { mark: value.mark }
        }
        Packed::Message("envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector", bytes) => {
            unpack!(config, message(&config, bytes)?, tls_inspector::TlsInspector {} else { enable_ja3_fingerprinting, enable_ja4_fingerprinting, initial_read_buffer_size, close_connection_on_client_hello_parsing_errors, max_client_hello_size });
            ListenerFilter::TlsInspector { disabled }
        }
        Packed::Message("envoy.extensions.filters.listener.http_inspector.v3.HttpInspector", _) => {
            ListenerFilter::HttpInspector { disabled }
        }
        _ => {
            at.note("this listener filter has no effect");
            ListenerFilter::Unknown(value.name)
        }
    })
}

/// The destination ports that a predicate names. One that cannot be told in ports leaves the filter on.
fn ports(
    at: &At<'_>,
    value: listener::ListenerFilterChainMatchPredicate,
    ports: &mut Vec<RangeInclusive<u16>>,
    deepest: u8,
) -> Decoded<()> {
    use listener::listener_filter_chain_match_predicate::Rule;
    let Some(deeper) = deepest.checked_sub(1) else { return Err(at.fault("nested too deep")) };
    match value.rule {
        Some(Rule::DestinationPortRange(range)) => {
            let last = u16::try_from(i64::from(range.end) - 1);
            match (u16::try_from(range.start), last) {
                (Ok(first), Ok(last)) if first <= last => ports.push(first..=last),
                _ => return Err(at.fault(format!("{} to {} holds no ports", range.start, range.end))),
            }
        }
        Some(Rule::AnyMatch(true)) => ports.push(0..=u16::MAX),
        Some(Rule::OrMatch(set)) => {
            let at = at.field("or_match");
            for (n, value) in set.rules.into_iter().enumerate() {
                self::ports(&at.item("rules", n), value, ports, deeper)?;
            }
        }
        Some(Rule::AnyMatch(false) | Rule::AndMatch(_) | Rule::NotMatch(_)) => {
            at.note("it is not told in ports: the filter stays on");
        }
        None => return Err(at.fault("it says nothing that is known here")),
    }
    Ok(())
}

#[allow(deprecated, reason = "what older control planes write is noted too")]
fn filter_chain(at: &At<'_>, value: listener::FilterChain) -> Decoded<FilterChain> {
    unpack!(at, value, listener::FilterChain {
        filter_chain_match, filters, metadata, transport_socket, transport_socket_connect_timeout, name
    } else { use_proxy_proto });
    let mut network_filters = Vec::with_capacity(filters.len());
    for (n, value) in filters.into_iter().enumerate() {
        network_filters.push(network::filter(&at.item("filters", n), value)?);
    }
    let matches = match filter_chain_match {
        Some(value) => chain_match(&at.field("filter_chain_match"), value)?,
        None => FilterChainMatch::default(),
    };
    Ok(FilterChain {
        name,
        matches,
        transport: tls::downstream(at, transport_socket)?,
        handshake_timeout: duration(
            at,
            "transport_socket_connect_timeout",
            transport_socket_connect_timeout,
        )?,
        filters: network_filters,
        config: metadata::config(at, metadata),
    })
}

/// A condition that cannot be checked refuses the listener: without it the chain would take more connections.
fn chain_match(at: &At<'_>, value: listener::FilterChainMatch) -> Decoded<FilterChainMatch> {
    unpack!(at, value, listener::FilterChainMatch {
        destination_port, prefix_ranges, server_names, transport_protocol, application_protocols,
        source_prefix_ranges, source_ports, address_suffix, suffix_len, direct_source_prefix_ranges, source_type
    } else {});
    let unchecked = [
        ("address_suffix", !address_suffix.is_empty()),
        ("suffix_len", suffix_len.is_some()),
        ("direct_source_prefix_ranges", !direct_source_prefix_ranges.is_empty()),
        ("source_type", source_type != 0),
    ];
    if let Some((field, _)) = unchecked.iter().find(|(_, present)| *present) {
        return Err(at.field(field).fault("a condition of this kind is not checked here"));
    }
    let ports = source_ports.into_iter().map(|value| port(at, "source_ports", value));
    Ok(FilterChainMatch {
        destination_port: destination_port
            .map(|value| port(at, "destination_port", value.value))
            .transpose()?,
        prefix_ranges: cidrs(at, "prefix_ranges", &prefix_ranges)?,
        server_names,
        transport_protocol,
        application_protocols,
        source_prefix_ranges: cidrs(at, "source_prefix_ranges", &source_prefix_ranges)?,
        source_ports: ports.collect::<Decoded<_>>()?,
    })
}

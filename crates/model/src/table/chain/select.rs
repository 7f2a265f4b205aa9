//! Envoy's choice among filter chain matches.

use std::net::IpAddr;

use ipnet::IpNet;
use smallvec::SmallVec;

use super::Arrival;
use crate::listener::FilterChainMatch;

type Places = SmallVec<[usize; 32]>;

/// The place of the match that takes a connection: level by level, the most specific first.
pub(super) fn select<'a>(
    matches: impl Iterator<Item = &'a FilterChainMatch>,
    arrival: &Arrival<'_>,
) -> Option<usize> {
    let all: SmallVec<[&FilterChainMatch; 32]> = matches.collect();
    let mut left: Places = (0..all.len()).collect();
    let destination = arrival.destination.ip().to_canonical();
    let source = arrival.source.ip().to_canonical();
    let transport = if arrival.transport.is_empty() { "raw_buffer" } else { arrival.transport };
    let one = |wanted: bool| if wanted { Some(1) } else { None };

    keep(&mut left, |place| match all[place].destination_port {
        Some(port) => one(port == arrival.destination.port()),
        None => Some(0),
    });
    keep(&mut left, |place| longest(&all[place].prefix_ranges, destination));
    keep(&mut left, |place| server_name(&all[place].server_names, arrival.server_name));
    keep(&mut left, |place| match all[place].transport_protocol.as_str() {
        "" => Some(0),
        own => one(own == transport),
    });
    keep(&mut left, |place| protocol(&all[place].application_protocols, arrival.protocols));
    keep(&mut left, |place| longest(&all[place].source_prefix_ranges, source));
    keep(&mut left, |place| match &all[place].source_ports[..] {
        [] => Some(0),
        ports => one(ports.contains(&arrival.source.port())),
    });
    left.first().copied()
}

/// Keeps those of the highest rank; those without one are out.
fn keep(left: &mut Places, rank: impl Fn(usize) -> Option<usize>) {
    let Some(best) = left.iter().filter_map(|place| rank(*place)).max() else {
        left.clear();
        return;
    };
    left.retain(|place| rank(*place) == Some(best));
}

/// No range is a match of the lowest rank; `/0` is no more specific than that.
fn longest(ranges: &[IpNet], ip: IpAddr) -> Option<usize> {
    if ranges.is_empty() {
        return Some(0);
    }
    ranges.iter().filter(|range| range.contains(&ip)).map(|range| usize::from(range.prefix_len())).max()
}

fn server_name(names: &[String], asked: &str) -> Option<usize> {
    if names.is_empty() {
        return Some(0);
    }
    let rank = |name: &String| -> Option<usize> {
        if name == "*" {
            return Some(0);
        }
        if let Some(suffix) = name.strip_prefix('*') {
            let start = asked.len().checked_sub(suffix.len())?;
            let fits = start > 0 && asked.as_bytes()[start..].eq_ignore_ascii_case(suffix.as_bytes());
            return fits.then_some(suffix.len());
        }
        name.eq_ignore_ascii_case(asked).then_some(usize::MAX)
    };
    names.iter().filter_map(rank).max()
}

/// What the client offers first decides.
fn protocol(own: &[String], offered: &[&str]) -> Option<usize> {
    if own.is_empty() {
        return Some(0);
    }
    let place = offered.iter().position(|protocol| own.iter().any(|own| own == protocol))?;
    Some(usize::MAX - place)
}

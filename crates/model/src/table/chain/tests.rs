use std::sync::Arc;

use super::*;
use crate::compile;
use crate::listener::{Direction, FilterChain, FilterChainMatch, NetworkFilter, TcpProxy};
use crate::table::Names;

fn chain(name: &str, matches: FilterChainMatch) -> FilterChain {
    let clusters = vec![("somewhere".to_owned(), 1)];
    let filters = vec![NetworkFilter::TcpProxy(TcpProxy { clusters, ..TcpProxy::default() })];
    FilterChain { name: name.to_owned(), matches, filters, ..FilterChain::default() }
}

fn compiled(chains: Vec<FilterChain>, default: Option<FilterChain>) -> Listener {
    let mut settings = crate::listener::Listener::new(
        "virtualInbound",
        "0.0.0.0:15006".parse().unwrap(),
        Direction::Inbound,
    );
    settings.filter_chains = chains;
    settings.default_filter_chain = default.map(Box::new);
    compile::listener(Arc::new(settings), &mut Names::default()).unwrap().part
}

fn strings(of: &[&str]) -> Vec<String> {
    of.iter().map(|one| (*one).to_owned()).collect()
}

struct Test {
    destination: &'static str,
    transport: &'static str,
    server_name: &'static str,
    protocols: &'static [&'static str],
}

const PLAIN: Test =
    Test { destination: "10.0.0.1:8000", transport: "raw_buffer", server_name: "", protocols: &[] };

fn found(listener: &Listener, test: &Test) -> String {
    let arrival = Arrival {
        destination: test.destination.parse().unwrap(),
        source: "10.9.9.9:4711".parse().unwrap(),
        transport: test.transport,
        server_name: test.server_name,
        protocols: test.protocols,
    };
    listener.chain(&arrival).map_or("nothing".to_owned(), |chain| chain.name.to_string())
}

/// The chains that istiod makes for one port under PERMISSIVE, among the catch-alls of virtualInbound.
fn permissive() -> Listener {
    let istio = ["istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2"];
    let of = |port, transport: &str, protocols: &[&str]| FilterChainMatch {
        destination_port: port,
        transport_protocol: transport.to_owned(),
        application_protocols: strings(protocols),
        ..FilterChainMatch::default()
    };
    compiled(
        vec![
            chain("blackhole", of(Some(15006), "", &[])),
            chain("mtls", of(Some(8000), "tls", &istio)),
            chain("plain", of(Some(8000), "raw_buffer", &[])),
            chain("catch-all mtls", of(None, "tls", &istio)),
            chain("catch-all tls", of(None, "tls", &[])),
            chain("catch-all http", of(None, "raw_buffer", &["http/1.1", "h2c"])),
            chain("catch-all", of(None, "raw_buffer", &[])),
        ],
        None,
    )
}

#[test]
fn permissive_tells_the_meshs_own_tls_by_what_the_client_offers() {
    let listener = permissive();
    let tls = Test { transport: "tls", ..PLAIN };
    assert_eq!(
        found(&listener, &Test { protocols: &["istio-http/1.1", "istio", "http/1.1"], ..tls }),
        "mtls"
    );
    assert_eq!(found(&listener, &PLAIN), "plain");
    assert_eq!(found(&listener, &Test { transport: "", ..PLAIN }), "plain", "undetected counts as raw");
    assert_eq!(found(&listener, &Test { destination: "10.0.0.1:15006", ..PLAIN }), "blackhole");
    let elsewhere = Test { destination: "10.0.0.1:9999", ..PLAIN };
    assert_eq!(found(&listener, &Test { protocols: &["http/1.1"], ..elsewhere }), "catch-all http");
    assert_eq!(found(&listener, &elsewhere), "catch-all");
}

#[test]
fn a_level_once_decided_is_not_gone_back_on() {
    // Foreign TLS on a port that has chains of its own: none of them fits, and the catch-all is not asked.
    let listener = permissive();
    let foreign = Test { transport: "tls", protocols: &["h2"], ..PLAIN };
    assert_eq!(found(&listener, &foreign), "nothing");
    assert_eq!(found(&listener, &Test { destination: "10.0.0.1:9999", ..foreign }), "catch-all tls");
}

#[test]
fn the_longest_prefix_of_the_destination_wins() {
    let ranges = |ranges: &[&str]| FilterChainMatch {
        prefix_ranges: ranges.iter().map(|range| range.parse().unwrap()).collect(),
        ..FilterChainMatch::default()
    };
    let chains = vec![
        chain("any", ranges(&[])),
        chain("wide", ranges(&["10.0.0.0/8"])),
        chain("one", ranges(&["10.0.0.1/32", "192.168.0.0/16"])),
        chain("six", ranges(&["fd00::/8"])),
    ];
    let listener = compiled(chains, None);
    for (destination, expected) in [
        ("10.0.0.1:1", "one"),
        ("[::ffff:10.0.0.1]:1", "one"),
        ("10.0.0.2:1", "wide"),
        ("11.0.0.2:1", "any"),
        ("[fd00::1]:1", "six"),
        ("[fe80::1]:1", "any"),
    ] {
        assert_eq!(found(&listener, &Test { destination, ..PLAIN }), expected, "{destination}");
    }
}

#[test]
fn server_names_match_exactly_then_by_the_longest_suffix() {
    let names =
        |names: &[&str]| FilterChainMatch { server_names: strings(names), ..FilterChainMatch::default() };
    let chains = vec![
        chain("exact", names(&["a.b.example"])),
        chain("short", names(&["*.example"])),
        chain("long", names(&["*.b.example"])),
    ];
    let listener = compiled(chains, Some(chain("default", FilterChainMatch::default())));
    for (server_name, expected) in [
        ("a.b.example", "exact"),
        ("A.B.Example", "exact"),
        ("x.b.example", "long"),
        ("x.y.b.example", "long"),
        ("b.example", "short"),
        ("example", "default"),
        ("", "default"),
    ] {
        assert_eq!(
            found(&listener, &Test { server_name, transport: "tls", ..PLAIN }),
            expected,
            "{server_name}"
        );
    }
}

#[test]
fn what_the_client_offers_first_decides_among_protocols() {
    let of = |protocols: &[&str]| FilterChainMatch {
        application_protocols: strings(protocols),
        ..FilterChainMatch::default()
    };
    let listener = compiled(vec![chain("h2", of(&["h2"])), chain("http", of(&["http/1.1"]))], None);
    assert_eq!(found(&listener, &Test { protocols: &["http/1.1", "h2"], ..PLAIN }), "http");
    assert_eq!(found(&listener, &Test { protocols: &["x", "h2", "http/1.1"], ..PLAIN }), "h2");
    assert_eq!(found(&listener, &PLAIN), "nothing");
}

#[test]
fn the_source_counts_last() {
    let from = |ranges: &[&str], ports: &[u16]| FilterChainMatch {
        source_prefix_ranges: ranges.iter().map(|range| range.parse().unwrap()).collect(),
        source_ports: ports.to_vec(),
        ..FilterChainMatch::default()
    };
    let listener = compiled(
        vec![
            chain("any", from(&[], &[])),
            chain("net", from(&["10.0.0.0/8"], &[])),
            chain("port", from(&["10.0.0.0/8"], &[4711])),
        ],
        None,
    );
    assert_eq!(found(&listener, &PLAIN), "port");
}

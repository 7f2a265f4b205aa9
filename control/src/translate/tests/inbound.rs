//! Inbound chains by mode and protocol, without interception.

use weft_model::cluster::{Discovery, UpstreamProtocol};
use weft_model::endpoint::Address;
use weft_model::listener::{ListenerFilter, NetworkFilter};
use weft_model::tls::Transport;

use crate::sample;
use crate::translate::{Configuration, translate};

fn web(mode: &str, port: &str) -> Configuration {
    seen_by("envoy", mode, port)
}

fn seen_by(agent: &str, mode: &str, port: &str) -> Configuration {
    under("", agent, mode, port)
}

fn under(rules: &str, agent: &str, mode: &str, port: &str) -> Configuration {
    let world = sample::world(&format!(
        "{rules}
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: shop}}
spec: {{selector: {{app: web}}, ports: [{{name: {port}, port: 80, targetPort: 8000}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: web, namespace: shop, labels: {{app: web}}}}
spec: {{containers: [{{name: app, image: web, ports: [{{containerPort: 8000}}, {{name: http-own, containerPort: 9100}}, {{containerPort: 15090}}]}}]}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: default, namespace: shop}}
spec: {{mtls: {{mode: {mode}}}}}
"
    ));
    let mut node = sample::node(&world, "shop", "web");
    node.agent.name = agent.to_owned();
    translate(&world, &node)
}

/// Each chain of port 8000 as `transport/ALPN>kind`, with `+` where TLS ends.
fn chains(mode: &str, port: &str) -> Vec<String> {
    chains_of(&web(mode, port))
}

fn chains_of(configuration: &Configuration) -> Vec<String> {
    let listener = configuration.listeners.iter().find(|of| of.name == "127.64.1.1_8000").unwrap();
    assert_eq!(listener.address, "127.64.1.1:8000".parse().unwrap());
    let chain = |chain: &weft_model::listener::FilterChain| {
        let kind = match chain.filters.last() {
            Some(NetworkFilter::Http(_)) => "http",
            Some(NetworkFilter::TcpProxy(_)) => "tcp",
            _ => "?",
        };
        let ends = if matches!(chain.transport, Transport::Tls(_)) { "+" } else { "" };
        let matches = &chain.matches;
        format!("{}{ends}/{}>{kind}", matches.transport_protocol, matches.application_protocols.join(" "))
    };
    listener.filter_chains.iter().map(chain).collect()
}

const ANY: &str = "istio istio-peer-exchange istio-http/1.0 istio-http/1.1 istio-h2";
const HTTP: &str = "istio-http/1.0 istio-http/1.1 istio-h2";

#[test]
fn strict_takes_mtls_alone() {
    assert_eq!(chains("STRICT", "http"), ["tls+/>http"]);
    assert_eq!(chains("STRICT", "tcp"), ["tls+/>tcp"]);
    assert_eq!(chains("STRICT", "x"), [format!("tls+/{HTTP}>http"), "tls+/>tcp".to_owned()]);
}

#[test]
fn permissive_takes_the_mesh_s_tls_and_plaintext_and_leaves_an_app_s_own_tls_alone() {
    assert_eq!(chains("PERMISSIVE", "http"), [format!("tls+/{ANY}>http"), "raw_buffer/>http".to_owned()]);
    assert_eq!(
        chains("PERMISSIVE", "tcp"),
        [format!("tls+/{ANY}>tcp"), "raw_buffer/>tcp".to_owned(), "tls/>tcp".to_owned()]
    );
    assert_eq!(
        chains("PERMISSIVE", "x"),
        [
            format!("tls+/{HTTP}>http"),
            "raw_buffer/http/1.1 h2c>http".to_owned(),
            "tls+/istio-peer-exchange istio>tcp".to_owned(),
            "raw_buffer/>tcp".to_owned(),
            "tls/>tcp".to_owned(),
        ]
    );
}

#[test]
fn disable_takes_plaintext() {
    assert_eq!(chains("DISABLE", "http"), ["/>http"]);
    assert_eq!(chains("DISABLE", "tcp"), ["/>tcp"]);
    assert_eq!(chains("DISABLE", "x"), ["/http/1.1 h2c>http", "/>tcp"]);
}

#[test]
fn who_serves_http_1_0_takes_it_for_http() {
    let chains = chains_of(&seen_by("weft", "DISABLE", "x"));
    assert_eq!(chains, ["/http/1.0 http/1.1 h2c>http", "/>tcp"]);
}

#[test]
fn an_inspector_looks_only_where_somebody_needs_to_know() {
    let filters = |mode: &str, port: &str| {
        let configuration = web(mode, port);
        let listener = configuration.listeners.iter().find(|of| of.name == "127.64.1.1_8000").unwrap();
        let has = |wanted: fn(&ListenerFilter) -> bool| listener.listener_filters.iter().any(wanted);
        (
            has(|filter| matches!(filter, ListenerFilter::TlsInspector { .. })),
            has(|filter| matches!(filter, ListenerFilter::HttpInspector { .. })),
        )
    };
    assert_eq!(filters("STRICT", "http"), (true, false));
    assert_eq!(filters("STRICT", "x"), (true, false));
    assert_eq!(filters("PERMISSIVE", "x"), (true, true));
    assert_eq!(filters("DISABLE", "http"), (false, false));
    assert_eq!(filters("DISABLE", "x"), (false, true));
}

#[test]
fn every_port_of_the_pod_is_served_but_the_proxy_s_own() {
    let configuration = web("STRICT", "grpc");
    let mut inbound: Vec<&str> = configuration
        .listeners
        .iter()
        .map(|of| of.name.as_str())
        .filter(|name| name.contains(".1.1_"))
        .collect();
    inbound.sort_unstable();
    assert_eq!(inbound, ["127.64.1.1_8000", "127.64.1.1_9100"]);
    let cluster = configuration.clusters.iter().find(|of| of.name == "inbound|8000||").unwrap();
    assert_eq!((&cluster.discovery, cluster.http.protocol), (&Discovery::Static, UpstreamProtocol::Http2));
    let assignment = cluster.load_assignment.as_ref().unwrap();
    assert_eq!(
        assignment.localities[0].endpoints[0].address,
        Address::Socket("127.64.1.2:8000".parse().unwrap())
    );
}

/// How long each connection of port 8000 may last that is only passed on, chain by chain.
fn lives(rules: &str, mode: &str, port: &str) -> Vec<Option<u64>> {
    let configuration = under(rules, "envoy", mode, port);
    let listener = configuration.listeners.iter().find(|of| of.name == "127.64.1.1_8000").unwrap();
    let chains = listener.filter_chains.iter().filter_map(|chain| match chain.filters.last() {
        Some(NetworkFilter::TcpProxy(bytes)) => Some(bytes.max_connection_duration),
        _ => None,
    });
    chains.map(|life| life.map(|life| life.as_secs())).collect()
}

#[test]
fn a_connection_to_the_app_lasts_no_longer_than_its_inbound_pool_says_on_every_chain_of_bytes() {
    let rule = "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: shop}
spec: {host: web, trafficPolicy: {connectionPool: {tcp: {maxConnectionDuration: 900s}}}}
---
";
    let of_sidecar = "
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: own, namespace: shop}
spec: {inboundConnectionPool: {tcp: {maxConnectionDuration: 60s}}}
---
";
    assert_eq!(lives("", "PERMISSIVE", "tcp"), [None; 3]);
    for (mode, port, chains) in [
        ("STRICT", "tcp", 1),
        ("PERMISSIVE", "tcp", 3),
        ("DISABLE", "tcp", 1),
        ("STRICT", "x", 1),
        ("PERMISSIVE", "x", 3),
        ("DISABLE", "x", 1),
    ] {
        assert_eq!(lives(rule, mode, port), vec![Some(900); chains], "{mode} {port}");
        // What the app can take goes before what its callers may ask for.
        assert_eq!(
            lives(&format!("{rule}{of_sidecar}"), mode, port),
            vec![Some(60); chains],
            "{mode} {port}"
        );
    }
}

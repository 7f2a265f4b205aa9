use super::*;
use crate::listener::{Direction, FilterChain};
use crate::rbac::RbacFilter;
use crate::route::RouteConfiguration;

fn compiled(filters: Vec<NetworkFilter>) -> Result<Compiled<Listener>, CompileError> {
    let mut settings = settings::Listener::new("l", "0.0.0.0:80".parse().unwrap(), Direction::Inbound);
    settings.filter_chains = vec![FilterChain { filters, ..FilterChain::default() }];
    listener(Arc::new(settings), &mut Names::default())
}

fn http(filters: Vec<HttpFilter>) -> NetworkFilter {
    let routes = http::RouteSource::Inline(Box::<RouteConfiguration>::default());
    NetworkFilter::Http(Box::new(HttpConnectionManager::new("inbound", routes, filters)))
}

fn unknown() -> (String, String) {
    ("wasm".to_owned(), "type.googleapis.com/wasm".to_owned())
}

#[test]
fn a_chain_with_a_filter_nobody_knows_closes_and_says_so() {
    let (name, type_url) = unknown();
    let tcp = settings::TcpProxy { clusters: vec![("a".into(), 1)], ..settings::TcpProxy::default() };
    let filters = vec![NetworkFilter::Unknown { name, type_url }, NetworkFilter::TcpProxy(tcp)];
    let compiled = compiled(filters).unwrap();
    let Terminal::Refuse(why) = &compiled.part.chains[0].terminal else { unreachable!() };
    assert!(why.contains("wasm"));
    assert_eq!(compiled.warnings[0].field, "filter_chains[0].filters[0]");
}

#[test]
fn an_http_filter_nobody_knows_refuses_requests() {
    let (name, type_url) = unknown();
    let compiled =
        compiled(vec![http(vec![HttpFilter::Unknown { name, type_url }, HttpFilter::Router])]).unwrap();
    let Terminal::Http(manager) = &compiled.part.chains[0].terminal else { unreachable!() };
    assert!(manager.refuse.as_ref().unwrap().contains("wasm"));
}

#[test]
fn filters_become_what_they_ask_for() {
    let filters = vec![
        HttpFilter::Rbac(RbacFilter::default()),
        HttpFilter::ExtAuthz(http::ExtAuthz {
            provider: "istio-ext-authz-opa".into(),
            ..http::ExtAuthz::default()
        }),
        HttpFilter::JwtAuthn(http::JwtAuthn::default()),
        HttpFilter::Alpn,
        HttpFilter::Fault,
        HttpFilter::Router,
    ];
    let compiled = compiled(vec![NetworkFilter::Rbac(RbacFilter::default()), http(filters)]).unwrap();
    let chain = &compiled.part.chains[0];
    assert_eq!(chain.gates.len(), 1);
    let Terminal::Http(manager) = &chain.terminal else { unreachable!() };
    assert!(
        matches!(&manager.gates[..], [Gate::Rbac(_), Gate::Custom { provider }] if &**provider == "istio-ext-authz-opa")
    );
    assert!(manager.jwt.is_some() && manager.filters.alpn && manager.filters.fault && !manager.filters.cors);
    assert!(manager.refuse.is_none());
    assert_eq!(compiled.warnings.len(), 2, "CUSTOM and JWT say what they do not do: {:?}", compiled.warnings);
}

#[test]
fn a_chain_without_an_end_closes_its_connections() {
    let compiled = compiled(vec![NetworkFilter::Rbac(RbacFilter::default())]).unwrap();
    assert!(matches!(compiled.part.chains[0].terminal, Terminal::Refuse(_)));
    assert_eq!(compiled.warnings.len(), 1);
}

#[test]
fn a_listener_without_chains_and_a_proxy_without_clusters_are_refused() {
    let settings = settings::Listener::new("l", "0.0.0.0:80".parse().unwrap(), Direction::Inbound);
    let error = listener(Arc::new(settings), &mut Names::default()).unwrap_err();
    assert!(error.to_string().starts_with("listener l: filter_chains: "));
    assert!(compiled(vec![NetworkFilter::TcpProxy(settings::TcpProxy::default())]).is_err());
}

#[test]
fn an_unknown_transport_closes_its_connections_and_a_repeated_match_is_told() {
    let tcp = settings::TcpProxy { clusters: vec![("a".into(), 1)], ..settings::TcpProxy::default() };
    let filters = vec![NetworkFilter::TcpProxy(tcp)];
    let strange = FilterChain {
        filters: filters.clone(),
        transport: Transport::Unknown("quic".into()),
        ..FilterChain::default()
    };
    let mut settings = settings::Listener::new("l", "0.0.0.0:80".parse().unwrap(), Direction::Inbound);
    settings.filter_chains = vec![strange, FilterChain { filters, ..FilterChain::default() }];
    let compiled = listener(Arc::new(settings), &mut Names::default()).unwrap();
    assert!(matches!(&compiled.part.chains[0].terminal, Terminal::Refuse(why) if &**why == "quic"));
    let fields: Vec<&str> = compiled.warnings.iter().map(|warning| warning.field.as_str()).collect();
    assert_eq!(fields, ["filter_chains[0].transport_socket", "filter_chains[1].filter_chain_match"]);
}

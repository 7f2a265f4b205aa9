//! What istiod configured and Envoy decided, decided again here: the recorded resources of a whole mesh, compiled, must
//! send the recorded requests where they went and let through whom Envoy let through.

#![expect(clippy::unwrap_used, reason = "a test may")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use envoy_types::pb::envoy::service::discovery::v3::DiscoveryResponse;
use prost::Message;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use weft_model::compile::{self, Warning};
use weft_model::request::{Connection, Peer, Written as Request};
use weft_model::table::chain::{Arrival, HttpManager, Terminal};
use weft_model::table::route::{Action, Destination, Target};
use weft_model::table::{ClusterRef, Names, RouteTable, Table};
use weft_policy::authorize::{self, Verdict};
use weft_policy::route::{Choice, Decision, location, rewritten_path, route, tls_location};

/// A recorded proxy's configuration.
struct Node {
    names: Names,
    /// A cluster keeps its number as long as its name is held.
    held: Vec<ClusterRef>,
    table: Table,
    warnings: Vec<Warning>,
}

fn resources(node: &str, kind: &str) -> Vec<Vec<u8>> {
    let file = format!("../../tests/conformance/captured/istio/{node}.{kind}.pb");
    let bytes = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let response = DiscoveryResponse::decode(bytes.as_slice()).unwrap();
    response.resources.into_iter().map(|any| any.value).collect()
}

fn node(name: &str) -> Node {
    let mut node =
        Node { names: Names::default(), table: Table::default(), held: Vec::new(), warnings: Vec::new() };
    let mut assignments = std::collections::HashMap::new();
    for bytes in resources(name, "eds") {
        let (assignment, _) = weft_wire::decode::load_assignment(&bytes).unwrap();
        assignments.insert(assignment.cluster.clone(), assignment);
    }
    for bytes in resources(name, "cds") {
        let (settings, _) = weft_wire::decode::cluster(&bytes).unwrap();
        let named = node.names.cluster(&settings.name);
        let compiled = compile::cluster(Arc::new(settings.clone()), assignments.get(&settings.name)).unwrap();
        node.warnings.extend(compiled.warnings);
        node.table.set_cluster(named.id, Some(Arc::new(compiled.part)));
        node.held.push(named);
    }
    for bytes in resources(name, "rds") {
        let (settings, _) = weft_wire::decode::route_configuration(&bytes).unwrap();
        let id = node.names.route(&settings.name).id;
        let compiled = compile::route_table(&settings, &mut node.names).unwrap();
        node.warnings.extend(compiled.warnings);
        node.table.set_routes(id, Some(Arc::new(compiled.part)));
    }
    for bytes in resources(name, "lds") {
        let (settings, _) = weft_wire::decode::listener(&bytes).unwrap();
        let compiled = compile::listener(Arc::new(settings), &mut node.names).unwrap();
        node.warnings.extend(compiled.warnings);
        let name = compiled.part.settings.name.clone();
        node.table.set_listener(&name, Some(Arc::new(compiled.part)));
    }
    node
}

fn get(authority: &str, path: &str) -> Request {
    Request::get(authority, path)
}

fn post(authority: &str, path: &str) -> Request {
    get(authority, path).method("POST")
}

fn peer(account: &str) -> Peer {
    Peer::from_uri_sans(vec![format!("spiffe://cluster.local/ns/selfmonitor/sa/{account}")])
}

/// The inbound chain for a connection that the mesh's own client made.
fn inbound<'a>(node: &'a Node, arrival: &Arrival<'_>) -> &'a weft_model::table::chain::Chain {
    let listener = node.table.listener("virtualInbound").unwrap();
    listener.chain(arrival).unwrap_or_else(|| unreachable!("no chain for {arrival:?}"))
}

fn http(chain: &weft_model::table::chain::Chain) -> &HttpManager {
    match &chain.terminal {
        Terminal::Http(manager) => manager,
        other => unreachable!("{}: {other:?}", chain.name),
    }
}

fn mesh_arrival(destination: &str) -> Arrival<'static> {
    Arrival {
        destination: destination.parse().unwrap(),
        source: "10.244.0.10:40000".parse().unwrap(),
        transport: "tls",
        server_name: "",
        protocols: &["istio-http/1.1", "istio", "http/1.1"],
    }
}

fn connection<'a>(peer: Option<&'a Peer>, destination: &str) -> Connection<'a> {
    let source: SocketAddr = "10.244.0.10:40000".parse().unwrap();
    Connection { peer, source, remote: source.ip(), destination: destination.parse().unwrap(), sni: None }
}

fn passes(node: &Node, from: &str, destination: &str, request: &Request) -> bool {
    let peer = peer(from);
    let manager = http(inbound(node, &mesh_arrival(destination)));
    let verdict = authorize::request(&manager.gates, request, &connection(Some(&peer), destination)).verdict;
    matches!(verdict, Verdict::Allowed { .. })
}

#[test]
fn everything_recorded_compiles_and_only_tokens_are_warned_of() {
    for name in [
        "auth-service",
        "banking-connector",
        "fraud-detection",
        "ingress",
        "nginx-gateway",
        "postgres",
        "predictive-analytics-v1",
        "predictive-analytics-v2",
        "transactions-service",
        "transactions-service-2",
        "user-profile-service",
    ] {
        let node = node(name);
        for warning in &node.warnings {
            let of_tokens = ["tokens are not verified", "metadata of envoy.filters.http.jwt_authn"];
            assert!(of_tokens.iter().any(|text| warning.message.contains(text)), "{name}: {warning}");
        }
    }
}

#[test]
fn http_policies_decide_as_envoy_did() {
    let cases = [
        ("auth-service", "10.244.0.11:8000", "nginx-gateway", post("auth-service", "/token"), true),
        ("auth-service", "10.244.0.11:8000", "nginx-gateway", get("auth-service", "/token"), false),
        ("auth-service", "10.244.0.11:8000", "fraud-detection", post("auth-service", "/token"), false),
        ("auth-service", "10.244.0.11:8000", "nginx-gateway", post("auth-service", "/login/start"), true),
        ("auth-service", "10.244.0.11:8000", "nginx-gateway", get("auth-service", "/deep/health"), true),
        ("user-profile-service", "10.244.0.18:8000", "fraud-detection", get("u", "/profiles/7/risk"), true),
        ("user-profile-service", "10.244.0.18:8000", "fraud-detection", get("u", "/profiles/7/a/b"), true),
        ("user-profile-service", "10.244.0.18:8000", "fraud-detection", get("u", "/profiles/7/secret"), true),
        ("user-profile-service", "10.244.0.18:8000", "fraud-detection", post("u", "/profiles/7/risk"), false),
        (
            "user-profile-service",
            "10.244.0.18:8000",
            "predictive-analytics",
            get("u", "/profiles/7/risk"),
            true,
        ),
        ("nginx-gateway", "10.244.0.10:8080", "auth-service", get("nginx-gateway", "/"), false),
        // Without a token, and (here) with one that nobody verifies.
        (
            "transactions-service",
            "10.244.0.12:8000",
            "fraud-detection",
            get("transactions-service", "/ledger"),
            false,
        ),
    ];
    let mut nodes = std::collections::HashMap::new();
    for (name, destination, from, request, expected) in cases {
        let node = nodes.entry(name).or_insert_with(|| node(name));
        assert_eq!(passes(node, from, destination, &request), expected, "{from} to {name}: {request:?}");
    }
}

#[test]
fn deletes_are_denied_by_name_and_dry_runs_are_noted() {
    let node = node("transactions-service");
    let destination = "10.244.0.12:8000";
    let manager = http(inbound(&node, &mesh_arrival(destination)));
    let peer = peer("fraud-detection");
    let delete = get("transactions-service", "/ledger").method("DELETE");
    let outcome = authorize::request(&manager.gates, &delete, &connection(Some(&peer), destination));
    let Verdict::Denied(denial) = outcome.verdict else { unreachable!("{outcome:?}") };
    assert_eq!(denial.to_string(), "denied by ns[selfmonitor]-policy[no-deletes]-rule[0]");
    let beta = get("transactions-service", "/beta/x");
    let outcome = authorize::request(&manager.gates, &beta, &connection(Some(&peer), destination));
    let dry = authorize::Note::Shadow {
        prefix: "istio_dry_run_deny_",
        allowed: false,
        policy: Some("ns[selfmonitor]-policy[dry-run]-rule[0]"),
    };
    assert!(outcome.notes.contains(&dry), "{outcome:?}");
}

#[test]
fn tcp_policies_decide_as_envoy_did() {
    let node = node("postgres");
    let destination = "10.244.0.20:5432";
    let arrival = Arrival { protocols: &["istio"], ..mesh_arrival(destination) };
    let chain = inbound(&node, &arrival);
    assert!(matches!(&chain.terminal, Terminal::Tcp(proxy) if &*proxy.targets[0].0.name == "inbound|5432||"));
    for (from, expected) in [("transactions-service", true), ("auth-service", false)] {
        let peer = peer(from);
        let verdict = authorize::connection(&chain.gates, &connection(Some(&peer), destination)).verdict;
        assert_eq!(matches!(verdict, Verdict::Allowed { .. }), expected, "{from}");
    }
}

#[test]
fn strict_has_no_chain_for_plaintext_and_permissive_has() {
    let plain = |destination: &str| Arrival {
        destination: destination.parse().unwrap(),
        source: "10.244.9.9:40000".parse().unwrap(),
        transport: "raw_buffer",
        server_name: "",
        protocols: &["http/1.1"],
    };
    let strict = node("auth-service");
    let listener = strict.table.listener("virtualInbound").unwrap();
    assert!(listener.chain(&plain("10.244.0.11:8000")).is_none());
    let permissive = node("fraud-detection");
    let manager = http(inbound(&permissive, &plain("10.244.0.19:8000")));
    let nobody = connection(None, "10.244.0.19:8000");
    let outcome = authorize::request(&manager.gates, &get("fraud-detection", "/"), &nobody);
    assert!(matches!(outcome.verdict, Verdict::Denied(_)), "plaintext comes in, and proves nobody");
}

/// Where a request goes: the cluster and the path, or what else happens.
fn goes(routes: &RouteTable, request: &Request) -> String {
    let mut out = String::new();
    match route(routes, request, 0, &mut SmallRng::seed_from_u64(5)) {
        Decision::Forward(to) => {
            let Choice::Cluster(destination) = to.to else { unreachable!() };
            let path = if rewritten_path(&to, request, &mut out) { &out } else { &request.path };
            format!("{} {path}", destination.cluster.name)
        }
        Decision::Redirect { route, redirect, .. } => {
            location(route, redirect, request, &mut out);
            format!("{} {out}", redirect.settings.status)
        }
        Decision::TlsRedirect { .. } => {
            tls_location(request, &mut out);
            format!("301 {out}")
        }
        Decision::DirectResponse { status, body, .. } => {
            format!("{status} {}", String::from_utf8_lossy(body))
        }
        other => format!("{other:?}"),
    }
}

fn with(request: Request, headers: &[(&str, &str)]) -> Request {
    headers.iter().fold(request, |request, (name, value)| request.with(name, value))
}

#[test]
fn requests_go_where_envoy_sent_them() {
    let transactions = "outbound|80||transactions-service.selfmonitor.svc.cluster.local";
    let v1 = "outbound|80|v1|predictive-analytics.selfmonitor.svc.cluster.local";
    let v2 = "outbound|80|v2|predictive-analytics.selfmonitor.svc.cluster.local";
    let predict = |authority| get(authority, "/p");
    let list = get("transactions-service", "/api/v1/list?page=2");
    let cases = [
        ("nginx-gateway", with(predict("predictive-analytics"), &[("x-canary", "true")]), format!("{v2} /p")),
        (
            "nginx-gateway",
            with(get("predictive-analytics", "/v2/p"), &[("x-tenant", "beta-12")]),
            format!("{v2} /v2/p"),
        ),
        ("nginx-gateway", predict("predictive-analytics.selfmonitor.svc.cluster.local"), format!("{v1} /p")),
        ("nginx-gateway", predict("predictive-analytics:80"), format!("{v1} /p")),
        ("nginx-gateway", predict("predictive-analytics.selfmonitor.svc.cluster.local."), format!("{v1} /p")),
        ("nginx-gateway", get("unknown.example", "/x"), "PassthroughCluster /x".into()),
        ("banking-connector", get("unknown.example", "/x"), "502 ".into()),
        ("banking-connector", post("auth-service", "/token"), "502 ".into()),
        (
            "fraud-detection",
            get("transactions-service", "/old"),
            "308 http://transactions.example/new".into(),
        ),
        ("fraud-detection", get("transactions-service", "/gone/a"), "410 gone".into()),
        ("fraud-detection", with(list.clone(), &[("x-secret", "1")]), format!("{transactions} /list?page=2")),
        (
            "fraud-detection",
            with(list, &[("x-internal", "1")]),
            format!("{transactions} /api/v1/list?page=2"),
        ),
    ];
    for (name, request, expected) in cases {
        let mut node = node(name);
        let id = node.names.route("80").id;
        let routes = node.table.routes(id).unwrap();
        // Of ten requests for predictive-analytics one goes to v2, whichever: most are what is looked at.
        let mut seen = BTreeMap::<String, u32>::new();
        (0..30).for_each(|_| *seen.entry(goes(routes, &request)).or_default() += 1);
        let (most, _) = seen.into_iter().max_by_key(|(_, times)| *times).unwrap();
        assert_eq!(most, expected, "{name}: {request:?}");
    }
}

#[test]
fn the_gateway_redirects_and_rewrites_as_recorded() {
    let mut node = node("ingress");
    let plain = node.names.route("http.8080").id;
    let plain = node.table.routes(plain).unwrap();
    assert_eq!(goes(plain, &get("selfmonitor.example", "/x")), "301 https://selfmonitor.example/x");
    assert_eq!(goes(plain, &get("stranger.example", "/x")), "NoHost");
    let tls = node.table.all_routes().find(|routes| routes.name.starts_with("https.443.https.")).unwrap();
    let https = |path| get("selfmonitor.example", path).https();
    let auth = goes(tls, &https("/api/auth/token"));
    // A rewrite to `/` of a prefix without a slash at its end leaves two, as it does in Envoy.
    assert_eq!(auth, "outbound|80||auth-service.selfmonitor.svc.cluster.local //token");
    assert!(goes(tls, &https("/api/predict")).starts_with("outbound|80|v"));
    let rest = goes(tls, &https("/"));
    assert_eq!(rest, "outbound|80||nginx-gateway.selfmonitor.svc.cluster.local /");
}

#[test]
fn every_cluster_that_a_route_means_is_there() {
    let (mut known, mut missing) = (0, Vec::new());
    for name in ["nginx-gateway", "transactions-service", "fraud-detection", "ingress"] {
        let node = node(name);
        let hosts = node.table.all_routes().flat_map(|routes| &routes.hosts);
        for route in hosts.flat_map(|host| &host.routes) {
            let Action::Forward(forward) = &route.action else { continue };
            let of: &[Destination] = match &forward.target {
                Target::Weighted { of, .. } => of,
                Target::Cluster(only) => std::slice::from_ref(only),
                Target::Header(_) => &[],
            };
            for destination in of {
                match node.table.cluster(destination.cluster.id) {
                    Some(cluster) => {
                        assert_eq!(cluster.name(), &*destination.cluster.name);
                        known += 1;
                    }
                    None => missing.push(destination.cluster.name.clone()),
                }
            }
        }
    }
    assert!(known > 40, "{known}");
    assert!(missing.is_empty(), "{missing:?}");
}

//! A stock Envoy takes everything that the control plane makes of deploy/selfmonitor, over delta ADS, as a sidecar
//! with interception and as one without.
//!
//! Envoy says itself who it is (a program without Istio's own filters); nothing here tells the control plane so.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "envoy_accepts/dump.rs"]
mod dump;
#[path = "envoy_accepts/mesh.rs"]
mod mesh;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use dump::Dump;
use mesh::Mesh;
use weft_control::serve::{ProxyReport, TypeReport};
use weft_control::translate::Configuration;
use weft_model::cluster::Discovery;
use weft_model::http::RouteSource;
use weft_model::listener::NetworkFilter;
use weft_model::node::Interception;
use weft_testkit::envoy::{self, Envoy};
use weft_testkit::plane::Plane;
use weft_wire::encode;
use weft_wire::json::Descriptors;

/// How long one Envoy may take; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_stock_envoy_with_interception_takes_all_of_self_monitor() {
    takes_all(&Mesh::of_self_monitor(Interception::Redirect));
}

#[test]
fn a_stock_envoy_without_interception_takes_all_of_self_monitor() {
    takes_all(&Mesh::of_self_monitor(Interception::None));
}

#[test]
fn a_stock_envoy_takes_what_stranger_files_ask() {
    for interception in [Interception::Redirect, Interception::None] {
        takes_all(&Mesh::of("envoy_accepts/strange.yaml", interception));
    }
}

#[test]
fn what_is_not_in_force_and_what_is_refused_would_be_seen() {
    let mesh = Mesh::of_self_monitor(Interception::Redirect);
    let expected = Names::of(&mesh.configuration("auth-service-1"));
    let mut dump = Dump {
        clusters: expected.clusters.clone(),
        endpoints: expected.endpoints.clone(),
        listeners: expected.listeners.clone(),
        routes: expected.routes.clone(),
        errors: Vec::new(),
        shown: BTreeMap::new(),
    };
    assert_eq!(expected.missing_in(&dump), Vec::<String>::new());
    dump.listeners.remove("virtualInbound");
    assert_eq!(expected.missing_in(&dump), [r#"listener "virtualInbound" is not in force"#]);

    let of_type = |refused: Option<&str>| TypeReport {
        kind: "Listener".to_owned(),
        held: 1,
        sent: None,
        acked: None,
        in_force_seconds: None,
        refused: refused.map(str::to_owned),
        in_sync: false,
    };
    let proxy = ProxyReport {
        node: String::new(),
        name: String::new(),
        identity: None,
        connected_seconds: 0.0,
        target: None,
        in_sync: false,
        types: vec![of_type(None), of_type(Some("no such filter"))],
    };
    assert_eq!(refusals(&proxy), ["Listener: no such filter"]);
}

/// One Envoy after the other: with interception they all listen on the same ports.
fn takes_all(mesh: &Mesh) {
    let Some(program) = envoy::program() else { return };
    let plane = Plane::serve(&mesh.world);
    let mut wrong = Vec::new();
    for pod in mesh.one_pod_of_each_workload() {
        let started = Instant::now();
        let expected = Names::of(&mesh.configuration(&pod));
        let envoy = Envoy::start(&program, &mesh.node(&pod), &plane);
        let mut differences = settle(&plane, &envoy, &expected);
        if differences.is_empty() {
            differences = shown_otherwise(&mesh.configuration(&pod), &Dump::of(&envoy).unwrap());
        }
        let verdict = if differences.is_empty() { "takes" } else { "DOES NOT TAKE" };
        println!("{pod} ({:.1} s) {verdict} {}", started.elapsed().as_secs_f64(), expected.count());
        let failed = !differences.is_empty();
        wrong.extend(differences.into_iter().map(|what| format!("{pod}: {what}")));
        // The others would fail for the same reasons, slowly.
        if failed {
            break;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Waits until Envoy has in force what is expected, or refuses; gives what is not so in the end.
fn settle(plane: &Plane, envoy: &Envoy, expected: &Names) -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let proxies = plane.report().proxies;
        let proxy = proxies.iter().find(|proxy| proxy.node == envoy.node);
        let refused = proxy.map(refusals).unwrap_or_default();
        if !refused.is_empty() {
            return refused;
        }
        // What is in force is only asked of an Envoy that acknowledged it all.
        let missing = match proxy {
            Some(proxy) if proxy.in_sync && expected.kinds().all(|kind| holds(proxy, kind)) => {
                Dump::of(envoy).map_or_else(|error| vec![error], |dump| expected.missing_in(&dump))
            }
            _ => vec![format!("nothing is acknowledged yet: {proxy:?}")],
        };
        if missing.is_empty() || Instant::now() > deadline || envoy.has_ended() {
            return missing;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What our own `/config_dump` would show in another way than Envoy's, of the same bytes.
fn shown_otherwise(configuration: &Configuration, dump: &Dump) -> Vec<String> {
    let descriptors = Descriptors::open().unwrap();
    let clusters =
        configuration.clusters.iter().map(|of| ("dynamic_active_clusters", &of.name, encode::cluster(of)));
    let listeners =
        configuration.listeners.iter().map(|of| ("dynamic_listeners", &of.name, encode::listener(of)));
    let mut wrong = Vec::new();
    for (key, name, any) in clusters.chain(listeners) {
        let ours = descriptors.packed(&any.type_url, &any.value);
        let theirs = dump.shown.get(&(key, name.clone()));
        if theirs != Some(&ours) {
            wrong.push(format!("{name} of {key} is shown as\n{ours:#}\nand by Envoy as\n{theirs:#?}"));
        }
    }
    wrong
}

fn refusals(proxy: &ProxyReport) -> Vec<String> {
    let refused = |of: &TypeReport| Some(format!("{}: {}", of.kind, of.refused.as_ref()?));
    proxy.types.iter().filter_map(refused).collect()
}

fn holds(proxy: &ProxyReport, kind: &str) -> bool {
    proxy.types.iter().any(|of| of.kind == kind && of.held > 0 && of.acked.is_some())
}

/// What Envoy must have, by name.
struct Names {
    clusters: BTreeSet<String>,
    endpoints: BTreeSet<String>,
    listeners: BTreeSet<String>,
    routes: BTreeSet<String>,
}

impl Names {
    fn of(configuration: &Configuration) -> Self {
        let eds = |cluster: &weft_model::cluster::Cluster| match &cluster.discovery {
            Discovery::Eds(name) if name.is_empty() => Some(cluster.name.clone()),
            Discovery::Eds(name) => Some(name.clone()),
            _ => None,
        };
        let chains = configuration.listeners.iter().flat_map(|listener| {
            listener.filter_chains.iter().chain(listener.default_filter_chain.as_deref())
        });
        let asked = chains.flat_map(|chain| &chain.filters).filter_map(|filter| match filter {
            NetworkFilter::Http(manager) => match &manager.routes {
                RouteSource::Rds(name) => Some(name.clone()),
                RouteSource::Inline(_) => None,
            },
            _ => None,
        });
        let names = Self {
            clusters: configuration.clusters.iter().map(|of| of.name.clone()).collect(),
            endpoints: configuration.clusters.iter().filter_map(eds).collect(),
            listeners: configuration.listeners.iter().map(|of| of.name.clone()).collect(),
            routes: asked.collect(),
        };
        assert!(names.clusters.len() > 2 && names.listeners.len() > 1, "there is nearly nothing to take");
        let made: BTreeSet<String> = configuration.routes.iter().map(|of| of.name.clone()).collect();
        let lacking: Vec<_> = names.routes.difference(&made).collect();
        assert!(lacking.is_empty(), "listeners ask for routes that are not made: {lacking:?}");
        names
    }

    fn kinds(&self) -> impl Iterator<Item = &'static str> {
        let kinds = [
            ("Cluster", &self.clusters),
            ("ClusterLoadAssignment", &self.endpoints),
            ("Listener", &self.listeners),
            ("RouteConfiguration", &self.routes),
        ];
        kinds.into_iter().filter(|(_, names)| !names.is_empty()).map(|(kind, _)| kind)
    }

    fn missing_in(&self, dump: &Dump) -> Vec<String> {
        let pairs = [
            ("cluster", &self.clusters, &dump.clusters),
            ("endpoints", &self.endpoints, &dump.endpoints),
            ("listener", &self.listeners, &dump.listeners),
            ("routes", &self.routes, &dump.routes),
        ];
        let mut missing = dump.errors.clone();
        for (kind, expected, found) in pairs {
            missing.extend(expected.difference(found).map(|name| format!("{kind} {name:?} is not in force")));
            // Envoy counts the endpoints that stand in clusters, too.
            let known = if kind == "endpoints" { &self.clusters } else { expected };
            missing.extend(found.difference(known).map(|name| format!("{kind} {name:?} is nobody's")));
        }
        missing
    }

    fn count(&self) -> String {
        let Self { clusters, endpoints, listeners, routes } = self;
        let count = [clusters.len(), endpoints.len(), listeners.len(), routes.len()];
        format!("{} clusters, {} endpoints, {} listeners, {} routes", count[0], count[1], count[2], count[3])
    }
}

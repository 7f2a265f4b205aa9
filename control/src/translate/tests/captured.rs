//! What istiod made of the recorded mesh for each recorded node, compared in the model's terms.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use envoy_types::pb::envoy::service::discovery::v3::DiscoveryResponse;
use prost::Message;
use weft_model::endpoint::Locality;
use weft_model::node::{Agent, Interception, Node, NodeMetadata, Role};
use weft_wire::decode;

use crate::resources::Resources;
use crate::translate::{Configuration, translate};
use crate::world::World;

const NODES: [&str; 9] = [
    "auth-service",
    "banking-connector",
    "fraud-detection",
    "nginx-gateway",
    "postgres",
    "predictive-analytics-v1",
    "predictive-analytics-v2",
    "transactions-service",
    "user-profile-service",
];

fn conformance(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance").join(path)
}

fn mesh() -> Resources {
    let reading = crate::read::read(&[conformance("mesh")]);
    assert!(!reading.has_errors());
    reading.resources
}

/// The values of the resources that a node got.
fn recorded(flavour: &str, node: &str, kind: &str) -> Vec<Vec<u8>> {
    let path = conformance("captured").join(flavour).join(format!("{node}.{kind}.pb"));
    let bytes = std::fs::read(path).unwrap();
    DiscoveryResponse::decode(&bytes[..]).unwrap().resources.into_iter().map(|any| any.value).collect()
}

fn ours(world: &World, flavour: &str, name: &str) -> Configuration {
    let workload =
        world.workloads.iter().find(|w| w.name == name || w.name == format!("{name}-1")).expect(name);
    let node = Node {
        role: Role::Sidecar,
        ip: workload.ip(),
        name: format!("{}.{}", workload.name, workload.namespace),
        domain: format!("{}.svc.cluster.local", workload.namespace),
        cluster: String::new(),
        locality: Locality::default(),
        agent: Agent { name: "envoy".to_owned(), version: String::new(), istio_filters: flavour == "istio" },
        metadata: NodeMetadata {
            namespace: workload.namespace.clone(),
            interception: Interception::Redirect,
            ..NodeMetadata::default()
        },
    };
    translate(world, &node)
}

fn theirs<T>(
    flavour: &str,
    node: &str,
    kind: &str,
    read: impl Fn(&[u8]) -> (String, T),
) -> BTreeMap<String, T> {
    recorded(flavour, node, kind).iter().map(|bytes| read(bytes)).collect()
}

/// Istio's default of what is tried again, without what may execute a call twice: the one thing that is ours.
pub(crate) fn without_second_executions(configuration: &mut weft_model::route::RouteConfiguration) {
    use weft_model::route::RouteAction;
    for route in configuration.virtual_hosts.iter_mut().flat_map(|host| &mut host.routes) {
        if let RouteAction::Forward(forward) = &mut route.action
            && let Some(retry) = &mut forward.retry
        {
            retry.retry_on = retry.retry_on.replace(
                "connect-failure,refused-stream,unavailable,cancelled,",
                "connect-failure,refused-stream,",
            );
        }
    }
}

/// Both sides' resources by name; every difference in words.
fn differences<T: Debug + PartialEq>(
    place: &str,
    ours: impl IntoIterator<Item = (String, T)>,
    theirs: &BTreeMap<String, T>,
) -> BTreeSet<String> {
    let ours: BTreeMap<String, T> = ours.into_iter().collect();
    let mut found = BTreeSet::new();
    let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    for name in names {
        match (ours.get(name), theirs.get(name)) {
            (Some(our), Some(their)) if our == their => {}
            (Some(our), Some(their)) => {
                let (our, their) = (format!("{our:#?}"), format!("{their:#?}"));
                let (a, b): (Vec<&str>, Vec<&str>) = (our.lines().collect(), their.lines().collect());
                let only_ours: Vec<&&str> = a.iter().filter(|line| !b.contains(line)).collect();
                let only_theirs: Vec<&&str> = b.iter().filter(|line| !a.contains(line)).collect();
                found.insert(format!("{place} {name}: ours {only_ours:?} theirs {only_theirs:?}"));
            }
            (Some(_), None) => {
                found.insert(format!("{place} {name}: ours alone"));
            }
            (None, _) => {
                found.insert(format!("{place} {name}: theirs alone"));
            }
        }
    }
    found
}

fn world() -> World {
    World::new(Arc::new(mesh()), &[])
}

#[test]
fn every_cluster_is_istiod_s() {
    let world = world();
    let mut found = BTreeSet::new();
    for flavour in ["istio", "stock"] {
        for node in NODES {
            let theirs = theirs(flavour, node, "cds", |bytes| {
                let cluster = decode::cluster(bytes).unwrap().0;
                (cluster.name.clone(), cluster)
            });
            let ours = ours(&world, flavour, node).clusters.into_iter().map(|of| (of.name.clone(), of));
            found.extend(differences(&format!("{flavour} {node}"), ours, &theirs));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_assignment_is_istiod_s() {
    let world = world();
    let mut found = BTreeSet::new();
    for node in NODES {
        // The order of a locality's endpoints means nothing.
        let sorted = |mut of: weft_model::endpoint::LoadAssignment| {
            let order = |endpoint: &weft_model::endpoint::Endpoint| format!("{:?}", endpoint.address);
            of.localities.iter_mut().for_each(|locality| locality.endpoints.sort_by_key(order));
            (of.cluster.clone(), of)
        };
        let theirs = theirs("istio", node, "eds", |bytes| sorted(decode::load_assignment(bytes).unwrap().0));
        let ours = ours(&world, "istio", node).endpoints.into_iter().map(sorted);
        found.extend(differences(node, ours, &theirs));
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_listener_is_istiod_s() {
    let world = world();
    let mut found = BTreeSet::new();
    for flavour in ["istio", "stock"] {
        for node in NODES {
            let theirs = theirs(flavour, node, "lds", |bytes| {
                let listener = decode::listener(bytes).unwrap().0;
                (listener.name.clone(), listener)
            });
            let ours = ours(&world, flavour, node).listeners.into_iter().map(|of| (of.name.clone(), of));
            found.extend(differences(&format!("{flavour} {node}"), ours, &theirs));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_route_configuration_is_istiod_s() {
    let world = world();
    let mut found = BTreeSet::new();
    for node in NODES {
        // A name's order among a host's domains means nothing.
        let sorted = |mut of: weft_model::route::RouteConfiguration| {
            of.virtual_hosts.iter_mut().for_each(|host| host.domains.sort());
            without_second_executions(&mut of);
            (of.name.clone(), of)
        };
        let theirs =
            theirs("istio", node, "rds", |bytes| sorted(decode::route_configuration(bytes).unwrap().0));
        let ours = ours(&world, "istio", node).routes.into_iter().map(sorted);
        found.extend(differences(node, ours, &theirs));
    }
    assert!(found.is_empty(), "{found:#?}");
}

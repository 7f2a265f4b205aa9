use super::*;
use crate::cluster::{Cluster as Settings, LbPolicy};
use crate::endpoint::{Address, Endpoint, Health, LocalityEndpoints};

fn one_endpoint() -> LoadAssignment {
    let endpoint = Endpoint {
        address: Address::Socket("10.0.0.1:80".parse().unwrap()),
        weight: 1,
        health: Health::Healthy,
        transport_match: std::collections::BTreeMap::new(),
        workload: String::new(),
        hostname: String::new(),
    };
    let localities = vec![LocalityEndpoints { endpoints: vec![endpoint], ..LocalityEndpoints::default() }];
    LoadAssignment { localities, ..LoadAssignment::default() }
}

fn named(name: &str) -> Settings {
    Settings { name: name.to_owned(), load_assignment: Some(one_endpoint()), ..Settings::default() }
}

#[test]
fn given_endpoints_come_before_those_that_stand_in_the_cluster() {
    let settings = Arc::new(named("a"));
    let own = cluster(settings.clone(), None).unwrap().part;
    assert_eq!(own.endpoints.endpoints.len(), 1);
    let given = cluster(settings, Some(&LoadAssignment::default())).unwrap().part;
    assert!(given.endpoints.endpoints.is_empty());
    assert_eq!(own.with_endpoints(EndpointSet::default()).endpoints.endpoints.len(), 0);
}

#[test]
fn a_cluster_of_an_unknown_kind_has_no_endpoints_and_says_so() {
    let settings = Settings { discovery: Discovery::Unknown("envoy.clusters.redis".into()), ..named("a") };
    let compiled = cluster(Arc::new(settings), None).unwrap();
    assert!(compiled.part.endpoints.endpoints.is_empty());
    assert!(compiled.warnings[0].to_string().starts_with("cluster a: cluster_type: envoy.clusters.redis"));
}

#[test]
fn an_unknown_transport_and_a_ring_too_big_are_told() {
    let settings = Settings { transport: Transport::Unknown("quic".into()), ..named("a") };
    assert_eq!(cluster(Arc::new(settings), None).unwrap().warnings.len(), 1);
    let mut settings = named("a");
    settings.balancing.policy = LbPolicy::RingHash { minimum_ring_size: u64::MAX };
    settings.load_assignment = None;
    assert_eq!(cluster(Arc::new(settings), None).unwrap().warnings.len(), 1);
}

#[test]
fn a_cluster_without_a_name_is_refused() {
    let error = cluster(Arc::new(named("")), None).unwrap_err();
    assert_eq!(error.field, "name");
}

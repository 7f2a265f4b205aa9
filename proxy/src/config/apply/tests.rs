use std::time::Duration;

use weft_model::cluster::Cluster;
use weft_model::endpoint::{Address, Endpoint, Health, LocalityEndpoints};
use weft_model::listener::Direction;
use weft_wire::encode;

use super::*;

fn resource(of: &str, name: &str, any: encode::Any) -> Resource {
    Resource::versioned_by_content(of, name, any.value)
}

fn eds(name: &str) -> Cluster {
    Cluster {
        name: name.to_owned(),
        discovery: Discovery::Eds(String::new()),
        connect_timeout: Some(Duration::from_secs(1)),
        ..Cluster::default()
    }
}

fn endpoints(cluster: &str, addresses: &[&str]) -> LoadAssignment {
    let endpoint = |address: &&str| Endpoint {
        address: Address::Socket(address.parse().unwrap()),
        weight: 1,
        health: Health::Unknown,
        transport_match: BTreeMap::new(),
        workload: String::new(),
        hostname: String::new(),
    };
    let localities = vec![LocalityEndpoints {
        endpoints: addresses.iter().map(endpoint).collect(),
        ..LocalityEndpoints::default()
    }];
    LoadAssignment { cluster: cluster.to_owned(), localities, overprovisioning_factor: None }
}

fn put(applier: &mut Applier, cluster: &Cluster, assignment: &LoadAssignment) {
    let applied = applier.update(
        type_url::CLUSTER,
        &[resource(type_url::CLUSTER, &cluster.name, encode::cluster(cluster))],
        &[],
    );
    assert!(applied.refused.is_empty(), "{:?}", applied.refused);
    let eds = resource(type_url::ENDPOINTS, &assignment.cluster, encode::load_assignment(assignment));
    assert!(applier.update(type_url::ENDPOINTS, &[eds], &[]).refused.is_empty());
}

#[test]
fn an_endpoint_that_stays_keeps_its_memory_and_its_pool_when_another_comes() {
    let mut applier = Applier::new(Secrets::default());
    put(&mut applier, &eds("a"), &endpoints("a", &["127.0.0.1:1"]));
    let before = applier.snapshot().cluster_named("a").unwrap().endpoints[0].clone();
    put(&mut applier, &eds("a"), &endpoints("a", &["127.0.0.1:1", "127.0.0.1:2"]));
    let view = applier.snapshot().cluster_named("a").unwrap().clone();
    assert_eq!(view.endpoints.len(), 2);
    let after = view.endpoints.iter().find(|e| e.address == before.address).unwrap();
    assert!(Arc::ptr_eq(&before.state, &after.state));
    assert_eq!(before.pool, after.pool);
}

#[test]
fn a_bad_resource_is_named_and_its_last_good_value_stays() {
    let mut applier = Applier::new(Secrets::default());
    put(&mut applier, &eds("a"), &endpoints("a", &["127.0.0.1:1"]));
    let bad = Resource::versioned_by_content(type_url::ENDPOINTS, "a", vec![0xff, 0xff, 0xff]);
    let applied = applier.update(type_url::ENDPOINTS, &[bad], &[]);
    assert_eq!(applied.refused.len(), 1);
    assert!(!applied.changed);
    assert_eq!(applier.snapshot().cluster_named("a").unwrap().endpoints.len(), 1);
}

#[test]
fn what_a_listener_refers_to_is_asked_for_and_missed_until_it_comes() {
    use weft_model::http::{HttpConnectionManager, HttpFilter, RouteSource};
    use weft_model::listener::{FilterChain, NetworkFilter};
    let mut applier = Applier::new(Secrets::default());
    let mut listener = Listener::new("l", "127.0.0.1:0".parse().unwrap(), Direction::Outbound);
    let manager = HttpConnectionManager::new("x", RouteSource::Rds("80".into()), vec![HttpFilter::Router]);
    listener.filter_chains.push(FilterChain {
        filters: vec![NetworkFilter::Http(Box::new(manager))],
        ..FilterChain::default()
    });
    applier.update(
        type_url::LISTENER,
        &[resource(type_url::LISTENER, "l", encode::listener(&listener))],
        &[],
    );
    assert_eq!(applier.wanted_routes().into_iter().map(|n| n.to_string()).collect::<Vec<_>>(), ["80"]);
    assert_eq!(applier.missing(), ["routes 80"]);
    let routes = RouteConfiguration { name: "80".into(), ..RouteConfiguration::default() };
    applier.update(
        type_url::ROUTES,
        &[resource(type_url::ROUTES, "80", encode::route_configuration(&routes))],
        &[],
    );
    assert!(applier.missing().is_empty());
    applier.update(type_url::LISTENER, &[], &["l".into()]);
    assert!(applier.wanted_routes().is_empty() && applier.snapshot().listener("l").is_none());
}

#[test]
fn a_removed_cluster_is_gone_and_its_endpoints_that_keep_coming_change_nothing() {
    let mut applier = Applier::new(Secrets::default());
    put(&mut applier, &eds("a"), &endpoints("a", &["127.0.0.1:1"]));
    applier.update(type_url::CLUSTER, &[], &["a".into()]);
    assert!(applier.snapshot().cluster_named("a").is_none());
    let late = resource(type_url::ENDPOINTS, "a", encode::load_assignment(&endpoints("a", &[])));
    assert!(applier.update(type_url::ENDPOINTS, &[late], &[]).refused.is_empty());
    assert!(applier.snapshot().cluster_named("a").is_none());
}

#[test]
fn clusters_that_come_and_go_for_days_leave_nothing_behind_and_take_no_others_place() {
    let mut applier = Applier::new(Secrets::default());
    put(&mut applier, &eds("kept"), &endpoints("kept", &["127.0.0.1:1"]));
    let kept = applier.snapshot().cluster_named("kept").unwrap().clone();
    let mut in_flight = None;
    for n in 0..3000_u32 {
        let name = format!("c{n}");
        put(&mut applier, &eds(&name), &endpoints(&name, &["127.0.0.1:2"]));
        let view = applier.snapshot().cluster_named(&name).unwrap();
        assert_ne!(view.named.id, kept.named.id);
        // A request of before still goes to a cluster that has been taken away.
        let of_before = in_flight.get_or_insert_with(|| view.clone());
        assert!(n == 0 || view.named.id != of_before.named.id);
        assert!(view.named.id.0 < 2048, "{:?} after {n} changes", view.named);
        applier.update(type_url::CLUSTER, &[], &[name.as_str().into()]);
    }
    assert_eq!(applier.snapshot().clusters().count(), 1);
    assert!(Arc::ptr_eq(applier.snapshot().cluster(kept.named.id).unwrap(), &kept));
}

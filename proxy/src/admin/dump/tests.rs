use serde_json::{Value, json};
use weft_model::cluster::{Cluster, Discovery};
use weft_model::endpoint::LoadAssignment;
use weft_model::http::{HttpConnectionManager, HttpFilter, RouteSource};
use weft_model::listener::{Direction, FilterChain, Listener, NetworkFilter};
use weft_wire::encode;
use weft_xds::Resource;

use super::*;
use crate::tls::secrets::Secrets;

fn cluster(name: &str) -> Resource {
    let cluster =
        Cluster { name: name.into(), discovery: Discovery::Eds(String::new()), ..Cluster::default() };
    Resource::versioned_by_content(type_url::CLUSTER, name, encode::cluster(&cluster).value)
}

fn applier() -> Applier {
    let mut applier = Applier::new(Secrets::default());
    let mut listener = Listener::new("0.0.0.0_80", "127.0.0.1:80".parse().unwrap(), Direction::Outbound);
    let manager = HttpConnectionManager::new("x", RouteSource::Rds("80".into()), vec![HttpFilter::Router]);
    listener.filter_chains.push(FilterChain {
        filters: vec![NetworkFilter::Http(Box::new(manager))],
        ..FilterChain::default()
    });
    let assignment = LoadAssignment { cluster: "a".into(), ..LoadAssignment::default() };
    for resource in [
        cluster("a"),
        cluster("b"),
        Resource::versioned_by_content(type_url::ENDPOINTS, "a", encode::load_assignment(&assignment).value),
        Resource::versioned_by_content(
            type_url::LISTENER,
            &*listener.name,
            encode::listener(&listener).value,
        ),
    ] {
        let url = resource.type_url.clone();
        assert_eq!(applier.update(&url, &[resource], &[]).refused, [] as [&str; 0]);
    }
    applier
}

fn dumped(applier: &Applier, query: &str) -> Value {
    let query = Query::read(query).unwrap();
    sections(applier, &Descriptors::open().unwrap(), &query).into_iter().map(Section::whole).collect()
}

#[test]
fn tools_find_what_they_look_for_where_envoy_has_it() {
    let dump = dumped(&applier(), "include_eds");
    let types: Vec<_> =
        dump.as_array().unwrap().iter().map(|config| config["@type"].as_str().unwrap()).collect();
    let admin = "type.googleapis.com/envoy.admin.v3.";
    assert_eq!(
        types,
        ["ClustersConfigDump", "EndpointsConfigDump", "ListenersConfigDump", "RoutesConfigDump"]
            .map(|name| format!("{admin}{name}"))
    );
    let first = &dump[0]["dynamic_active_clusters"][0];
    assert_eq!(first["cluster"]["@type"], type_url::CLUSTER);
    assert_eq!(first["cluster"]["name"], "a");
    assert_eq!(first["cluster"]["type"], "EDS");
    assert!(first["version_info"].is_string() && first["last_updated"].as_str().unwrap().ends_with('Z'));
    assert_eq!(dump[1]["dynamic_endpoint_configs"][0]["endpoint_config"]["cluster_name"], "a");
    let listener = &dump[2]["dynamic_listeners"][0];
    assert_eq!(listener["name"], "0.0.0.0_80");
    assert_eq!(listener["active_state"]["listener"]["address"]["socket_address"]["port_value"], 80);
    assert_eq!(listener["active_state"]["listener"]["traffic_direction"], "OUTBOUND");
    let manager = &listener["active_state"]["listener"]["filter_chains"][0]["filters"][0]["typed_config"];
    assert_eq!(manager["rds"]["route_config_name"], "80");
    assert!(manager["@type"].as_str().unwrap().ends_with("HttpConnectionManager"));
}

#[test]
fn endpoints_are_shown_when_asked_for_and_names_are_chosen_by_a_regex() {
    let applier = applier();
    let types = |query: &str| dumped(&applier, query).as_array().unwrap().len();
    assert_eq!((types(""), types("include_eds")), (3, 4));
    let dump = dumped(&applier, "name_regex=b");
    assert_eq!(dump[0]["dynamic_active_clusters"].as_array().unwrap().len(), 1);
    assert_eq!(dump[1]["dynamic_listeners"], json!([]));
}

#[test]
fn what_was_refused_stands_beside_what_is_in_force_until_it_is_mended() {
    let mut applier = applier();
    let bad = Resource::versioned_by_content(type_url::CLUSTER, "a", vec![0xff, 0xff]);
    assert_eq!(applier.update(type_url::CLUSTER, &[bad], &[]).refused.len(), 1);
    let entry = dumped(&applier, "name_regex=a")[0]["dynamic_active_clusters"][0].clone();
    assert_eq!(entry["cluster"]["name"], "a");
    assert_eq!(entry["client_status"], "NACKED");
    assert!(entry["error_state"]["details"].as_str().unwrap().contains("cluster"));
    assert_eq!(entry["error_state"]["failed_configuration"]["value"], "//8=");
    assert!(entry["error_state"]["last_update_attempt"].is_string());
    applier.update(type_url::CLUSTER, &[cluster("a")], &[]);
    let entry = dumped(&applier, "name_regex=a")[0]["dynamic_active_clusters"][0].clone();
    assert!(entry.get("error_state").is_none());
}

#[test]
fn one_field_alone_has_its_entries_with_their_type() {
    let applier = applier();
    let query = Query::read("resource=dynamic_active_clusters&name_regex=b&mask=cluster.name").unwrap();
    let clusters = sections(&applier, &Descriptors::open().unwrap(), &query).remove(0).alone();
    let entry = "type.googleapis.com/envoy.admin.v3.ClustersConfigDump.DynamicCluster";
    assert_eq!(
        query.masked(clusters),
        [json!({ "@type": entry, "cluster": { "@type": type_url::CLUSTER, "name": "b" } })]
    );
}

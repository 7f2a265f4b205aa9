use std::net::SocketAddr;
use std::sync::Arc;

use super::*;
use crate::cluster;
use crate::compile;
use crate::listener::{self, Direction, FilterChain, NetworkFilter, TcpProxy};

fn cluster_named(name: &str) -> Arc<cluster::Cluster> {
    Arc::new(cluster::Cluster::named(name))
}

trait Named {
    fn named(name: &str) -> Self;
}

impl Named for cluster::Cluster {
    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}

fn listener_at(name: &str, address: &str, names: &mut Names) -> Arc<Listener> {
    let mut settings = listener::Listener::new(name, address.parse().unwrap(), Direction::Outbound);
    let clusters = vec![("somewhere".to_owned(), 1)];
    let filters = vec![NetworkFilter::TcpProxy(TcpProxy { clusters, ..TcpProxy::default() })];
    settings.filter_chains = vec![FilterChain { filters, ..FilterChain::default() }];
    Arc::new(compile::listener(Arc::new(settings), names).unwrap().part)
}

#[test]
fn a_change_of_one_part_leaves_the_old_table_and_the_other_parts_alone() {
    let mut names = Names::default();
    let [a, b] = ["a", "b"].map(|name| names.cluster(name).id);
    let mut old = Table::default();
    for name in ["a", "b"] {
        let part = compile::cluster(cluster_named(name), None).unwrap().part;
        old.set_cluster(names.cluster(name).id, Some(Arc::new(part)));
    }
    let mut new = old.clone();
    new.set_cluster(b, None);
    assert!(Arc::ptr_eq(old.cluster(a).unwrap(), new.cluster(a).unwrap()));
    assert!(new.cluster(b).is_none());
    assert_eq!(old.cluster(b).unwrap().name(), "b");
    assert!(new.cluster_named("b").is_none());
}

#[test]
fn taking_away_what_never_was_changes_nothing() {
    let mut table = Table::default();
    table.set_cluster(ClusterId(9), None);
    table.set_routes(RouteId(9), None);
    table.set_listener("x", None);
    assert_eq!(table.clusters().count(), 0);
    assert!(table.cluster(ClusterId(9)).is_none());
}

#[test]
fn a_redirected_connection_finds_the_listener_of_its_address_then_of_its_port() {
    let mut names = Names::default();
    let mut table = Table::default();
    for (name, address) in [("vip", "10.0.0.1:80"), ("port", "0.0.0.0:80"), ("six", "[::]:81")] {
        table.set_listener(name, Some(listener_at(name, address, &mut names)));
    }
    let found = |table: &Table, address: &str| {
        let address: SocketAddr = address.parse().unwrap();
        table.listener_for(address).map(|listener| listener.settings.name.clone())
    };
    assert_eq!(found(&table, "10.0.0.1:80").as_deref(), Some("vip"));
    assert_eq!(found(&table, "[::ffff:10.0.0.1]:80").as_deref(), Some("vip"));
    assert_eq!(found(&table, "10.0.0.2:80").as_deref(), Some("port"));
    assert_eq!(found(&table, "10.0.0.2:81").as_deref(), Some("six"), "an IPv6 socket takes IPv4 too");
    assert_eq!(found(&table, "10.0.0.2:82"), None);
    table.set_listener("vip", None);
    assert_eq!(found(&table, "10.0.0.1:80").as_deref(), Some("port"));
}

#[test]
fn a_path_ends_before_its_query_and_its_fragment() {
    for (path, alone) in [("/a?b#c", "/a"), ("/a#c?b", "/a"), ("/a", "/a"), ("", ""), ("?x", "")] {
        assert_eq!(path_alone(path), alone);
    }
}

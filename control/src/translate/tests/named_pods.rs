//! Names of single pods, and Services that are another name of one.

use weft_model::endpoint::{Address, LoadAssignment};
use weft_model::node::Interception;
use weft_model::route::RouteConfiguration;

use crate::sample;
use crate::translate::{Configuration, translate};

const SHOP: &str = r"
apiVersion: v1
kind: Pod
metadata: {name: cart, namespace: shop, labels: {app: cart}}
spec: {containers: [{name: app, image: cart}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: None, selector: {app: db}, ports: [{name: http, port: 80, targetPort: 8000}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db-0, namespace: shop, labels: {app: db}}
spec: {hostname: db-0, subdomain: db, containers: [{name: app, image: db}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db-1, namespace: shop, labels: {app: db}}
spec: {hostname: db-1, subdomain: db, containers: [{name: app, image: db}]}
---
apiVersion: v1
kind: Service
metadata: {name: store, namespace: shop}
spec: {type: ExternalName, externalName: also.shop.svc.cluster.local}
---
apiVersion: v1
kind: Service
metadata: {name: also, namespace: shop}
spec: {type: ExternalName, externalName: DB.shop.svc.cluster.local.}
---
apiVersion: v1
kind: Service
metadata: {name: circle, namespace: shop}
spec: {type: ExternalName, externalName: circle.shop.svc.cluster.local}
---
apiVersion: v1
kind: Service
metadata: {name: bank, namespace: shop}
spec: {type: ExternalName, externalName: bank.example, ports: [{name: http, port: 80}, {name: tcp, port: 5432}, {name: any, port: 6000}]}
";

fn cart(interception: Interception) -> Configuration {
    let world = sample::world(SHOP);
    let mut node = sample::node(&world, "shop", "cart");
    node.metadata.interception = interception;
    node.metadata.dns_capture = true;
    translate(&world, &node)
}

fn domains<'c>(configuration: &'c Configuration, routes: &str, host: &str) -> &'c [String] {
    let of: &RouteConfiguration = configuration.routes.iter().find(|of| of.name == routes).unwrap();
    &of.virtual_hosts.iter().find(|of| of.name == host).unwrap().domains
}

fn has(domains: &[String], name: &str) -> bool {
    domains.iter().any(|domain| domain == name)
}

#[test]
fn through_the_http_proxy_a_pods_name_leads_to_that_pod() {
    let configuration = cart(Interception::None);
    let pod = domains(&configuration, "http_proxy", "db-0.db.shop.svc.cluster.local:80");
    for name in ["db-0.db", "db-0.db.shop", "db-0.db.shop.svc:80", "db-0.db.shop.svc.cluster.local"] {
        assert!(has(pod, name), "{name}: {pod:?}");
    }
    let at = |name: &str| {
        let of: &LoadAssignment = configuration.endpoints.iter().find(|of| of.cluster == name).unwrap();
        let endpoints = of.localities.iter().flat_map(|locality| &locality.endpoints);
        endpoints.map(|endpoint| endpoint.address.clone()).collect::<Vec<Address>>()
    };
    let all = at("outbound|80||db.shop.svc.cluster.local");
    let first = at("outbound|80||db-0.db.shop.svc.cluster.local");
    assert_eq!((all.len(), first.len()), (2, 1));
    assert!(all.contains(&first[0]));
    assert_ne!(first, at("outbound|80||db-1.db.shop.svc.cluster.local"));
    assert_eq!(configuration.verify(), Ok(()));
}

#[test]
fn with_interception_the_services_routes_take_its_pods_names_and_the_name_table_has_them() {
    let configuration = cart(Interception::Redirect);
    let service = domains(&configuration, "80", "db.shop.svc.cluster.local:80");
    for name in ["*.db", "*.db.shop", "*.db.shop.svc.cluster.local"] {
        assert!(has(service, name), "{name}: {service:?}");
    }
    let names = configuration.names.as_ref().unwrap();
    let pod = &names.hosts["db-1.db.shop.svc.cluster.local"];
    assert_eq!((pod.ips.len(), pod.short_name.as_str(), pod.namespace.as_str()), (1, "db-1.db", "shop"));
    let service = &names.hosts["db.shop.svc.cluster.local"];
    assert_eq!(service.ips.len(), 2);
    // An ExternalName that leads here is in it under its own name; one that leads outside is not this table's.
    let alias = &names.hosts["store.shop.svc.cluster.local"];
    assert_eq!(alias.ips, service.ips);
    assert_eq!((alias.short_name.as_str(), alias.namespace.as_str()), ("store", "shop"));
    assert!(!names.hosts.contains_key("bank.shop.svc.cluster.local"));
    assert_eq!(configuration.verify(), Ok(()));
}

#[test]
fn an_external_name_within_the_mesh_is_another_name_of_what_it_leads_to_and_one_outside_is_resolved() {
    for (interception, routes) in [(Interception::None, "http_proxy"), (Interception::Redirect, "80")] {
        let configuration = cart(interception);
        let service = domains(&configuration, routes, "db.shop.svc.cluster.local:80");
        for name in ["store", "store.shop.svc.cluster.local", "also.shop"] {
            assert!(has(service, name), "{name}: {service:?}");
        }
        let clusters: Vec<_> = configuration.clusters.iter().map(|cluster| cluster.name.as_str()).collect();
        assert!(clusters.contains(&"outbound|80||bank.shop.svc.cluster.local"), "{clusters:?}");
        assert!(!clusters.iter().any(|name| name.contains("store.shop")), "{clusters:?}");
    }
}

#[test]
fn an_external_name_takes_nobody_elses_bytes_at_its_ports() {
    let configuration = cart(Interception::Redirect);
    let at = |name: &str| configuration.listeners.iter().find(|listener| listener.name == name);
    assert!(at("0.0.0.0_5432").is_none());
    // What looks like HTTP has a host by which it is told apart; the rest goes where it was going.
    let rest = at("0.0.0.0_6000").and_then(|listener| listener.default_filter_chain.as_ref());
    let rest = format!("{rest:?}");
    assert!(!rest.contains("bank") && rest.contains("PassthroughCluster"), "{rest}");
}

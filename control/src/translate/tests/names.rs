//! What a proxy that answers its app's DNS is told, and that traffic to what it answers is carried.

use std::collections::BTreeMap;

use weft_model::node::Interception;

use crate::sample;
use crate::translate::{Configuration, translate};

const MESH: &str = r"
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1, 'fd00::1'], selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: data}
spec: {clusterIP: None, selector: {app: web}, ports: [{name: tcp, port: 5432}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: app, image: web}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: data, labels: {app: web}}
spec: {containers: [{name: app, image: web}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: sql, namespace: shop}
spec: {hosts: [sql.example, other.example], resolution: DNS, ports: [{number: 3306, name: tcp, protocol: TCP}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: wild, namespace: shop}
spec: {hosts: ['*.wild.example'], addresses: [192.0.2.1, 198.51.100.0/24], resolution: STATIC, endpoints: [{address: 192.0.2.9}], ports: [{number: 80, name: http, protocol: HTTP}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: api, namespace: shop}
spec: {hosts: [api.example], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]}
";

fn of(dns_capture: bool) -> Configuration {
    let world = sample::world(MESH);
    let mut node = sample::node(&world, "shop", "web");
    node.metadata.dns_capture = dns_capture;
    node.metadata.interception = Interception::Redirect;
    translate(&world, &node)
}

fn table() -> BTreeMap<String, Vec<String>> {
    let names = of(true).names.unwrap();
    let ips = |ips: &[std::net::IpAddr]| ips.iter().map(ToString::to_string).collect();
    names.hosts.iter().map(|(host, named)| (host.clone(), ips(&named.ips))).collect()
}

#[test]
fn the_table_has_every_host_that_has_addresses_or_is_given_one() {
    let table = table();
    assert_eq!(table["web.shop.svc.cluster.local"], ["10.96.0.1", "fd00::1"]);
    assert_eq!(table["db.data.svc.cluster.local"], ["127.64.2.1"]);
    assert_eq!(table["*.wild.example"], ["192.0.2.1"]);
    for host in ["sql.example", "other.example", "api.example"] {
        let [ip] = &table[host][..] else { panic!("{table:?}") };
        assert!(ip.starts_with("240.240."), "a proxy of IPv4 alone gets one address: {ip}");
    }
    assert_eq!(table.len(), 6);
}

#[test]
fn bytes_to_a_given_address_are_carried_to_the_host_that_it_was_given_to() {
    let (configuration, table) = (of(true), table());
    for host in ["sql.example", "other.example"] {
        let name = format!("{}_3306", table[host][0]);
        let listener = configuration.listeners.iter().find(|listener| listener.name == name).expect(&name);
        let text = format!("{listener:?}");
        assert!(text.contains(&format!("outbound|3306||{host}")), "{text}");
    }
    assert!(!configuration.listeners.iter().any(|listener| listener.name == "0.0.0.0_3306"));
}

#[test]
fn a_request_to_a_given_address_is_known_by_it() {
    let (configuration, table) = (of(true), table());
    let routes = configuration.routes.iter().find(|routes| routes.name == "80").unwrap();
    let host = routes.virtual_hosts.iter().find(|host| host.name == "api.example:80").unwrap();
    assert!(host.domains.contains(&table["api.example"][0]), "{:?}", host.domains);
}

#[test]
fn a_proxy_that_answers_no_dns_hears_of_no_names_and_of_no_given_addresses() {
    let configuration = of(false);
    assert!(configuration.names.is_none());
    assert!(configuration.listeners.iter().any(|listener| listener.name == "0.0.0.0_3306"));
    assert!(!format!("{configuration:?}").contains("240.240."));
}

//! What istiod made of the recorded mesh, compared in the model's terms.

use weft_model::route::HashKey;

use super::*;
use crate::resources::Resources;
use crate::translate::authorization::tests::captured::{mesh, recorded};
use crate::world::host;

/// The ports of every service.
fn ports(resources: &Resources) -> BTreeMap<String, Vec<u16>> {
    let entries = resources.service_entries.iter().flat_map(|entry| {
        let ports: Vec<u16> =
            entry.spec.ports.iter().map(|port| u16::try_from(port.number).unwrap()).collect();
        entry.spec.hosts.iter().map(move |host| (host.clone(), ports.clone()))
    });
    entries.collect()
}

/// The hash of a host by its rule; the recorded rules have neither ports nor subsets with one.
fn hash(resources: &Resources, host: &str) -> Vec<HashPolicy> {
    let rule = resources.destination_rules.iter();
    let mut rule = rule.filter(|rule| host::full(&rule.spec.host, &rule.meta.namespace) == host);
    let policy = rule.next().and_then(|rule| rule.spec.traffic_policy.as_ref());
    let Some(hash) = policy.and_then(|policy| policy.load_balancer.as_ref()?.consistent_hash.as_ref()) else {
        return Vec::new();
    };
    let key = match (&hash.http_header_name, &hash.http_cookie) {
        (Some(name), _) => HashKey::Header(name.clone()),
        (None, Some(cookie)) => HashKey::Cookie {
            name: cookie.name.clone(),
            ttl: cookie.ttl.map(|ttl| ttl.0),
            path: cookie.path.clone(),
            attributes: Vec::new(),
        },
        (None, None) => HashKey::SourceIp,
    };
    vec![HashPolicy { key, terminal: false }]
}

fn configurations(flavour: &str, node: &str) -> Vec<RouteConfiguration> {
    let bytes = recorded(flavour, node, "rds").into_iter();
    let read = |bytes: Vec<u8>| {
        let mut configuration = weft_wire::decode::route_configuration(&bytes).unwrap().0;
        crate::translate::tests::captured::without_second_executions(&mut configuration);
        configuration
    };
    bytes.map(read).collect()
}

/// What this proxy has for `host` at `port`.
fn expected(resources: &Resources, host: &str, gateways: &[&str], port: u16, tls: bool) -> Vec<Route> {
    let ports = ports(resources);
    let (none, mesh) = (BTreeMap::new(), MeshConfig::default());
    let context = Context {
        namespace: "selfmonitor",
        labels: &none,
        gateways,
        port,
        tls,
        ports_of: &|host| ports.get(host).cloned(),
        hash: &|host, _, _| hash(resources, host),
        mesh: &mesh,
    };
    let speaking = of_host(&resources.virtual_services, host, &context).into_iter();
    let routes = speaking.map(|speaker| http_routes(speaker, &context)).find(|routes| !routes.is_empty());
    routes.unwrap_or_else(|| vec![default_route(host, port, hash(resources, host), &mesh)])
}

#[test]
fn every_virtual_host_of_every_sidecar_has_the_routes_that_istiod_gave_it() {
    let resources = mesh();
    let mut compared = 0;
    for flavour in ["istio", "stock"] {
        for node in [
            "auth-service",
            "banking-connector",
            "fraud-detection",
            "nginx-gateway",
            "postgres",
            "predictive-analytics-v1",
            "predictive-analytics-v2",
            "transactions-service",
            "transactions-service-2",
            "user-profile-service",
        ] {
            for configuration in configurations(flavour, node) {
                for virtual_host in configuration.virtual_hosts {
                    let Some((host, port)) = virtual_host.name.rsplit_once(':') else { continue };
                    let expected = expected(&resources, host, &[MESH], port.parse().unwrap(), false);
                    assert_eq!(virtual_host.routes, expected, "{flavour} {node} {}", virtual_host.name);
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn every_virtual_host_of_the_gateway_has_the_routes_that_istiod_gave_it() {
    let resources = mesh();
    let gateways = ["selfmonitor/selfmonitor-gateway"];
    for flavour in ["istio", "stock"] {
        let configurations = configurations(flavour, "ingress");
        assert_eq!(configurations.len(), 3);
        for configuration in configurations {
            for virtual_host in configuration.virtual_hosts {
                let (host, port) = virtual_host.name.rsplit_once(':').unwrap();
                let tls = configuration.name.starts_with("https");
                let expected = expected(&resources, host, &gateways, port.parse().unwrap(), tls);
                assert_eq!(virtual_host.routes, expected, "{flavour} {}", virtual_host.name);
            }
        }
    }
}

#[test]
fn the_recorded_tcp_route_leads_where_istiod_led_it() {
    let resources = mesh();
    let (none, mesh) = (BTreeMap::new(), MeshConfig::default());
    let context = Context {
        namespace: "selfmonitor",
        labels: &none,
        gateways: &[MESH],
        port: 5432,
        tls: false,
        ports_of: &|_| Some(vec![5432]),
        hash: &|_, _, _| Vec::new(),
        mesh: &mesh,
    };
    let host = "postgres.selfmonitor.svc.cluster.local";
    let routes = tcp_routes(&of_host(&resources.virtual_services, host, &context), &context);
    assert_eq!(routes[0].clusters, [(format!("outbound|5432||{host}"), 1)]);
    assert!(routes[0].takes_everything());
    assert!(routes[0].config.ends_with("/virtual-service/postgres"));
}

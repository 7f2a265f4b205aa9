//! TCP and TLS routes.

use super::*;

fn tcp(routes: &str, proxy: &Proxy) -> Vec<ConnectionRoute> {
    let service = written(&format!("  tcp: {routes}"));
    proxy.with(|context| tcp_routes(&[&service], context))
}

fn tls(routes: &str) -> Vec<ConnectionRoute> {
    let service = written(&format!("  tls: {routes}"));
    sidecar().with(|context| tls_routes(&[&service], context))
}

fn to(route: &ConnectionRoute) -> Vec<(&str, u32)> {
    route.clusters.iter().map(|(name, weight)| (name.as_str(), *weight)).collect()
}

#[test]
fn a_tcp_route_without_match_takes_everything() {
    let routes = tcp(
        "[{route: [{destination: {host: a, port: {number: 5432}}}]}, {route: [{destination: {host: b}}]}]",
        &sidecar(),
    );
    let [only] = &routes[..] else { panic!("nothing comes behind it: {routes:?}") };
    assert!(only.takes_everything() && !only.weighted);
    assert_eq!(to(only), [("outbound|5432||a.foo.svc.cluster.local", 1)]);
    assert_eq!(only.config, "/apis/networking.istio.io/v1/namespaces/foo/virtual-service/v");
}

#[test]
fn tcp_conditions_on_the_proxy_are_decided_here() {
    let count = |condition: &str| {
        tcp(&format!("[{{match: [{condition}], route: [{{destination: {{host: a}}}}]}}]"), &sidecar()).len()
    };
    for (condition, expected) in [
        ("{port: 80}", 1),
        ("{port: 81}", 0),
        ("{sourceLabels: {app: client}}", 1),
        ("{sourceLabels: {app: other}}", 0),
        ("{sourceNamespace: bar}", 0),
        ("{gateways: [mesh]}", 1),
        ("{gateways: [gw]}", 0),
        ("{gateways: [mesh], sourceLabels: {app: other}}", 0),
    ] {
        assert_eq!(count(condition), expected, "{condition}");
    }
}

#[test]
fn subnets_narrow_a_tcp_route_and_leave_the_rest_to_others() {
    let routes = tcp(
        "[{match: [{destinationSubnets: [10.0.0.0/8, 192.0.2.1]}], route: [{destination: {host: a}}]}, {match: [{port: 80}], route: [{destination: {host: b}, weight: 1}, {destination: {host: c}, weight: 3}, {destination: {host: d}, weight: 0}]}]",
        &sidecar(),
    );
    assert_eq!(routes[0].subnets, ["10.0.0.0/8".parse().unwrap(), "192.0.2.1/32".parse().unwrap()]);
    assert!(!routes[0].takes_everything() && routes[1].takes_everything());
    assert!(routes[1].weighted);
    assert_eq!(
        to(&routes[1]),
        [("outbound|80||b.foo.svc.cluster.local", 1), ("outbound|80||c.foo.svc.cluster.local", 3)]
    );
}

#[test]
fn tls_goes_by_server_name_and_the_first_of_two_wins() {
    let routes = tls(
        "[{match: [{sniHosts: [A.example, '*.b.example']}, {sniHosts: [c.example], port: 81}], route: [{destination: {host: a}}]}, {match: [{sniHosts: [a.example, '*.b.example']}], route: [{destination: {host: b}}]}, {match: [{sniHosts: [c.example], sourceLabels: {app: client}}], route: [{destination: {host: c}}]}]",
    );
    assert_eq!(routes.len(), 2, "{routes:?}");
    assert_eq!(routes[0].server_names, ["a.example", "*.b.example"]);
    assert_eq!(to(&routes[0]), [("outbound|80||a.foo.svc.cluster.local", 1)]);
    assert_eq!(to(&routes[1]), [("outbound|80||c.foo.svc.cluster.local", 1)]);
}

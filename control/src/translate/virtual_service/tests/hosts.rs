//! Whose routes a host has.

use super::*;

fn of(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}, namespace: foo}}\nspec: {{{spec}, http: [{{route: [{{destination: {{host: {name}}}}}]}}]}}\n---\n"
    )
}

fn names(text: &str, host: &str, proxy: &Proxy) -> Vec<String> {
    let services = read(text);
    proxy.with(|context| of_host(&services, host, context).iter().map(|of| of.meta.name.clone()).collect())
}

#[test]
fn short_names_are_of_their_own_namespace() {
    let text = of("a", "hosts: [svc]");
    assert_eq!(names(&text, "svc.foo.svc.cluster.local", &sidecar()), ["a"]);
    assert!(names(&text, "svc.bar.svc.cluster.local", &sidecar()).is_empty());
}

#[test]
fn the_exact_name_comes_first_then_the_longest_suffix_then_the_oldest() {
    let text = [
        of("all", "hosts: ['*.local']"),
        of("long", "hosts: ['*.foo.svc.cluster.local']"),
        of("short", "hosts: ['*.cluster.local']"),
        of("old", "hosts: [svc]"),
        of("young", "hosts: [svc.foo.svc.cluster.local, other]"),
        of("else", "hosts: [other]"),
    ]
    .concat();
    assert_eq!(
        names(&text, "svc.foo.svc.cluster.local", &sidecar()),
        ["old", "young", "long", "short", "all"]
    );
}

#[test]
fn a_gateways_routes_are_not_for_sidecars_nor_the_other_way_round() {
    let text = [
        of("mesh", "hosts: [svc]"),
        of("gate", "hosts: [svc], gateways: [gw]"),
        of("both", "hosts: [svc], gateways: [mesh, foo/gw]"),
    ]
    .concat();
    let host = "svc.foo.svc.cluster.local";
    assert_eq!(names(&text, host, &sidecar()), ["mesh", "both"]);
    assert_eq!(names(&text, host, &Proxy { gateways: vec!["foo/gw"], ..sidecar() }), ["gate", "both"]);
}

#[test]
fn a_host_without_a_service_is_at_port_80_or_at_the_ports_of_the_services_beside_it() {
    let text = [
        of("old", "hosts: [front.example]"),
        of("young", "hosts: [front.example, '*.front.example']"),
        of("beside", "hosts: [svc, svc.example]"),
        of("short", "hosts: [nothing]"),
        of("gate", "hosts: [gate.example], gateways: [gw]"),
        of("known", "hosts: ['*.svc.cluster.local']"),
    ]
    .concat();
    let services = read(&text);
    let at = |port: u16| -> Vec<(String, String)> {
        let known = ["svc.foo.svc.cluster.local"];
        let proxy = Proxy { port, ..sidecar() };
        let found = proxy.with(|context| without_service(&services, &known, context));
        let config = |routes: &[Route]| routes[0].config.rsplit_once('/').unwrap().1.to_owned();
        found.into_iter().map(|(host, routes)| (host, config(&routes))).collect()
    };
    let of = |host: &str, name: &str| (host.to_owned(), name.to_owned());
    assert_eq!(
        at(80),
        [
            of("front.example", "old"),
            of("*.front.example", "young"),
            of("svc.example", "beside"),
            of("nothing.foo.svc.cluster.local", "short"),
        ]
    );
    assert_eq!(at(9000), [of("svc.example", "beside")]);
    assert_eq!(at(81), []);
}

#[test]
fn destinations_are_told_with_their_places() {
    let service = written(
        "  http: [{route: [{destination: {host: a}}, {destination: {host: b}, weight: 1}], mirror: {host: c}}, {mirrors: [{destination: {host: d}}], route: [{destination: {host: e.example}}]}]\n  tcp: [{route: [{destination: {host: f}}]}]\n  tls: [{match: [{sniHosts: [x]}], route: [{destination: {host: g}}]}]",
    );
    let told: Vec<(String, String)> =
        destinations(&service).into_iter().map(|(at, host, _)| (at, host)).collect();
    let places: Vec<&str> = told.iter().map(|(at, _)| at.as_str()).collect();
    assert_eq!(
        places,
        [
            "spec.http[0].route[0].destination",
            "spec.http[0].route[1].destination",
            "spec.http[0].mirror",
            "spec.http[1].route[0].destination",
            "spec.http[1].mirrors[0].destination",
            "spec.tcp[0].route[0].destination",
            "spec.tls[0].route[0].destination",
        ]
    );
    assert_eq!(told[0].1, "a.foo.svc.cluster.local");
    assert_eq!(told[3].1, "e.example");
}

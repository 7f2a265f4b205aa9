//! What authors are told.

use super::*;

fn told(text: &str) -> Vec<String> {
    check(&read(text), &MeshConfig::default()).iter().map(ToString::to_string).collect()
}

fn of(name: &str, namespace: &str, spec: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{{spec}, http: [{{route: [{{destination: {{host: a}}}}]}}]}}\n---\n"
    )
}

#[test]
fn the_younger_of_two_is_told_who_has_its_host() {
    let text = of("old", "foo", "hosts: [svc]") + &of("young", "foo", "hosts: [svc.foo.svc.cluster.local]");
    assert_eq!(
        told(&text),
        [
            "t.yaml:6:1: warning: spec.hosts[0]: svc.foo.svc.cluster.local has another VirtualService that comes first, foo/old (t.yaml:1; by creationTimestamp, then by file): where both have routes, these are not used; put the routes into one VirtualService [VirtualService foo/young]"
        ]
    );
}

#[test]
fn those_that_nobody_sees_together_and_those_of_gateways_do_not_contend() {
    for (a, b) in [
        ("hosts: [x.example], exportTo: [.]", "hosts: [x.example], exportTo: [.]"),
        ("hosts: [x.example], gateways: [gw]", "hosts: [x.example], gateways: [gw]"),
        ("hosts: [svc]", "hosts: [svc]"),
    ] {
        assert!(told(&(of("a", "foo", a) + &of("b", "bar", b))).is_empty(), "{a} {b}");
    }
    let seen = of("a", "foo", "hosts: [x.example], exportTo: [., bar]")
        + &of("b", "bar", "hosts: [x.example], exportTo: [.]");
    assert_eq!(told(&seen).len(), 1);
}

#[test]
fn a_fault_without_a_percentage_harms_nobody() {
    let text = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v, namespace: foo}\nspec: {hosts: [svc], http: [{fault: {delay: {fixedDelay: 1s}, abort: {httpStatus: 500}}, route: [{destination: {host: a}}]}]}\n";
    let told = told(text);
    assert!(
        told[0].contains("spec.http[0].fault.delay: without a percentage no request is delayed"),
        "{told:?}"
    );
    assert!(
        told[1].contains("spec.http[0].fault.abort: without a percentage no request is aborted"),
        "{told:?}"
    );
}

//! Words that nobody understands and a cluster takes in silence: annotations of a sidecar, protocols, names of ports.

use super::*;

fn pod(metadata: &str, container: &str) -> Vec<String> {
    said(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  {metadata}\nspec: {{containers: [{{name: c{container}}}]}}\n"
    ))
}

fn annotated(annotation: &str) -> Vec<String> {
    let said = pod(&format!("annotations: {{{annotation}}}"), "");
    said.into_iter().map(|line| line.trim_end_matches(" [Pod default/a]").to_owned()).collect()
}

#[test]
fn a_wish_for_a_sidecar_that_is_neither_true_nor_false_is_told_of_label_and_annotation() {
    for list in ["labels", "annotations"] {
        let told = pod(&format!("{list}: {{sidecar.istio.io/inject: \"flase\"}}"), "");
        assert_eq!(
            told,
            [format!(
                "t.yaml:5:{}: warning: metadata.{list}[\"sidecar.istio.io/inject\"]: \"flase\" is neither true nor false: whether the pod has a sidecar is for its namespace to say; did you mean false? [Pod default/a]",
                list.len() + 6
            )]
        );
    }
    for known in ["true", "False", "yes", "off"] {
        assert_eq!(annotated(&format!("sidecar.istio.io/inject: '{known}'")), [""; 0], "{known}");
    }
    let template = said(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b, sidecar.istio.io/inject: ture}}, spec: {containers: [{name: c}]}}}\n",
    );
    assert!(template.len() == 1 && template[0].contains("did you mean true?"), "{template:?}");
}

#[test]
fn an_annotation_that_is_nearly_one_of_istios_is_told() {
    for (written, meant) in [
        ("traffic.sidecar.istio.io/excludeOutboundPort", "traffic.sidecar.istio.io/excludeOutboundPorts"),
        ("sidecar.istio.io/excludeInboundPorts", "traffic.sidecar.istio.io/excludeInboundPorts"),
        ("sidecar.istio.io/proxyCpu", "sidecar.istio.io/proxyCPU"),
    ] {
        let told = annotated(&format!("{written}: '1'"));
        let hint = format!("Istio has no such annotation: it does nothing; did you mean {meant}?");
        assert!(told.len() == 1 && told[0].ends_with(&hint), "{told:?}");
    }
    for other in ["sidecar.istio.io/proxyCPU", "sidecar.istio.io/somethingElse", "example.com/injekt"] {
        assert_eq!(annotated(&format!("{other}: '1'")), [""; 0], "{other}");
    }
}

#[test]
fn an_annotation_that_is_none_of_wefts_is_told_wherever_it_stands() {
    for (kind, spec) in [
        ("Service", "{ports: [{port: 80}]}"),
        ("VirtualService", "{hosts: [a], http: [{route: [{destination: {host: a}}]}]}"),
        ("Pod", "{containers: [{name: c}]}"),
    ] {
        let version = if kind == "VirtualService" { "networking.istio.io/v1" } else { "v1" };
        let told = |name: &str| {
            said(&format!(
                "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a, annotations: {{{name}: '1'}}}}\nspec: {spec}\n"
            ))
        };
        for (written, hint) in [
            ("weft.dev/healthcheck", "did you mean weft.dev/health-check?"),
            ("weft.dev/local-rate-limits", "did you mean weft.dev/local-rate-limit?"),
            (
                "weft.dev/whatever",
                "its own are weft.dev/sticky, weft.dev/local-rate-limit and weft.dev/health-check",
            ),
        ] {
            let (told, end) = (
                told(written),
                format!("weft has no such annotation: it does nothing; {hint} [{kind} default/a]"),
            );
            assert!(told.len() == 1 && told[0].contains("warning: ") && told[0].ends_with(&end), "{told:?}");
        }
        assert_eq!(told("weft.dev/localhost"), [""; 0], "{kind}");
    }
}

#[test]
fn what_a_pods_annotations_say_of_its_traffic_is_looked_at_when_it_is_read() {
    let of = |name: &str, value: &str| annotated(&format!("traffic.sidecar.istio.io/{name}: \"{value}\""));
    let path = |name: &str| {
        format!("t.yaml:5:17: error: metadata.annotations[\"traffic.sidecar.istio.io/{name}\"]: ")
    };
    for (name, value, why) in [
        (
            "includeOutboundIPRanges",
            "10.0.0.0/99",
            "\"10.0.0.0/99\" is not a network such as 10.0.0.0/8; `*` alone stands for all",
        ),
        ("excludeOutboundIPRanges", "10.0.0.0/8,*", "\"*\" is not a network such as 10.0.0.0/8"),
        ("excludeInboundPorts", "22, abc", "\"abc\" is not a port, 1 to 65535"),
        ("excludeOutboundPorts", "0", "\"0\" is not a port, 1 to 65535"),
        ("includeInboundPorts", "65536", "\"65536\" is not a port, 1 to 65535; `*` alone stands for all"),
    ] {
        assert_eq!(of(name, value), [format!("{}{why}", path(name))]);
    }
    for (name, value) in [
        ("includeOutboundIPRanges", "*"),
        ("includeOutboundIPRanges", "10.0.0.0/8, fd00::/8,10.1.2.3"),
        ("includeInboundPorts", "*"),
        ("includeInboundPorts", ""),
        ("excludeOutboundPorts", "22,23"),
        ("excludeInterfaces", "eth1"),
    ] {
        assert_eq!(of(name, value), [""; 0], "{name}: {value}");
    }
}

#[test]
fn a_protocol_that_is_nearly_a_known_one_is_told() {
    let of = |spoken: &str| {
        said(&format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: s, namespace: ns}}\nspec: {{ports: [{{port: 80, appProtocol: {spoken}}}]}}\n"
        ))
    };
    assert_eq!(
        of("htpp"),
        [
            "t.yaml:4:27: warning: spec.ports[0].appProtocol: unknown protocol \"htpp\": what is spoken there is found out by sniffing; did you mean http? [Service ns/s]"
        ]
    );
    for known in ["http", "HTTP2", "kubernetes.io/h2c", "mongo", "example.com/custom", "amqp"] {
        assert_eq!(of(known), [""; 0], "{known}");
    }
}

#[test]
fn a_probe_of_a_port_that_its_container_has_not_is_told() {
    let of =
        |probe: &str| pod("labels: {}", &format!(", ports: [{{name: http, containerPort: 80}}], {probe}"));
    let told = of("readinessProbe: {httpGet: {port: htpp}}");
    assert!(
        told.len() == 1
            && told[0].contains("warning: spec.containers[0].readinessProbe.httpGet.port: the container has no port named htpp: a cluster never gets an answer; did you mean http?"),
        "{told:?}"
    );
    assert_eq!(of("livenessProbe: {tcpSocket: {port: other}}").len(), 1);
    for good in ["livenessProbe: {httpGet: {port: http}}", "startupProbe: {tcpSocket: {port: 9000}}"] {
        assert_eq!(of(good), [""; 0], "{good}");
    }
}

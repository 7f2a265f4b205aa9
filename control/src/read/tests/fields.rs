//! Fields that do not exist, do not exist there, or are of another type.

use super::*;

const ISTIO: &str = "networking.istio.io/v1";

#[test]
fn an_unknown_field_is_told_with_its_path_and_the_nearest_known_one() {
    assert_eq!(
        said_of(
            ISTIO,
            "VirtualService",
            "spec:\n  hosts: [a]\n  http:\n  - route:\n    - destination: {host: a}\n    - destination:\n        hostt: b\n        host: b\n      weight: 5\n"
        ),
        [
            "t.yaml:8:7: warning: spec.http[0].route[0]: without a weight this destination gets nothing",
            "t.yaml:10:9: error: spec.http[0].route[1].destination.hostt: unknown field `hostt`; did you mean `host`?",
        ]
    );
}

#[test]
fn a_field_indented_too_far_is_told_where_it_belongs() {
    let said = said_of(
        ISTIO,
        "VirtualService",
        "spec:\n  hosts: [a]\n  http:\n  - route:\n    - destination:\n        host: a\n        timeout: 5s\n",
    );
    assert_eq!(
        said,
        [
            "t.yaml:10:9: error: spec.http[0].route[0].destination.timeout: unknown field `timeout`; `timeout` is a field of spec.http[0]: is it indented too far?"
        ]
    );
}

#[test]
fn a_port_s_name_is_not_taken_for_a_route_s() {
    let spec = "spec: {hosts: [a], http: [{name: r, route: [{destination: {host: a, port: {number: 80, name: http}}}]}]}\n";
    assert_eq!(
        said_of(ISTIO, "VirtualService", spec),
        [
            "t.yaml:4:88: error: spec.http[0].route[0].destination.port.name: unknown field `name`; a port is named by its number here: {number: 80}"
        ]
    );
}

#[test]
fn snake_case_is_told_how_it_is_written() {
    let said = said_of(ISTIO, "DestinationRule", "spec: {host: a, traffic_policy: {}}\n");
    assert!(said[0].ends_with("unknown field `traffic_policy`; did you mean `trafficPolicy`?"), "{said:?}");
}

#[test]
fn the_old_spellings_that_istio_serves_are_known() {
    let said = said_of(
        "security.istio.io/v1",
        "RequestAuthentication",
        "spec: {jwtRules: [{issuer: a, jwks_uri: 'https://a/b'}]}\n",
    );
    assert!(said.iter().all(|line| !line.contains("unknown")), "{said:?}");
}

#[test]
fn a_field_in_the_wrong_place_has_what_is_known_there() {
    let said = said_of("security.istio.io/v1", "PeerAuthentication", "spec: {mtls: {zzz: 1}}\n");
    assert_eq!(said, ["t.yaml:4:15: error: spec.mtls.zzz: unknown field `zzz`; known here: mode"]);
}

#[test]
fn kubernetes_may_have_newer_fields_but_no_slips() {
    let deployment = |field: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: x, namespace: ns}}\nspec:\n  selector: {{matchLabels: {{a: b}}}}\n  template:\n    metadata: {{labels: {{a: b}}}}\n    spec:\n      {field}: 1\n      containers: [{{name: c}}]\n"
        )
    };
    let new = said(&deployment("quantumEntanglementPolicy"));
    assert_eq!(
        new,
        [
            "t.yaml:9:7: warning: spec.template.spec.quantumEntanglementPolicy: unknown field `quantumEntanglementPolicy` [Deployment ns/x]"
        ]
    );
    let slip = said(&deployment("nodeSelectr"));
    assert_eq!(
        slip,
        [
            "t.yaml:9:7: error: spec.template.spec.nodeSelectr: unknown field `nodeSelectr`; did you mean `nodeSelector`? [Deployment ns/x]"
        ]
    );
}

/// apiVersion, kind, spec, and the one error that comes of it.
const MISFITS: &[(&str, &str, &str, &str)] = &[
    (
        ISTIO,
        "ServiceEntry",
        "spec: {hosts: a, ports: [{number: 80, name: a}]}",
        "spec.hosts: expected a list, found the string \"a\"; write it as a list: [a]",
    ),
    (
        ISTIO,
        "ServiceEntry",
        "spec: {hosts: [a], ports: [{number: \"80\", name: a}]}",
        "spec.ports[0].number: expected a number, found the string \"80\"; write it without quotes: 80",
    ),
    (
        ISTIO,
        "ServiceEntry",
        "spec: {hosts: [a], ports: [{number: -1, name: a}]}",
        "spec.ports[0].number: expected a number from 0 to 4294967295, found the number -1",
    ),
    (
        ISTIO,
        "ServiceEntry",
        "spec: {hosts: [a], ports: [{number: 80.5, name: a}]}",
        "spec.ports[0].number: expected a number from 0 to 4294967295, found the number 80.5",
    ),
    (
        ISTIO,
        "ServiceEntry",
        "spec: {hosts: [1.10], ports: [{number: 80, name: a}]}",
        "spec.hosts[0]: expected a string, found the number 1.10; quote it: \"1.10\"",
    ),
    (
        ISTIO,
        "ServiceEntry",
        "spec: {hosts: [no], ports: [{number: 80, name: a}]}",
        "spec.hosts[0]: expected a string, found the boolean no; quote it: \"no\"",
    ),
    (
        ISTIO,
        "ServiceEntry",
        "spec: {hosts: [], ports: {number: 80}}",
        "spec.ports: expected a list, found a mapping",
    ),
    (ISTIO, "ServiceEntry", "spec: [a]", "spec: expected a mapping, found a list"),
    (
        ISTIO,
        "ServiceEntry",
        "spec: {hosts: [a], ports: [null]}",
        "spec.ports[0]: expected a mapping, found nothing",
    ),
    (
        ISTIO,
        "DestinationRule",
        "spec: {host: a, trafficPolicy: {tls: {mode: ISTIO_MUTAL}}}",
        "spec.trafficPolicy.tls.mode: \"ISTIO_MUTAL\" is not one of DISABLE, SIMPLE, MUTUAL, ISTIO_MUTUAL; did you mean ISTIO_MUTUAL?",
    ),
    (
        ISTIO,
        "DestinationRule",
        "spec: {host: a, trafficPolicy: {tls: {mode: 3}}}",
        "spec.trafficPolicy.tls.mode: expected one of DISABLE, SIMPLE, MUTUAL, ISTIO_MUTUAL, found the number 3",
    ),
    (
        ISTIO,
        "VirtualService",
        "spec: {hosts: [a], http: [{timeout: 5, route: [{destination: {host: a}}]}]}",
        "spec.http[0].timeout: expected a duration such as 1.5s or 100ms, found the number 5",
    ),
    (
        ISTIO,
        "VirtualService",
        "spec: {hosts: [a], http: [{timeout: 5 sec, route: [{destination: {host: a}}]}]}",
        "spec.http[0].timeout: \"5 sec\" is not a duration such as 1.5s, 100ms or 1h30m",
    ),
    (
        ISTIO,
        "VirtualService",
        "spec: {hosts: [a], http: [{timeout: -5s, route: [{destination: {host: a}}]}]}",
        "spec.http[0].timeout: the duration \"-5s\" is negative",
    ),
    (
        ISTIO,
        "VirtualService",
        "spec: {hosts: [a], http: [{match: [{uri: {exact: a, prefix: b}}], route: [{destination: {host: a}}]}]}",
        "spec.http[0].match[0].uri: only one of exact, prefix and regex can be set",
    ),
    (
        "security.istio.io/v1",
        "PeerAuthentication",
        "spec: {selector: {matchLabels: {a: b}}, portLevelMtls: {http: {mode: STRICT}}}",
        "spec.portLevelMtls.http: expected a number as the key, found \"http\"",
    ),
    (
        "security.istio.io/v1",
        "RequestAuthentication",
        "spec: {jwtRules: [{issuer: a, forwardOriginalToken: \"true\"}]}",
        "spec.jwtRules[0].forwardOriginalToken: expected true or false, found the string \"true\"; write it without quotes: true",
    ),
];

#[test]
fn a_wrong_type_is_told_with_both_types() {
    for (api, kind, spec, expected) in MISFITS {
        let said = said_of(api, kind, &format!("{spec}\n"));
        let errors: Vec<&String> = said.iter().filter(|line| line.contains(": error: ")).collect();
        assert!(errors.iter().any(|line| line.ends_with(expected)), "{spec}: {errors:#?}");
        assert_eq!(errors.len(), 1, "{spec}: {errors:#?}");
    }
}

#[test]
fn one_reading_names_all_misfits_of_a_document() {
    let said = said_of(
        ISTIO,
        "DestinationRule",
        "spec:\n  host: 1\n  trafficPolicy:\n    loadBalancer: {simple: ROBIN}\n    connectionPool: {tcp: {idleTimeout: many, conectTimeout: 1s}}\n  subsets: v1\n",
    );
    let places: Vec<&str> = said.iter().filter_map(|line| line.split(": ").nth(2)).collect();
    assert_eq!(
        places,
        [
            "spec.host",
            "spec.trafficPolicy.loadBalancer.simple",
            "spec.trafficPolicy.connectionPool.tcp.idleTimeout",
            "spec.trafficPolicy.connectionPool.tcp.conectTimeout",
            "spec.subsets",
        ]
    );
}

#[test]
fn a_kubernetes_value_that_does_not_fit_is_told_too() {
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: x, labels: {version: 1.0}}\nspec:\n  ports: [{port: http, targetPort: [1]}]\n";
    assert_eq!(
        said(service),
        [
            "t.yaml:3:39: error: metadata.labels.version: expected a string, found the number 1.0; quote it: \"1.0\" [Service default/x]",
            "t.yaml:5:18: error: spec.ports[0].port: expected a number, found the string \"http\" [Service default/x]",
            "t.yaml:5:36: error: spec.ports[0].targetPort: expected a number or a name, found a list [Service default/x]",
        ]
    );
}

#[test]
fn a_field_without_a_value_is_not_there() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: x, creationTimestamp: null, labels: }\nspec:\n  containers:\n  - name: c\n    resources: {}\n    env:\nstatus: {}\n";
    assert_eq!(said(text), Vec::<String>::new());
}

#[test]
fn mesh_settings_are_read_by_the_rules_of_protobuf() {
    let text = "trust_domain: td\nproxyHttpPort: \"15007\"\noutboundTrafficPolicy: {mode: REGISTRY_ONLY}\ndefaultConfig: {proxyMetadata: {A: b}, terminationDrainDuration: 20s}\nbrandNewThing: 1\n";
    let reading = read_str("t.yaml", text);
    let lines: Vec<String> = reading.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        ["t.yaml:5:1: warning: brandNewThing: unknown field `brandNewThing` [MeshConfig istio-system/istio]"]
    );
    let mesh = reading.resources.mesh.unwrap().spec;
    assert_eq!((mesh.trust_domain.as_str(), mesh.proxy_http_port), ("td", 15007));
    assert_eq!(
        mesh.outbound_traffic_policy.unwrap().mode,
        crate::resources::mesh_config::OutboundMode::RegistryOnly
    );
}

#[test]
fn a_key_that_yaml_takes_for_a_boolean_is_told_and_so_is_how_to_keep_it() {
    let spec = "spec: {hosts: [a], http: [{match: [{queryParams: {n: {exact: x}, true: {exact: x}, 'y': {exact: x}}}], route: [{destination: {host: a}}]}]}";
    let said = said_of("networking.istio.io/v1", "VirtualService", &format!("{spec}\n"));
    let keys: Vec<&String> = said.iter().filter(|line| line.contains("boolean")).collect();
    let [line] = keys[..] else { panic!("{said:#?}") };
    assert!(
        line.ends_with(
            "warning: spec.http[0].match[0].queryParams.false: the key `n` is read as the boolean false; quote it: \"n\""
        ),
        "{line}"
    );
}

//! What is known and not honoured.

use super::*;
use crate::read::emptied::EMPTIED;
use crate::read::not_honoured::{NOT_HONOURED, PROXY_SETTINGS};

#[test]
fn each_use_of_a_field_that_is_not_honoured_is_told() {
    let spec = "spec:\n  hosts: [a]\n  http:\n  - match: [{uri: {prefix: /a}, statPrefix: s}]\n    route: [{destination: {host: a}}]\n  tcp:\n  - match: [{sourceSubnet: 10.0.0.0/8}]\n    route: [{destination: {host: b}}]\n";
    assert_eq!(
        said_of("networking.istio.io/v1", "VirtualService", spec),
        [
            "t.yaml:7:33: warning: spec.http[0].match[0].statPrefix: weft does not honour this yet; no statistics are kept by this name",
            "t.yaml:10:14: warning: spec.tcp[0].match[0].sourceSubnet: weft does not honour this yet; the caller's address is not looked at",
        ]
    );
}

#[test]
fn a_field_that_asks_for_nothing_is_left_in_peace() {
    assert_eq!(
        said("trustDomain: a\ndefaultConfig: {tracing: {}, extraStatTags: [], zipkinAddress: ''}\n"),
        Vec::<String>::new()
    );
}

#[test]
fn snake_case_is_no_way_around_the_table() {
    let said = said("trust_domain: a\ndiscovery_selectors: [{match_labels: {a: b}}]\n");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with("t.yaml:2:1: warning: discovery_selectors: weft does not honour this yet"),
        "{said:?}"
    );
}

#[test]
fn some_are_not_honoured_for_one_value_only() {
    let service = |affinity: &str| {
        said(&format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: a}}\nspec: {{sessionAffinity: {affinity}, ports: [{{port: 80}}]}}\n"
        ))
    };
    assert_eq!(service("None"), Vec::<String>::new());
    assert_eq!(service("ClientIP").len(), 1);
}

#[test]
fn annotations_are_told_by_their_name() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations:\n    proxy.istio.io/overrides: \"{}\"\n    traffic.sidecar.istio.io/excludeInboundPorts: \"22\"\n    example.com/x: z\nspec: {containers: [{name: c}]}\n";
    assert_eq!(
        said(text),
        [
            "t.yaml:6:5: warning: metadata.annotations[\"proxy.istio.io/overrides\"]: weft does not honour this yet; the proxy runs with its own defaults [Pod default/a]"
        ]
    );
}

/// A pod with these annotations, the first of which is line 6.
fn annotated(annotations: &str) -> Vec<String> {
    let said = said(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations:\n{annotations}spec: {{containers: [{{name: c}}]}}\n"
    ));
    said.into_iter().map(|line| line.trim_end_matches(" [Pod default/a]").to_owned()).collect()
}

#[test]
fn a_pods_own_proxy_settings_are_read_as_the_meshs_are() {
    let good = "    proxy.istio.io/config: |\n      concurrency: 2\n      holdApplicationUntilProxyStarts: true\n      proxyMetadata: {A: b}\n      terminationDrainDuration: 20s\n      interceptionMode: TPROXY\n      statusPort: 15020\n";
    assert_eq!(annotated(good), Vec::<String>::new());
    let not_honoured =
        "    proxy.istio.io/config: |\n      tracing: {sampling: 5}\n      statusPort: 15999\n";
    assert_eq!(
        annotated(not_honoured),
        [
            "t.yaml:6:5: warning: metadata.annotations[\"proxy.istio.io/config\"].tracing: weft does not honour this yet; no traces are sent",
            "t.yaml:6:5: warning: metadata.annotations[\"proxy.istio.io/config\"].statusPort: weft does not honour this yet; probes and /quitquitquit are on port 15020",
        ]
    );
}

#[test]
fn a_slip_in_a_pods_proxy_settings_is_an_error_of_the_pod() {
    let slips = |text: &str| annotated(&format!("    proxy.istio.io/config: '{text}'\n"));
    for (text, expected) in [
        ("concurency: 2", "unknown field `concurency`; did you mean `concurrency`?"),
        ("concurrency: -1", "negative"),
        ("terminationDrainDuration: 5", "duration"),
        ("[a", "no YAML"),
        ("a: b\n---\nc: d", "one YAML document"),
    ] {
        let said = slips(&text.replace('\n', "\n\n      "));
        assert!(
            said.iter().any(|line| line.contains("error") && line.contains(expected)),
            "{text}: {said:#?}"
        );
    }
    let mode = annotated("    sidecar.istio.io/interceptionMode: tproxy\n");
    assert!(mode.len() == 1 && mode[0].contains("none of REDIRECT, TPROXY and NONE"), "{mode:?}");
}

#[test]
fn a_pods_own_settings_stand_over_the_meshs() {
    let settings = |text: &str| crate::read::proxy_settings(text).unwrap();
    let mesh = settings(
        "{concurrency: 1, meshId: a, proxyMetadata: {A: mesh, B: mesh}, interceptionMode: REDIRECT}",
    );
    let pod = settings("{concurrency: 0, proxyMetadata: {B: pod}, interceptionMode: TPROXY}");
    let both =
        settings("{concurrency: 0, meshId: a, proxyMetadata: {A: mesh, B: pod}, interceptionMode: TPROXY}");
    assert_eq!(mesh.overlaid(&pod), both);
    assert_eq!(mesh.overlaid(&settings("")), mesh);
}

#[test]
fn delegation_is_refused() {
    let said = said_of(
        "networking.istio.io/v1",
        "VirtualService",
        "spec: {hosts: [a], http: [{delegate: {name: b}}]}\n",
    );
    assert_eq!(
        said,
        [
            "t.yaml:4:28: error: spec.http[0].delegate: weft refuses delegation: no route would come of it; write the delegate's routes here, each with this route's match"
        ]
    );
}

/// A document of `kind` with `value` at `place`, and all lists and mappings on the way.
fn document(kind: &str, place: &str, value: &str) -> String {
    let body = around(place, value);
    let api = [
        "networking.istio.io/v1",
        "networking.istio.io/v1beta1",
        "security.istio.io/v1",
        "telemetry.istio.io/v1",
        "apps/v1",
        "v1",
        "install.istio.io/v1alpha1",
    ]
    .into_iter()
    .find(|api| {
        let (group, version) = api.split_once('/').unwrap_or(("", api));
        matches!(crate::read::kind::find(group, version, kind), crate::read::kind::Found::Known(_))
    });
    match api {
        None => format!("{{trustDomain: a, {}}}", &body[1..body.len() - 1]),
        Some(_) if place.starts_with("metadata") => {
            let annotations = body.trim_start_matches("{\"metadata\": {").trim_end_matches('}');
            format!(
                "{{apiVersion: {}, kind: {kind}, metadata: {{name: a, {annotations}}}}}}}}}",
                api.unwrap()
            )
        }
        Some(api) => format!(
            "{{apiVersion: {api}, kind: {kind}, metadata: {{name: a}}, {}}}",
            &body[1..body.len() - 1]
        ),
    }
}

fn around(place: &str, value: &str) -> String {
    if place.is_empty() {
        return value.to_owned();
    }
    if let Some(rest) = place.strip_prefix("[]") {
        return format!("[{}]", around(rest, value));
    }
    let (key, rest) = match place.strip_prefix('{') {
        Some(place) => place.split_once('}').unwrap(),
        None => {
            let place = place.strip_prefix('.').unwrap_or(place);
            place.split_at(place.find(['.', '[', '{']).unwrap_or(place.len()))
        }
    };
    format!("{{\"{}\": {}}}", key.replace('*', "x"), around(rest, value))
}

#[test]
fn every_line_of_the_table_names_a_field_that_exists() {
    for (kind, place, _) in NOT_HONOURED {
        let (field, value) = place.split_once('=').unwrap_or((place, "{a: b}"));
        let value = if value.starts_with('!') { "{a: b}" } else { value };
        let text = match *kind {
            PROXY_SETTINGS => document("MeshConfig", &format!("defaultConfig.{field}"), value),
            kind => document(kind, field, &value.replace('*', "x")),
        };
        let said = said(&text);
        assert!(
            said.iter().any(|line| line.contains("weft does not honour this yet")),
            "{kind} {place}: {text}\n{said:#?}"
        );
        let own = said.iter().filter(|line| line.contains("unknown field"));
        // What is below the field is made up here; the field itself is not.
        let own: Vec<_> = own.filter(|line| !line.contains("unknown field `a`")).collect();
        assert!(own.is_empty(), "{kind} {place}: {own:#?}");
    }
    for (kind, place, consequence) in EMPTIED {
        let text = document(
            kind,
            &place.replace("{*}", ".principals").replace("operation.principals", "operation.paths"),
            "",
        );
        let said = said(&text);
        assert!(said.iter().any(|line| line.contains(consequence)), "{kind} {place}: {text}\n{said:#?}");
        assert!(!said.iter().any(|line| line.contains("unknown field")), "{kind} {place}: {said:#?}");
    }
}

#[test]
fn a_log_of_nested_objects_is_told_that_they_become_strings() {
    let labels = "labels: {path: '%REQ(:PATH)%', of: {status: '%RESPONSE_CODE%'}}";
    let said = said(&format!(
        "extensionProviders:\n- name: json\n  envoyFileAccessLog: {{path: /dev/stdout, logFormat: {{{labels}}}}}\n"
    ));
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains(
            ".logFormat.labels.of: weft writes a flat object: what is nested here becomes one string"
        ),
        "{said:?}"
    );
}

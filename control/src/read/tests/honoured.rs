//! What is known and not honoured.

use super::*;
use crate::read::emptied::EMPTIED;
use crate::read::not_honoured::NOT_HONOURED;

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
fn annotations_are_told_by_their_beginning() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations:\n    traffic.sidecar.istio.io/excludeInboundPorts: \"22\"\n    example.com/x: z\nspec: {containers: [{name: c}]}\n";
    assert_eq!(
        said(text),
        [
            "t.yaml:6:5: warning: metadata.annotations[\"traffic.sidecar.istio.io/excludeInboundPorts\"]: weft does not honour this yet; the proxy takes all ports of its pod [Pod default/a]"
        ]
    );
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
        let text = document(kind, field, &value.replace('*', "x"));
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

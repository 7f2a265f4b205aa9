//! One reading tells of all at once: of a header that is wrong, of keys that stand twice, of values that do not fit, and of
//! values that fit and may not be.

use serde_json::Value;

use super::values::NET;
use super::*;
use crate::read::node::{Meaning, Node, Value as Written};

#[test]
fn a_value_that_does_not_fit_hides_no_value_that_may_not_be() {
    let spec = "spec:\n  hosts: [a]\n  http:\n  - match: [{uri: {exact: /a}}]\n    retries: {attempts: [2], retryOn: 5xx}\n    route: [{destination: {host: a}}]\n  - timeout: 10us\n    route: [{destination: {host: 'http://a'}}]\n";
    assert_eq!(
        said_of(NET, "VirtualService", spec),
        [
            "t.yaml:8:25: error: spec.http[0].retries.attempts: expected a number, found a list",
            "t.yaml:10:5: error: spec.http[1].timeout: 10µs is less than 1ms",
            "t.yaml:11:28: error: spec.http[1].route[0].destination.host: \"http://a\" is a URL; a host has no scheme",
        ]
    );
}

#[test]
fn what_may_be_missed_only_because_it_did_not_fit_is_not_said_to_be_missing() {
    let routes =
        "{match: [{uri: {exact: /a}}], route: {destination: {host: a}}}, {route: [{destination: {}}]}";
    let spec = format!("spec: {{hosts: [a], http: [{routes}]}}\n");
    assert_eq!(
        said_of(NET, "VirtualService", &spec),
        [
            "t.yaml:4:64: error: spec.http[0].route: expected a list, found a mapping",
            "t.yaml:4:101: error: spec.http[1].route[0].destination: a host is missing",
        ]
    );
}

#[test]
fn a_list_that_lost_an_element_is_not_counted() {
    let spec = "spec: {hosts: [a], http: [no, {route: [{destination: {host: 'http://a'}}]}]}\n";
    let said = said_of(NET, "VirtualService", spec);
    assert_eq!(said, ["t.yaml:4:27: error: spec.http[0]: expected a mapping, found the boolean no"]);
}

#[test]
fn an_item_of_which_only_the_dash_stands_is_told_where_that_is() {
    let spec = "spec:\n  hosts: [a]\n  resolution: DNS\n  ports:\n  -\n  - {number: 80, name: http}\n  -\n";
    assert_eq!(
        said_of(NET, "ServiceEntry", spec),
        [
            "t.yaml:8:4: error: spec.ports[0]: expected a mapping, found nothing",
            "t.yaml:10:4: error: spec.ports[2]: expected a mapping, found nothing",
        ]
    );
}

#[test]
fn what_is_wrong_with_a_header_hides_nothing_of_the_rest() {
    let spec = "spec: {host: 'http://a', trafficPolicy: {tls: {mode: NONE}}}\n";
    let told = |header: &str| {
        let lines = said(&format!("{header}{spec}"));
        lines
            .into_iter()
            .map(|line| line.split(" [").next().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    let rest = [
        "t.yaml:4:8: error: spec.host: \"http://a\" is a URL; a host has no scheme",
        "t.yaml:4:54: error: spec.trafficPolicy.tls.mode: \"NONE\" is not one of DISABLE, SIMPLE, MUTUAL, ISTIO_MUTUAL",
    ];
    for (header, first) in [
        (
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {nam: x}\n",
            &[
                "t.yaml:3:1: error: metadata: `metadata.name` is missing",
                "t.yaml:3:12: error: metadata.nam: unknown field `nam`; did you mean `name`?",
            ][..],
        ),
        (
            "apiVersion: networking.istio.io/v2\nkind: DestinationRule\nmetadata: {name: x}\n",
            &[
                "t.yaml:1:1: error: apiVersion: networking.istio.io/v2 is not a version of DestinationRule that is served; write networking.istio.io/v1 or networking.istio.io/v1beta1 or networking.istio.io/v1alpha3",
            ],
        ),
        (
            "apiVersion: networking.istio.io/v1\nkind: DestinatonRule\nmetadata: {name: x}\n",
            &[
                "t.yaml:2:1: error: kind: networking.istio.io/v1 has no kind \"DestinatonRule\"; did you mean DestinationRule (networking.istio.io/v1 or networking.istio.io/v1beta1 or networking.istio.io/v1alpha3)?",
            ],
        ),
    ] {
        assert_eq!(told(header), [first, &rest[..]].concat());
    }
}

#[test]
fn a_key_that_stands_twice_hides_nothing_of_the_rest_and_nothing_of_it_is_kept() {
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: a, name: b}\nspec:\n  ports: [{port: 80}]\n  ports: [{port: 81}]\n  clusterIP: none\n---\napiVersion: v1\nkind: Service\nmetadata: {name: good}\nspec: {ports: [{port: 80}]}\n";
    assert_eq!(
        said(text),
        [
            "t.yaml:3:21: error: the key `name` stands here a second time; the first is at line 3, column 12",
            "t.yaml:6:3: error: the key `ports` stands here a second time; the first is at line 5, column 3",
            "t.yaml:7:3: error: spec.clusterIP: \"none\" is neither an IP address nor None [Service default/a]",
        ]
    );
    let once = text.replace(", name: b", "").replace("  ports: [{port: 81}]\n", "").replace("none", "None");
    for (text, kept) in [(text, &["good"][..]), (&once, &["a", "good"])] {
        let services = read_str("t.yaml", text).resources.services;
        let names: Vec<&str> = services.iter().map(|service| service.meta.name.as_str()).collect();
        assert_eq!(names, kept);
    }
}

#[test]
fn what_does_not_fit_in_a_kubernetes_resource_hides_nothing_of_its_other_parts() {
    let container = |name: &str, port: &str| {
        format!("{{name: {name}, ports: [{{containerPort: {port}}}], resources: {{limits: {{cpu: lots}}}}}}")
    };
    let text = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: a, labels: {{x: '-'}}}}\nspec:\n  replicas: '2'\n  selector: {{matchLabels: {{app: a}}}}\n  template:\n    metadata: {{labels: {{app: b}}, annotations: {{note: true}}}}\n    spec:\n      containers:\n      - {}\n      - {}\n",
        container("one", "'80'"),
        container("two", "99999"),
    );
    let told: Vec<String> = read_str("t.yaml", &text)
        .errors()
        .map(|error| format!("{}: {}", error.path, error.message))
        .collect();
    let of_one = "spec.template.spec.containers[0]";
    let of_two = "spec.template.spec.containers[1]";
    assert_eq!(
        told,
        [
            "metadata.labels.x: \"-\" is not a label's value".to_owned(),
            "spec.replicas: expected a number, found the string \"2\"".to_owned(),
            "spec.selector.matchLabels.app: the template has no label app: a".to_owned(),
            "spec.template.metadata.annotations.note: expected a string, found the boolean true".to_owned(),
            format!("{of_one}.ports[0].containerPort: expected a number, found the string \"80\""),
            format!("{of_two}.ports[0].containerPort: 99999 is not a port: 1 to 65535"),
            format!("{of_two}.resources.limits.cpu: \"lots\" is not an amount"),
        ]
    );
}

/// A manifest's value as JSON.
fn json(node: &Node) -> Value {
    match &node.value {
        Written::Scalar(text, Meaning::Text | Meaning::Block) => Value::String(text.to_string()),
        Written::Scalar(text, _) => serde_json::from_str(text).unwrap_or(Value::Null),
        Written::List(items) => items.iter().map(json).collect(),
        Written::Map(entries) => {
            Value::Object(entries.iter().map(|entry| (entry.key.to_string(), json(&entry.value))).collect())
        }
    }
}

/// Pointers to everything in `value`.
fn places(value: &Value, here: &str, into: &mut Vec<String>) {
    into.push(here.to_owned());
    let mut below = |key: &str, value: &Value| {
        places(value, &format!("{here}/{}", key.replace('~', "~0").replace('/', "~1")), into);
    };
    match value {
        Value::Array(items) => items.iter().enumerate().for_each(|(n, item)| below(&n.to_string(), item)),
        Value::Object(fields) => fields.iter().for_each(|(key, value)| below(key, value)),
        _ => {}
    }
}

/// Every value of good manifests in turn is one that does not fit: what is found wrong is that one.
#[test]
fn what_does_not_fit_is_blamed_on_nothing_else() {
    let found = |document: &Value| read_str("t.json", &document.to_string()).diagnostics;
    for file in [
        "tests/conformance/mesh/10-traffic.yaml",
        "tests/envoy_accepts/strange.yaml",
        "deploy/selfmonitor/01-config.yaml",
        "deploy/selfmonitor/services/money.yaml",
        "deploy/selfmonitor/security/authorization.yaml",
        "deploy/selfmonitor/security/peer-authentication.yaml",
        "deploy/selfmonitor/traffic/outside.yaml",
    ] {
        let text = std::fs::read_to_string(repository(file)).unwrap();
        for document in
            crate::read::yaml::documents(&text).into_iter().map(|document| json(&document.unwrap()))
        {
            let before = found(&document);
            let mut all = Vec::new();
            for part in ["metadata", "spec", "data"] {
                if let Some(value) = document.get(part) {
                    places(value, &format!("/{part}"), &mut all);
                }
            }
            for place in all {
                let mut broken = document.clone();
                let value = broken.pointer_mut(&place).unwrap();
                *value =
                    if value.is_array() || value.is_object() { "x".into() } else { Value::Array(vec![]) };
                // `spec.http[0].route` and `/spec/http/0/route` in the same words.
                let plain = |path: &str| path.replace(['/', '['], ".").replace([']', '"'], "");
                let blamed = plain(&place[1..].replace("~1", "/"));
                let told = found(&broken);
                assert!(told.iter().any(Diagnostic::is_error), "{place} of {}", document["metadata"]["name"]);
                let is_known = |told: &Diagnostic| {
                    before.iter().any(|known| (&known.path, &known.message) == (&told.path, &told.message))
                };
                for told in told.iter().filter(|told| !is_known(told)) {
                    let found = plain(&told.path);
                    let related = found.starts_with(&blamed) || blamed.starts_with(&found);
                    assert!(related, "{place} of {}: {told}", document["metadata"]["name"]);
                }
            }
        }
    }
}

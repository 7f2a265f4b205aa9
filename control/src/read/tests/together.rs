//! One reading of Istio's resources tells of both: values that do not fit, and values that fit and may not be.

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
    for file in ["tests/conformance/mesh/10-traffic.yaml", "tests/envoy_accepts/strange.yaml"] {
        let text = std::fs::read_to_string(repository(file)).unwrap();
        for document in
            crate::read::yaml::documents(&text).into_iter().map(|document| json(&document.unwrap()))
        {
            let mut all = Vec::new();
            if let Some(spec) = document.get("spec") {
                places(spec, "/spec", &mut all);
            }
            for place in all {
                let mut broken = document.clone();
                let value = broken.pointer_mut(&place).unwrap();
                *value =
                    if value.is_array() || value.is_object() { "x".into() } else { Value::Array(vec![]) };
                let reading = read_str("t.json", &broken.to_string());
                // `spec.http[0].route` and `/spec/http/0/route` in the same words.
                let plain = |path: &str| path.replace(['/', '['], ".").replace([']', '"'], "");
                let blamed = plain(&place[1..]);
                for error in reading.errors() {
                    let found = plain(&error.path);
                    let related = found.starts_with(&blamed) || blamed.starts_with(&found);
                    assert!(related, "{place} of {}: {error}", document["metadata"]["name"]);
                }
            }
        }
    }
}

//! Names and labels, by RFC 1123 and Kubernetes.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::read::finding::Findings;
use crate::read::node::short;
use crate::read::path::Path;

/// A label of RFC 1123: `a-z`, `0-9` and `-`, at most 63, alphanumeric at both ends.
pub(crate) fn label(name: &str) -> Result<(), String> {
    if is_label(name) {
        return Ok(());
    }
    Err(format!("{} is not a name: at most 63 of a-z, 0-9 and -, alphanumeric at both ends", short(name)))
}

/// Labels joined by dots, at most 253 characters.
pub(crate) fn subdomain(name: &str) -> Result<(), String> {
    if name.len() <= 253 && name.split('.').all(is_label) {
        return Ok(());
    }
    Err(format!("{} is not a name: at most 253 of a-z, 0-9, - and ., alphanumeric at both ends", short(name)))
}

/// Checks the labels that a resource carries.
pub(crate) fn labels(metadata: &ObjectMeta, into: &mut Findings) {
    let root = Path::ROOT;
    let at = root.key("metadata");
    if let Some(map) = &metadata.labels {
        label_map(map, &at.key("labels"), into);
    }
    if let Some(map) = &metadata.annotations {
        let at = at.key("annotations");
        for key in map.keys() {
            // Kubernetes looks at an annotation's key without its case.
            if !is_qualified(&key.to_ascii_lowercase()) {
                into.error(&at.key(key), format!("{} is not an annotation's key", short(key)));
            }
        }
    }
}

/// Checks labels, or what selects by them.
pub(crate) fn label_map(map: &BTreeMap<String, String>, at: &Path<'_>, into: &mut Findings) {
    for (key, value) in map {
        if !is_qualified(key) {
            into.error(&at.key(key), format!("{} is not a label's key", short(key)));
            into.hint("a name of at most 63 letters, digits, -, _ and ., after a domain and / or not");
        }
        if !is_label_value(value) {
            into.error(&at.key(key), format!("{} is not a label's value", short(value)));
            into.hint("at most 63 letters, digits, -, _ and ., alphanumeric at both ends, or nothing");
        }
    }
}

/// Checks a workload selector's labels. One without labels selects all that are in reach.
pub(crate) fn selector(map: &BTreeMap<String, String>, at: &Path<'_>, into: &mut Findings) {
    for (key, value) in map {
        if key.contains('*') || value.contains('*') {
            into.error(&at.key(key), "wildcards are not for selectors");
        }
    }
    label_map(map, at, into);
}

fn is_label(name: &str) -> bool {
    let bytes = name.as_bytes();
    let good = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| good(byte) || *byte == b'-')
        && bytes.first().is_some_and(good)
        && bytes.last().is_some_and(good)
}

fn is_qualified(key: &str) -> bool {
    let (domain, name) = match key.split_once('/') {
        Some((domain, name)) => (Some(domain), name),
        None => (None, key),
    };
    let domain_is_good = domain.is_none_or(|domain| domain.len() <= 253 && domain.split('.').all(is_label));
    domain_is_good && !name.is_empty() && is_label_value(name)
}

fn is_label_value(value: &str) -> bool {
    let bytes = value.as_bytes();
    bytes.len() <= 63
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
        && bytes.first().is_none_or(u8::is_ascii_alphanumeric)
        && bytes.last().is_none_or(u8::is_ascii_alphanumeric)
}

/// Checks the annotations that somebody here heeds; `at` is where their `metadata` stands.
pub(in crate::read) fn annotations(
    kind: &str,
    annotations: &std::collections::BTreeMap<String, String>,
    at: &Path<'_>,
    into: &mut Findings,
) {
    let metadata = at.key("metadata");
    let at = metadata.key("annotations");
    for (name, why) in crate::annotations::check(kind, annotations) {
        into.error(&at.key(name), why);
    }
    for (name, near) in crate::annotations::unknown(annotations) {
        into.warning(&at.key(name), "weft has no such annotation: it does nothing");
        into.hint(match near {
            Some(near) => format!("did you mean {near}?"),
            None => {
                "its own are weft.dev/sticky, weft.dev/local-rate-limit and weft.dev/health-check".to_owned()
            }
        });
    }
    if kind == "Pod" {
        super::proxy_annotation::check(annotations, &at, into);
        super::sidecar_annotation::check(annotations, &at, into);
    }
}

//! Which pods have a sidecar, as Istio's injector decides it.

use std::collections::BTreeMap;

/// The label, or the annotation of older days, by which a pod decides for itself.
pub const INJECT: &str = "sidecar.istio.io/inject";

/// What a value of [`INJECT`] says; `None`: nothing that an injector understands.
#[must_use]
pub fn wish(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" => Some(true),
        "false" | "no" | "off" | "n" => Some(false),
        _ => None,
    }
}

/// Whether a pod of these labels and annotations is given one: the label decides before the annotation, these before
/// the namespace, of which nothing need be known.
#[must_use]
pub fn is_wanted(
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
    of_namespace: Option<&BTreeMap<String, String>>,
) -> bool {
    let own = labels.get(INJECT).or_else(|| annotations.get(INJECT));
    own.and_then(|value| wish(value)).unwrap_or_else(|| {
        of_namespace.and_then(|labels| labels.get("istio-injection")).is_none_or(|value| value != "disabled")
    })
}

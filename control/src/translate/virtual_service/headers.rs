//! Changes to headers. Host is no header to set: what is written for it is a rewrite of the authority.

use std::collections::BTreeMap;

use weft_model::route::{HeaderAction, HeaderOperations, HeaderValueOption};

use crate::resources::virtual_service::{self as resource, Headers};

/// The changes, and what Host becomes.
pub(super) fn operations(written: Option<&Headers>) -> (HeaderOperations, Option<String>) {
    let none = resource::HeaderOperations::default();
    let request = written.and_then(|headers| headers.request.as_ref()).unwrap_or(&none);
    let response = written.and_then(|headers| headers.response.as_ref()).unwrap_or(&none);
    let operations = HeaderOperations {
        request_set: options(request),
        request_remove: removed(request),
        response_set: options(response),
        response_remove: removed(response),
    };
    (operations, authority(&request.set).or_else(|| authority(&request.add)))
}

/// Adds `more` behind `operations`.
pub(super) fn append(operations: &mut HeaderOperations, more: HeaderOperations) {
    operations.request_set.extend(more.request_set);
    operations.request_remove.extend(more.request_remove);
    operations.response_set.extend(more.response_set);
    operations.response_remove.extend(more.response_remove);
}

fn options(written: &resource::HeaderOperations) -> Vec<HeaderValueOption> {
    let of = |headers: &BTreeMap<String, String>, action: HeaderAction| -> Vec<HeaderValueOption> {
        let own = headers.iter().filter(|(name, _)| !is_internal(name));
        own.map(|(name, value)| HeaderValueOption { name: name.clone(), value: value.clone(), action })
            .collect()
    };
    let mut options = of(&written.set, HeaderAction::Overwrite);
    options.extend(of(&written.add, HeaderAction::Append));
    options
}

fn removed(written: &resource::HeaderOperations) -> Vec<String> {
    written.remove.iter().filter(|name| !is_internal(name)).cloned().collect()
}

fn is_internal(name: &str) -> bool {
    name.starts_with(':') || name.eq_ignore_ascii_case("host")
}

fn authority(headers: &BTreeMap<String, String>) -> Option<String> {
    let is_it = |name: &str| name.eq_ignore_ascii_case(":authority") || name.eq_ignore_ascii_case("host");
    headers.iter().find(|(name, value)| is_it(name) && !value.is_empty()).map(|(_, value)| value.clone())
}

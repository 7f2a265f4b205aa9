//! Patterns of places in a document: what a table of fields names.

use super::node::{Node, Value};
use super::path::Path;
use super::shape::camel_case;

/// Calls `found` for each value that `place` leads to.
///
/// `a.b` goes down by keys; `[]` stands for every element of a list, `{name*}` for every key that begins so.
pub(super) fn visit(node: &Node, place: &str, path: &Path<'_>, found: &mut dyn FnMut(&Node, &Path<'_>)) {
    if place.is_empty() {
        found(node, path);
    } else if let Some(rest) = place.strip_prefix("[]") {
        for (index, item) in node.list().unwrap_or_default().iter().enumerate() {
            visit(item, rest, &path.index(index), found);
        }
    } else if let Some((wanted, rest)) = place.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        let Value::Map(entries) = &node.value else { return };
        for entry in entries.iter().filter(|entry| is_like(&entry.key, wanted)) {
            visit(&entry.value, rest, &path.key(&entry.key), found);
        }
    } else {
        let place = place.strip_prefix('.').unwrap_or(place);
        let (key, rest) = place.split_at(place.find(['.', '[', '{']).unwrap_or(place.len()));
        let Value::Map(entries) = &node.value else { return };
        // MeshConfig is written in snake_case as well.
        for entry in entries.iter().filter(|entry| &*entry.key == key || camel_case(&entry.key) == key) {
            visit(&entry.value, rest, &path.key(&entry.key), found);
        }
    }
}

/// Whether a value asks for anything: an empty list or mapping does not.
pub(super) fn says_something(node: &Node) -> bool {
    match &node.value {
        Value::Scalar(text, _) => !node.is_null() && !text.is_empty(),
        Value::List(items) => !items.is_empty(),
        Value::Map(entries) => !entries.is_empty(),
    }
}

/// Whether a value is `wanted`, or begins so if that ends in `*`.
pub(super) fn has_value(node: &Node, wanted: &str) -> bool {
    matches!(&node.value, Value::Scalar(text, _) if is_like(text, wanted))
}

fn is_like(text: &str, wanted: &str) -> bool {
    wanted.strip_suffix('*').map_or(text == wanted, |prefix| text.starts_with(prefix))
}

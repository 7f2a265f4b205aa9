//! What every resource begins with: apiVersion, kind, and a name.

use super::finding::Findings;
use super::node::{Meaning, Node, Value};
use super::path::Path;
use super::validate::names;

/// apiVersion and kind, as they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TypeMeta {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
}

impl TypeMeta {
    /// `group/version`, or `version` alone for Kubernetes' first group.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

/// Reads apiVersion and kind.
pub(crate) fn type_meta(node: &Node, into: &mut Findings) -> Option<TypeMeta> {
    let root = Path::ROOT;
    if !matches!(node.value, Value::Map(_)) {
        into.error(
            &root,
            format!("a resource is a mapping with apiVersion, kind and metadata; found {}", node.describe()),
        );
        if matches!(node.value, Value::List(_)) {
            into.hint("several resources are documents divided by ---, or {apiVersion: v1, kind: List, items: [...]}");
        }
        return None;
    }
    let kind = string(node, "kind", into);
    let api_version = string(node, "apiVersion", into);
    let (kind, api_version) = (kind?, api_version?);
    let (group, version) = match api_version.split_once('/') {
        Some((group, version)) => (group, version),
        None => ("", api_version.as_str()),
    };
    if version.is_empty() || version.contains('/') {
        into.error(&root.key("apiVersion"), format!("{api_version:?} is not of the form group/version"));
        return None;
    }
    Some(TypeMeta { group: group.to_owned(), version: version.to_owned(), kind })
}

/// Name and namespace. The former is empty where none can be read, which is an error; the latter where the kind has none.
pub(crate) fn name(node: &Node, namespaced: bool, into: &mut Findings) -> (String, String) {
    let root = Path::ROOT;
    let at = root.key("metadata");
    let Some(metadata) = node.key("metadata").filter(|metadata| !metadata.is_null()) else {
        into.error(&root, "`metadata` is missing: a resource needs a name");
        return Default::default();
    };
    if !matches!(metadata.value, Value::Map(_)) {
        into.error(&at, format!("expected a mapping, found {}", metadata.describe()));
        return Default::default();
    }
    let namespace = match metadata.key("namespace").filter(|namespace| namespaced && !namespace.is_null()) {
        Some(namespace) => named(namespace, names::label, &at.key("namespace"), into),
        None if namespaced => "default",
        None => "",
    };
    let Some(name) = metadata.key("name").filter(|name| !name.is_null()) else {
        into.error(&at, "`metadata.name` is missing");
        if metadata.key("generateName").is_some() {
            into.hint("generateName makes a new name each time; weft needs one that stays");
        }
        return Default::default();
    };
    let name = named(name, names::subdomain, &at.key("name"), into);
    (name.to_owned(), namespace.to_owned())
}

/// A name as it is written, be it as it should or not; empty where it is no string.
fn named<'n>(
    value: &'n Node,
    check: fn(&str) -> Result<(), String>,
    at: &Path<'_>,
    into: &mut Findings,
) -> &'n str {
    let Some(text) = value.text() else {
        not_a_string(value, at, into);
        return "";
    };
    if let Err(why) = check(text) {
        into.error(at, why);
        if text.contains("{{") {
            into.hint(super::yaml::TEMPLATE);
        }
    }
    text
}

fn not_a_string(value: &Node, at: &Path<'_>, into: &mut Findings) {
    into.error(at, format!("expected a string, found {}", value.describe()));
    if let Value::Scalar(text, Meaning::Bool(_) | Meaning::Int(_) | Meaning::UInt(_) | Meaning::Float(_)) =
        &value.value
    {
        into.hint(format!("quote it: \"{text}\""));
    }
}

fn string(node: &Node, key: &str, into: &mut Findings) -> Option<String> {
    let root = Path::ROOT;
    match node.key(key) {
        Some(value) if !value.is_null() => match value.text() {
            Some(text) if !text.is_empty() => return Some(text.to_owned()),
            _ => not_a_string(value, &root.key(key), into),
        },
        _ => {
            into.error(&root, format!("`{key}` is missing"));
            if let Value::Map(entries) = &node.value
                && let Some(near) = super::nearest::nearest(key, entries.iter().map(|entry| &*entry.key))
            {
                into.hint(format!("is `{near}` meant to be `{key}`?"));
            }
        }
    }
    None
}

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

/// Name and namespace; the latter is empty where the kind has none.
pub(crate) fn name(node: &Node, namespaced: bool, into: &mut Findings) -> Option<(String, String)> {
    let root = Path::ROOT;
    let at = root.key("metadata");
    let Some(metadata) = node.key("metadata").filter(|metadata| !metadata.is_null()) else {
        into.error(&root, "`metadata` is missing: a resource needs a name");
        return None;
    };
    if !matches!(metadata.value, Value::Map(_)) {
        into.error(&at, format!("expected a mapping, found {}", metadata.describe()));
        return None;
    }
    let Some(name) = metadata.key("name").filter(|name| !name.is_null()) else {
        into.error(&at, "`metadata.name` is missing");
        if metadata.key("generateName").is_some() {
            into.hint("generateName makes a new name each time; weft needs one that stays");
        }
        return None;
    };
    let Some(name) = name.text() else {
        not_a_string(name, &at.key("name"), into);
        return None;
    };
    if let Err(why) = names::subdomain(name) {
        into.error(&at.key("name"), why);
        template_hint(name, into);
    }
    let namespace = match metadata.key("namespace") {
        _ if !namespaced => "",
        Some(namespace) if !namespace.is_null() => {
            let Some(namespace) = namespace.text() else {
                into.error(
                    &at.key("namespace"),
                    format!("expected a string, found {}", namespace.describe()),
                );
                return None;
            };
            if let Err(why) = names::label(namespace) {
                into.error(&at.key("namespace"), why);
                template_hint(namespace, into);
            }
            namespace
        }
        _ => "default",
    };
    Some((name.to_owned(), namespace.to_owned()))
}

fn not_a_string(value: &Node, at: &Path<'_>, into: &mut Findings) {
    into.error(at, format!("expected a string, found {}", value.describe()));
    if let Value::Scalar(text, Meaning::Bool(_) | Meaning::Int(_) | Meaning::UInt(_) | Meaning::Float(_)) =
        &value.value
    {
        into.hint(format!("quote it: \"{text}\""));
    }
}

fn template_hint(text: &str, into: &mut Findings) {
    if text.contains("{{") {
        into.hint(super::yaml::TEMPLATE);
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

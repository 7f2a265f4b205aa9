//! A kustomization: what the files beside it say is not what `kubectl apply -k` makes of them, and weft reads the files.

use super::document::Reader;
use super::finding::Findings;
use super::node::{Node, Value};
use super::path::Path;

/// Files that are kustomizations by their name; these need not say so.
const FILES: &[&str] = &["kustomization.yaml", "kustomization.yml", "Kustomization"];
/// Kinds of its group.
const KINDS: &[&str] = &["Kustomization", "Component"];
/// Keys that change nothing: what is listed is read by itself.
const HARMLESS: &[&str] = &["apiVersion", "kind", "metadata", "resources", "bases"];

/// Whether a document of `file` is one.
pub(super) fn is_one(file: &str, node: &Node) -> bool {
    let text = |key| node.key(key).and_then(Node::text);
    match (text("apiVersion"), text("kind")) {
        (Some(version), Some(kind)) => {
            version.starts_with("kustomize.config.k8s.io/") && KINDS.contains(&kind)
        }
        (None, None) => matches!(node.value, Value::Map(_)) && FILES.contains(&file_name(file)),
        _ => false,
    }
}

impl Reader {
    /// Says what it would change.
    pub(super) fn kustomization(&mut self, node: &Node) {
        let Value::Map(entries) = &node.value else { return };
        let harmful = |key: &str| !HARMLESS.contains(&key);
        let changes: Vec<&str> = entries.iter().map(|entry| &*entry.key).filter(|key| harmful(key)).collect();
        let Some(first) = changes.first() else { return self.pass_over("Kustomization") };
        let mut findings = Findings::default();
        let root = Path::ROOT;
        let message = format!("weft does not run kustomize: nothing comes of {}", changes.join(", "));
        findings.warning(&root.key(first), message);
        findings.hint("give weft what `kubectl kustomize` makes of this folder, instead of the folder");
        self.conclude(node, None, findings);
    }
}

fn file_name(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

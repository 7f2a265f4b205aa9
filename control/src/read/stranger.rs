//! Files of other programs among the manifests of a folder: a docker-compose.yml, a chart's values, a pipeline. They are passed
//! over. Whatever may have been meant as a resource is none of these: a policy must not go missing by a slip of the keyboard.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::diagnostic::Severity;
use super::document::Reader;
use super::folder;
use super::node::{Node, Position, Value};
use super::yaml::SyntaxError;
use super::{kustomize, mesh, nearest};

/// What only a resource has, and each has some of.
const TELLING: [&str; 4] = ["apiVersion", "kind", "metadata", "spec"];

/// Whether the files of a folder that are not passed over are any.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    manifests: bool,
    strangers: bool,
}

/// The folders that were given, by name.
pub(super) type Folders = BTreeMap<Arc<str>, Seen>;

/// Whether nothing in the file `name` was meant as a resource. What cannot be read may have been.
fn is_one(name: &str, documents: &[Result<Node, SyntaxError>]) -> bool {
    let is_strange =
        |node: &Node| !mesh::is_bare(node) && !kustomize::is_one(name, node) && nothing_like_a_resource(node);
    documents.iter().all(|document| document.as_ref().is_ok_and(is_strange))
}

fn nothing_like_a_resource(node: &Node) -> bool {
    match &node.value {
        Value::Map(entries) => {
            let known = || TELLING.into_iter().chain(mesh::TELLING.iter().copied());
            let listed = node.key("items").is_none_or(nothing_like_a_resource);
            listed && !entries.iter().any(|entry| nearest(&entry.key, known()).is_some())
        }
        Value::List(items) => {
            items.iter().all(|item| matches!(item.value, Value::Scalar(..)) || nothing_like_a_resource(item))
        }
        // So begins a manifest that is only half written at this moment.
        Value::Scalar(..) => false,
    }
}

impl Reader {
    /// Passes over the file at hand if it is one and stands in a folder. One that was named itself was meant.
    pub(super) fn passes_over(&mut self, documents: &[Result<Node, SyntaxError>]) -> bool {
        let Some(folder) = self.folder.clone().filter(|_| !documents.is_empty()) else { return false };
        let strange = is_one(&self.file, documents);
        let seen = self.folders.entry(folder).or_default();
        seen.manifests |= !strange;
        seen.strangers |= strange;
        if strange {
            let message =
                "passed over: it has neither `apiVersion` nor `kind`, so it is no manifest".to_owned();
            let whole = Position { line: 0, column: 0 };
            self.report(None, whole, Severity::Warning, String::new(), message, None);
        }
        strange
    }

    /// A folder of which everything was passed over is as wrong as an empty one.
    pub(super) fn judge_folders(&mut self) {
        for (name, seen) in std::mem::take(&mut self.folders) {
            if seen.strangers && !seen.manifests {
                self.file_error(&name, folder::NOTHING.to_owned(), Some(folder::READS));
            }
        }
    }
}

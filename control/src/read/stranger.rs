//! Files of other programs among the manifests of a folder: a docker-compose.yml, a chart's values, a pipeline. They are passed
//! over. Whatever may have been meant as a resource is none of these: a policy must not go missing by a slip of the keyboard.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::diagnostic::Severity;
use super::document::Reader;
use super::node::{Node, Position};
use super::yaml::SyntaxError;
use super::{folder, kustomize, mesh};
use keys::Keys;

mod fields;
mod keys;

/// So many of a folder are named; of the others it is said how many they are.
const NAMED: usize = 5;

/// What was found in a folder.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    manifests: bool,
    /// How many files were passed over.
    strangers: usize,
}

/// The folders that were given, by name.
pub(super) type Folders = BTreeMap<Arc<str>, Seen>;

/// Whether nothing in the file `name` was meant as a resource. What cannot be read may have been.
fn is_one(name: &str, documents: &[Result<Node, SyntaxError>]) -> bool {
    let mut keys = Keys::new();
    documents.iter().all(|document| {
        document.as_ref().is_ok_and(|node| {
            !mesh::is_bare(node)
                && !kustomize::is_one(name, node)
                && !keys.begin_a_resource(node)
                && !keys.are_a_spec(node)
                && !keys.hold_a_resource(node)
        })
    })
}

impl Reader {
    /// Passes over the file at hand if it is one and stands in a folder. One that was named itself was meant.
    pub(super) fn passes_over(&mut self, documents: &[Result<Node, SyntaxError>]) -> bool {
        let Some(folder) = self.folder.clone().filter(|_| !documents.is_empty()) else { return false };
        let strange = is_one(&self.file, documents);
        let seen = self.folders.entry(folder).or_default();
        seen.manifests |= !strange;
        seen.strangers += usize::from(strange);
        if strange && seen.strangers <= NAMED {
            self.pass_over_file("passed over: it has neither `apiVersion` nor `kind`, so it is no manifest");
        }
        strange
    }

    /// A folder of which everything was passed over is as wrong as an empty one.
    pub(super) fn judge_folders(&mut self) {
        for (name, seen) in std::mem::take(&mut self.folders) {
            if let Some(more) = seen.strangers.checked_sub(NAMED).filter(|more| *more > 0) {
                self.file = name.clone();
                self.pass_over_file(&match more {
                    1 => "one more file is passed over: it has neither `apiVersion` nor `kind`".to_owned(),
                    _ => format!(
                        "{more} more files are passed over: they have neither `apiVersion` nor `kind`"
                    ),
                });
            }
            if seen.strangers > 0 && !seen.manifests {
                self.file_error(&name, folder::NOTHING.to_owned(), Some(folder::READS));
            }
        }
    }

    fn pass_over_file(&mut self, message: &str) {
        let whole = Position { line: 0, column: 0 };
        self.report(None, whole, Severity::Warning, String::new(), message.to_owned(), None);
    }
}

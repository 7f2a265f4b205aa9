//! Keys that YAML 1.1 takes for booleans: an unquoted `n` is the key `false`, to Kubernetes as well, and what was meant by
//! it is never found.

use super::finding::Findings;
use super::node::{Node, Value};
use super::path::Path;

/// Warns of each such key in `node`. `true` and `false` themselves stay what they are as strings.
pub(super) fn check(node: &Node, into: &mut Findings) {
    visit(node, &Path::ROOT, into);
}

fn visit(node: &Node, path: &Path<'_>, into: &mut Findings) {
    match &node.value {
        Value::Scalar(..) => {}
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                visit(item, &path.index(index), into);
            }
        }
        Value::Map(entries) => {
            for entry in entries {
                let path = path.key(&entry.key);
                // One that differs in its capitals alone is meant as what it is read as.
                if let Some(written) =
                    entry.written.as_deref().filter(|text| !text.eq_ignore_ascii_case(&entry.key))
                {
                    into.warning(&path, format!("the key `{written}` is read as the boolean {}", entry.key));
                    into.hint(format!("quote it: \"{written}\""));
                }
                visit(&entry.value, &path, into);
            }
        }
    }
}

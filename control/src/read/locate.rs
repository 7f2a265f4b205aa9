//! The places of fields in files that were read before. What is found between resources knows where each begins, and which
//! field it speaks of; the trees are gone by then.

use super::diagnostic::Diagnostic;
use super::document::{documents, plain};
use super::node::{Node, Value};
use super::path::{Hop, Trail};
use super::sources::Sources;

impl Sources {
    /// Gives those of `found` that speak of a field the place of that field, where it is found in the files again.
    pub fn locate(&self, found: &mut [Diagnostic]) {
        for (name, text) in self.texts() {
            let mut of_file =
                found.iter_mut().filter(|one| &*one.file == name && !one.path.is_empty()).peekable();
            if of_file.peek().is_none() {
                continue;
            }
            let documents: Vec<Node> = documents(name, &plain(name, text)).into_iter().flatten().collect();
            for one in of_file {
                let is_it =
                    |node: &Node| one.resource.as_deref().is_none_or(|resource| is_called(node, resource));
                let resource = documents.iter().find_map(|node| beginning_at(node, one.line, &is_it));
                if let (Some(resource), Some(trail)) = (resource, trail(&one.path)) {
                    let at = resource.locate(&trail);
                    (one.line, one.column) = (at.line, at.column);
                }
            }
        }
        found.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    }
}

/// The resource that begins at that line and is the one: the document, or an item of a list that it is.
fn beginning_at<'n>(node: &'n Node, line: u32, is_it: &impl Fn(&Node) -> bool) -> Option<&'n Node> {
    let items = || node.key("items").and_then(Node::list).unwrap_or_default();
    // In JSON a document of items begins where its first may.
    let item = items().iter().find_map(|item| beginning_at(item, line, is_it));
    let is_there = |node: &&Node| node.at.line == line && matches!(node.value, Value::Map(_)) && is_it(node);
    item.or_else(|| Some(node).filter(is_there))
}

/// Whether it is the `Kind namespace/name` of a diagnostic; items of a typed list may leave their kind out.
fn is_called(node: &Node, resource: &str) -> bool {
    let Some((kind, name)) = resource.split_once(' ') else { return true };
    let name = name.rsplit_once('/').map_or(name, |(_, name)| name);
    let own = node.key("metadata").and_then(|metadata| metadata.key("name")).and_then(Node::text);
    own == Some(name) && node.key("kind").and_then(Node::text).is_none_or(|own| own == kind)
}

/// `spec.http[0].route`, as a [`Trail`] displays itself.
fn trail(path: &str) -> Option<Trail> {
    let (mut hops, mut rest) = (Vec::new(), path);
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix("[\"") {
            let (_, after) = quoted.split_once("\"]")?;
            let key = &rest[1..rest.len() - after.len() - 1];
            hops.push(Hop::Key(serde_json::from_str(key).ok()?));
            rest = after;
        } else if let Some(index) = rest.strip_prefix('[') {
            let (index, after) = index.split_once(']')?;
            hops.push(Hop::Index(index.parse().ok()?));
            rest = after;
        } else {
            let key = rest.strip_prefix('.').unwrap_or(rest);
            let end = key.find(['.', '[']).unwrap_or(key.len());
            if end == 0 {
                return None;
            }
            hops.push(Hop::Key(key[..end].to_owned()));
            rest = &key[end..];
        }
    }
    Some(Trail(hops))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::diagnostic::Severity;
    use super::*;

    #[test]
    fn a_path_is_read_as_it_is_displayed() {
        let key = |key: &str| Hop::Key(key.to_owned());
        for hops in [
            vec![key("spec")],
            vec![key("spec"), key("http"), Hop::Index(0), key("route"), Hop::Index(12), key("weight")],
            vec![key("metadata"), key("annotations"), key("weft.dev/sticky")],
            vec![key("a b"), key("say \"x\""), Hop::Index(1)],
        ] {
            let whole = Trail(hops);
            assert_eq!(trail(&whole.to_string()), Some(whole));
        }
        for odd in ["spec..http", "spec[x]", "spec[", "spec[\"a", "."] {
            assert_eq!(trail(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_field_is_found_in_its_own_resource_wherever_that_stands() {
        let one = |name: &str, host: &str| {
            format!(
                "kind: VirtualService\nmetadata: {{name: {name}}}\nspec:\n  http:\n  - route:\n    - destination:\n        host: {host}\n"
            )
        };
        let listed = "kind: List\nitems:\n- kind: VirtualService\n  spec:\n    hosts: [x]\n- kind: VirtualService\n  spec: {hosts: [y]}\n";
        let text = [one("a", "x"), one("b", "y"), listed.to_owned()].join("---\n");
        let mut sources = Sources::default();
        sources.file("t.yaml".to_owned(), text.clone().into_bytes(), None);
        let line = |nth: usize, what: &str| {
            let lines = text.lines().enumerate().filter(|(_, line)| line.contains(what));
            u32::try_from(lines.map(|(line, _)| line + 1).nth(nth).unwrap()).unwrap()
        };
        let found = |line: u32, path: &str| {
            let mut found = [Diagnostic {
                severity: Severity::Warning,
                file: Arc::from("t.yaml"),
                line,
                column: 1,
                resource: None,
                path: path.to_owned(),
                message: String::new(),
                hint: None,
            }];
            sources.locate(&mut found);
            (found[0].line, found[0].column)
        };
        let host = "spec.http[0].route[0].destination.host";
        assert_eq!(found(1, host), (line(0, "host: x"), 9));
        assert_eq!(found(line(1, "kind: VirtualService"), host), (line(0, "host: y"), 9));
        assert_eq!(found(line(0, "- kind"), "spec.hosts[0]"), (line(0, "hosts: [x]"), 13));
        assert_eq!(found(line(1, "- kind"), "spec.hosts[0]"), (line(0, "hosts: [y]"), 18));
        assert_eq!(found(1, "spec.http[0].retries.attempts"), (line(0, "- route"), 5), "as near as it is");
        assert_eq!(found(1, ""), (1, 1));
        assert_eq!(found(2, "spec"), (2, 1), "no resource begins there");
        let one_line = r#"{"items": [{"kind": "A", "metadata": {"name": "x"}, "spec": 1}, {"kind": "A", "metadata": {"name": "y"}, "spec": 2}]}"#;
        let node = &documents("t.json", one_line)[0].clone().unwrap();
        let column = |name: &str| {
            let found = beginning_at(node, 1, &|node| is_called(node, &format!("A ns/{name}"))).unwrap();
            found.key("spec").unwrap().at.column
        };
        assert!(column("x") < column("y"));
    }
}

//! From findings to diagnostics: each gets its file and its place, and fits on a line of a terminal.

use std::collections::HashSet;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Severity};
use super::document::{Document, Reader};
use super::finding::{Finding, Findings};
use super::node::{Node, Position};
use super::path::Hop;
use super::yaml;

/// More warnings than these are not kept, nor twice as many errors; the last one says so.
const MOST_DIAGNOSTICS: usize = 2_000;

/// Longer texts are cut: keys and values come from strangers.
const LONGEST: usize = 600;

impl Reader {
    /// Says that a document is not YAML.
    pub(super) fn syntax_error(&mut self, error: yaml::SyntaxError) {
        self.report(None, error.at, Severity::Error, String::new(), error.message, error.hint);
    }

    /// Says that a file as a whole cannot be used.
    pub(super) fn file_error(&mut self, file: &str, message: String, hint: Option<&str>) {
        self.file = Arc::from(file);
        let nowhere = Position { line: 0, column: 0 };
        self.report(None, nowhere, Severity::Error, String::new(), message, hint.map(str::to_owned));
    }

    /// Reports the findings of a document with its name.
    pub(super) fn close(&mut self, document: Document<'_>) {
        let resource = label(document.kind, &document.namespace, &document.name);
        let mut document = document;
        if document.kind == "Secret" {
            withhold(&mut document.findings);
        }
        self.conclude(document.node, resource, document.findings);
    }

    /// Reports the findings of a document, in the order of their places.
    pub(super) fn conclude(&mut self, node: &Node, resource: Option<String>, findings: Findings) {
        let mut placed: Vec<(Position, Finding)> =
            findings.0.into_iter().map(|f| (f.at.unwrap_or_else(|| node.locate(&f.trail)), f)).collect();
        placed.sort_by_key(|(at, _)| *at);
        let mut told = HashSet::new();
        for (at, finding) in placed {
            let path = finding.trail.to_string();
            // A name that is none is found when it is looked for, and again when the whole is.
            if !told.insert((path.clone(), finding.message.clone())) {
                continue;
            }
            self.report(resource.clone(), at, finding.severity, path, finding.message, finding.hint);
        }
    }

    /// Keeps one diagnostic, if there is room.
    pub(super) fn report(
        &mut self,
        resource: Option<String>,
        at: Position,
        severity: Severity,
        path: String,
        message: String,
        hint: Option<String>,
    ) {
        self.reading.is_unclear |= severity == Severity::Error && !self.is_doubted;
        let diagnostics = &mut self.reading.diagnostics;
        // Errors have room beyond the warnings: that there is one is never left out.
        let room = if severity == Severity::Error { 2 * MOST_DIAGNOSTICS } else { MOST_DIAGNOSTICS };
        if diagnostics.len() > room {
            return;
        }
        let (message, hint) = if diagnostics.len() == room {
            ("there is more to say than can be listed; the rest is left out".to_owned(), None)
        } else {
            (message, hint)
        };
        let file = self.file.clone();
        let (message, path) = (one_line(&message), one_line(&path));
        let (hint, resource) = (hint.as_deref().map(one_line), resource.as_deref().map(one_line));
        diagnostics.push(Diagnostic {
            severity,
            file,
            line: at.line,
            column: at.column,
            resource,
            path,
            message,
            hint,
        });
    }
}

/// `Kind namespace/name`, if it has a name.
pub(super) fn label(kind: &str, namespace: &str, name: &str) -> Option<String> {
    match (namespace, name) {
        (_, "") => None,
        ("", name) => Some(format!("{kind} {name}")),
        (namespace, name) => Some(format!("{kind} {namespace}/{name}")),
    }
}

/// A text without what would break a line or command a terminal, and not too long.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(LONGEST));
    for c in text.chars().take(LONGEST) {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    if text.chars().nth(LONGEST).is_some() {
        line.push_str("...");
    }
    line
}

/// A Secret's values stay out of what is said of it.
fn withhold(findings: &mut Findings) {
    for finding in &mut findings.0 {
        if let [Hop::Key(first), _, ..] = finding.trail.0.as_slice()
            && matches!(first.as_str(), "data" | "stringData")
        {
            "this value is not what a Secret can have here: a string, in base64 under `data`"
                .clone_into(&mut finding.message);
            finding.hint = None;
        }
    }
}

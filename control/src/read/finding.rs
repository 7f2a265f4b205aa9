//! What a check finds in one document, before it is known where in the file that stands.

use super::diagnostic::Severity;
use super::node::Position;
use super::path::{Path, Trail};

/// One finding.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    pub(crate) trail: Trail,
    /// The exact place, where the trail would lead to another (a key rather than its value).
    pub(crate) at: Option<Position>,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// The findings of one document.
#[derive(Debug, Default)]
pub(crate) struct Findings(pub(crate) Vec<Finding>);

impl Findings {
    /// The value at `path` makes the resource unusable.
    pub(crate) fn error(&mut self, path: &Path<'_>, message: impl Into<String>) {
        self.push(Severity::Error, path, message.into(), None);
    }

    /// The value at `path` will not do what its writer expects.
    pub(crate) fn warning(&mut self, path: &Path<'_>, message: impl Into<String>) {
        self.push(Severity::Warning, path, message.into(), None);
    }

    /// Adds what to do about the finding made last.
    pub(crate) fn hint(&mut self, hint: impl Into<String>) {
        if let Some(last) = self.0.last_mut() {
            last.hint = Some(hint.into());
        }
    }

    /// Whether any of them makes the resource unusable.
    pub(crate) fn has_errors(&self) -> bool {
        self.0.iter().any(|finding| finding.severity == Severity::Error)
    }

    fn push(&mut self, severity: Severity, path: &Path<'_>, message: String, hint: Option<String>) {
        self.0.push(Finding { severity, trail: path.trail(), at: None, message, hint });
    }
}

//! Where a document's values did not fit, and so of what a check of the rest may speak.

use super::super::finding::Findings;
use super::super::path::{Hop, Trail};

/// What came of a fitting.
#[derive(Debug)]
pub(crate) struct Fitted<T> {
    /// The value, without what did not fit and without unknown fields. None where nothing fitted.
    pub(crate) value: Option<T>,
    /// Where something did not fit: of these places the value does not say all.
    pub(crate) misfits: Misfits,
}

impl<T> From<Option<T>> for Fitted<T> {
    /// What fitted as a whole, or not at all.
    fn from(value: Option<T>) -> Self {
        Self { value, misfits: Misfits::default() }
    }
}

/// The places near which something was set aside.
#[derive(Debug, Default)]
pub(crate) struct Misfits(Vec<Trail>);

impl Misfits {
    pub(super) fn add(&mut self, misfit: &Trail) {
        // Any field may be asked for by any other, save by those of another route or subset: of another element of the
        // outermost list. Without one of its elements that list's others have other numbers than in the text.
        let within = misfit.0.iter().position(|hop| matches!(hop, Hop::Index(_)));
        let within = within.filter(|index| index + 1 < misfit.0.len());
        self.0.push(Trail(within.map_or_else(Vec::new, |index| misfit.0[..=index].to_vec())));
    }

    /// Whether everything fitted.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps of what `check` finds in the part that fitted what would hold of the whole: nothing near a misfit, which may
    /// be the very thing that is missed there, and nothing of what that stands in.
    pub(crate) fn checked(&self, into: &mut Findings, check: impl FnOnce(&mut Findings)) {
        if self.is_empty() {
            return check(into);
        }
        let mut found = Findings::default();
        check(&mut found);
        into.0.extend(found.0.into_iter().filter(|finding| self.leave(&finding.trail)));
    }

    fn leave(&self, trail: &Trail) -> bool {
        !self.0.iter().any(|misfit| trail.0.starts_with(&misfit.0) || misfit.0.starts_with(&trail.0))
    }
}

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

/// What other fields of a document are looked at by. Where one of them did not fit, nothing is known of those.
const ASKED_FOR: &[&[&str]] = &[
    &["spec", "action"],
    &["spec", "endpoints"],
    &["spec", "gateways"],
    &["spec", "selector"],
    &["spec", "template", "metadata", "labels"],
    &["spec", "workloadSelector"],
];

/// The places near which something was set aside.
#[derive(Debug, Default)]
pub(crate) struct Misfits(Vec<Trail>);

impl Misfits {
    pub(super) fn add(&mut self, misfit: &Trail) {
        self.0.push(Trail(misfit.0[..shared(&misfit.0)].to_vec()));
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

/// How many hops towards a misfit lead to all that it may be asked for by: another route, subset or container does not ask
/// for it, nor, mostly, another field of `spec`.
fn shared(misfit: &[Hop]) -> usize {
    // Without one of its elements a list's others have other numbers than in the text.
    let element = misfit.iter().position(|hop| matches!(hop, Hop::Index(_)));
    if let Some(index) = element.filter(|index| index + 1 < misfit.len()) {
        return index + 1;
    }
    let is = |hop: &Hop, name: &&str| matches!(hop, Hop::Key(key) if key == name);
    let meets = |asked: &&&[&str]| misfit.iter().zip(asked.iter()).all(|(hop, name)| is(hop, name));
    if ASKED_FOR.iter().any(|asked| meets(&asked)) {
        return 0;
    }
    let below = |names: &[&str]| {
        names.len() <= misfit.len() && misfit.iter().zip(names).all(|(hop, name)| is(hop, name))
    };
    let depth = if below(&["spec", "template"]) {
        3
    } else if below(&["spec"]) {
        2
    } else {
        1
    };
    depth.min(misfit.len())
}

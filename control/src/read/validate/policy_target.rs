//! What a policy applies to: a selector, or references to other resources, not both.

use crate::read::finding::Findings;
use crate::read::path::Path;
use crate::resources::selector::{Selector, TargetRef};

/// Checks a policy's selector and references.
pub(super) fn check(
    selector: Option<&Selector>,
    target: Option<&TargetRef>,
    targets: &[TargetRef],
    spec: &Path<'_>,
    into: &mut Findings,
) {
    let ways =
        usize::from(selector.is_some()) + usize::from(target.is_some()) + usize::from(!targets.is_empty());
    if ways > 1 {
        into.error(spec, "only one of selector, targetRef and targetRefs can be set");
    }
    if let Some(selector) = selector {
        super::names::selector(&selector.match_labels, &spec.key("selector").key("matchLabels"), into);
    }
    if let Some(target) = target {
        reference(target, &spec.key("targetRef"), into);
    }
    for (index, target) in targets.iter().enumerate() {
        reference(target, &spec.key("targetRefs").index(index), into);
    }
}

fn reference(target: &TargetRef, at: &Path<'_>, into: &mut Findings) {
    if target.kind.is_empty() || target.name.is_empty() {
        into.error(at, "a reference has kind and name");
    }
    if !target.namespace.is_empty() {
        into.error(&at.key("namespace"), "a reference stays in its own namespace");
    }
}

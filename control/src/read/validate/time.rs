//! Lengths of time. None is negative: their type sees to that.

use std::time::Duration;

use crate::read::finding::Findings;
use crate::read::path::Path;
use crate::resources::duration::Span;

/// Checks a time of at least a millisecond, which is the finest that Envoy tells.
pub(super) fn at_least_a_millisecond(span: Option<Span>, at: &Path<'_>, into: &mut Findings) {
    if let Some(Span(time)) = span
        && time < Duration::from_millis(1)
    {
        into.error(at, format!("{time:?} is less than 1ms"));
    }
}

/// Checks a time of a millisecond or more, or of nothing at all, which switches it off.
pub(super) fn millisecond_or_off(span: Option<Span>, at: &Path<'_>, into: &mut Findings) {
    if span != Some(Span(Duration::ZERO)) {
        at_least_a_millisecond(span, at, into);
    }
}

//! Percentages.

use crate::read::finding::Findings;
use crate::read::path::Path;

/// Checks a share of 0 to 100.
pub(super) fn percent(value: f64, at: &Path<'_>, into: &mut Findings) {
    if !(0.0..=100.0).contains(&value) {
        into.error(at, format!("{value} is not a percentage: 0 to 100"));
    }
}

/// Checks a count that cannot be negative.
pub(super) fn not_negative(value: i32, at: &Path<'_>, into: &mut Findings) {
    if value < 0 {
        into.error(at, format!("{value} is negative"));
    }
}

//! When a writer has paused, so that what there is can be read.

use super::eye::{Place, Seen};
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// Editors and `git checkout` write many files in a row: reading waits for this much quiet,
pub(super) const QUIET: Duration = Duration::from_millis(120);
/// for this much where a file went that may come back: some editors remove it before they write it anew,
pub(super) const ABSENCE: Duration = Duration::from_millis(400);
/// and no longer than this, so that a folder written to without end is read all the same.
pub(super) const LONGEST: Duration = Duration::from_millis(500);

/// A change that is going on.
#[derive(Debug, Default)]
pub(super) struct Pause {
    first: Option<Instant>,
    last: Option<Instant>,
    absent: HashSet<Place>,
}

impl Pause {
    /// Takes what happened at `now`.
    pub(super) fn saw(&mut self, seen: &[Seen], now: Instant) {
        if seen.is_empty() {
            return;
        }
        self.first.get_or_insert(now);
        self.last = Some(now);
        for seen in seen {
            match seen {
                Seen::Gone(place) => {
                    self.absent.insert(place.clone());
                }
                Seen::Written(place) => {
                    self.absent.remove(place);
                }
                Seen::Other => {}
            }
        }
    }

    /// When it is over, if nothing more happens; `None` before it has begun.
    pub(super) fn until(&self) -> Option<Instant> {
        let quiet = if self.absent.is_empty() { QUIET } else { ABSENCE };
        Some((self.last? + quiet).min(self.first? + LONGEST))
    }
}

#[cfg(test)]
mod tests;

//! Which requests `weft logs` shows.

use super::entry::Outcome;
use super::request::{Account, Request};
use super::whom::Whom;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What was asked for.
#[derive(Debug, Default)]
pub(super) struct Filter {
    /// Who takes part; none: anybody.
    pub(super) whom: Option<Whom>,
    pub(super) denied: bool,
    pub(super) failed: bool,
    pub(super) since: Option<OffsetDateTime>,
}

impl Filter {
    /// Whether `request` is to be shown.
    pub(super) fn takes(&self, request: &Request) -> bool {
        let asked = [(self.denied, Outcome::Denied), (self.failed, Outcome::Failed)];
        let any = asked.iter().all(|(asked, _)| !asked);
        let outcome = request.outcome();
        (any || asked.contains(&(true, outcome)))
            && self.since.is_none_or(|since| request.started >= since)
            && self.whom.as_ref().is_none_or(|whom| whom.takes_part(request))
    }

    /// What is shown of `request` as it was written: what the sidecars asked for say, and where they say nothing, the others'.
    pub(super) fn accounts<'r>(&self, request: &'r Request) -> Vec<&'r Account> {
        let own: Vec<&Account> = request.accounts().filter(|account| self.is_of(&account.owner)).collect();
        if own.is_empty() { request.accounts().collect() } else { own }
    }

    /// Whether this pod's own log was asked for.
    pub(super) fn is_of(&self, pod: &str) -> bool {
        self.whom.as_ref().is_none_or(|whom| whom.pods.contains(pod))
    }

    /// Whether requests are told apart by more than their pods: lines in another format cannot be.
    pub(super) const fn looks_inside(&self) -> bool {
        self.denied || self.failed || self.since.is_some()
    }
}

/// `--since`: how long ago, or when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    Ago(Duration),
    At(OffsetDateTime),
}

impl Since {
    pub(super) fn moment(self, now: OffsetDateTime) -> OffsetDateTime {
        match self {
            Self::Ago(span) => now - span,
            Self::At(moment) => moment,
        }
    }
}

impl std::str::FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(moment) = OffsetDateTime::parse(text, &Rfc3339) {
            return Ok(Self::At(moment));
        }
        let unit = |unit: char| match unit {
            's' => Some(1),
            'm' => Some(60),
            'h' => Some(3600),
            'd' => Some(86_400),
            _ => None,
        };
        let seconds = text.char_indices().next_back().and_then(|(at, last)| {
            let number: u64 = text.get(..at)?.parse().ok()?;
            // A year is longer than any log.
            number.checked_mul(unit(last)?).filter(|seconds| *seconds <= 366 * 86_400)
        });
        seconds.map(|seconds| Self::Ago(Duration::from_secs(seconds))).ok_or_else(|| {
            "expected a span such as 30s, 5m, 2h or 1d, or a moment such as 2026-01-31T12:00:00Z".to_owned()
        })
    }
}

#[cfg(test)]
mod tests;

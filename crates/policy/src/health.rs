//! Active health checks: what the answers of one endpoint make of it.
//!
//! Pure: who probes tells what came of it. An endpoint that was never probed is used; the first answer settles it, for
//! better without waiting for the threshold, as in Envoy. (Envoy uses nobody before the first answer; its clusters wait
//! for that when they come, a new endpoint in an old cluster then gets nothing for a while.)

use weft_model::health::HealthCheck;

/// What came of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probed {
    /// It is well.
    Well,
    /// It answers, and says that it has little left to give (`x-envoy-degraded`).
    Degraded,
    /// No answer, or not in time.
    Failed,
    /// An answer that says no, which needs no second one.
    Refused,
}

/// What is known of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verdict {
    /// Nothing yet.
    #[default]
    Unknown,
    /// It is well.
    Well,
    /// It is used after those that are well.
    Degraded,
    /// It gets nothing.
    Ill,
}

/// One endpoint under observation.
#[derive(Debug, Clone, Copy, Default)]
pub struct Patient {
    verdict: Verdict,
    /// Probes in a row that speak against the verdict.
    against: u32,
}

impl Patient {
    /// One of which this is known already, as after a change of configuration.
    pub fn known(verdict: Verdict) -> Self {
        Self { verdict, against: 0 }
    }

    /// What is known of it.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Notes a probe; the verdict, if it changed.
    pub fn note(&mut self, check: &HealthCheck, probed: Probed) -> Option<Verdict> {
        let says = match probed {
            Probed::Well => Verdict::Well,
            Probed::Degraded => Verdict::Degraded,
            Probed::Failed | Probed::Refused => Verdict::Ill,
        };
        let needed = match (self.verdict, says) {
            (Verdict::Ill, Verdict::Ill) => 1,
            (Verdict::Ill, _) => check.healthy_threshold,
            (_, Verdict::Ill) if probed == Probed::Failed => check.unhealthy_threshold,
            _ => 1,
        };
        self.against = if says == self.verdict { 0 } else { self.against.saturating_add(1) };
        if says == self.verdict || self.against < needed {
            return None;
        }
        *self = Self::known(says);
        Some(says)
    }
}

#[cfg(test)]
mod tests;

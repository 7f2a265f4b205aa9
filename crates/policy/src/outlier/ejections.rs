//! Who of a cluster is out, since when, for how long and for the how manieth time.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use super::{Cause, Settings};

/// What follows for the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is out already.
    Keep,
    /// Out until the moment given.
    Eject {
        /// When it comes back.
        until: Instant,
        /// The ejection's length.
        length: Duration,
        /// The how manieth in a row it is.
        times: u32,
    },
    /// Deserved ejection, but the cluster may not lose one more.
    Spare {
        /// So many are out.
        out: usize,
        /// Of so many.
        total: usize,
    },
    /// Deserved ejection, but the share of verdicts that are carried out leaves this one out.
    Waived,
}

/// The ejections of one cluster, its endpoints told apart by `K`.
#[derive(Debug)]
pub struct Ejections<K> {
    histories: HashMap<K, History>,
}

impl<K> Default for Ejections<K> {
    fn default() -> Self {
        Self { histories: HashMap::new() }
    }
}

/// What an endpoint has behind it.
#[derive(Debug, Clone, Copy, Default)]
struct History {
    /// Ejections that count for the length of the next.
    times: u32,
    /// Out until then.
    until: Option<Instant>,
    /// In again since then.
    back: Option<Instant>,
}

impl History {
    /// Each interval in which it was in and well takes one ejection off.
    fn forgive(&mut self, settings: &Settings, now: Instant) {
        let Some(back) = self.back else { return };
        let interval = settings.interval.max(Duration::from_millis(1)).as_nanos();
        let well = now.saturating_duration_since(back).as_nanos() / interval;
        let well = u32::try_from(well).unwrap_or(u32::MAX);
        self.times = self.times.saturating_sub(well);
        self.back = back.checked_add(settings.interval.saturating_mul(well)).or(Some(now));
    }
}

impl<K: Clone + Eq + Hash> Ejections<K> {
    /// Judges `endpoint`, which deserves ejection for `cause` at `now`. `present` are all endpoints of the cluster: others
    /// are forgotten. `draw`, from 0 to 99, is the chance by which a verdict may be waived.
    pub fn judge<'k>(
        &mut self,
        settings: &Settings,
        endpoint: &K,
        cause: Cause,
        present: impl Iterator<Item = &'k K>,
        draw: u32,
        now: Instant,
    ) -> Verdict
    where
        K: 'k,
    {
        let (mut out, mut total, mut known) = (0, 0, HashMap::with_capacity(self.histories.len()));
        for other in present {
            total += 1;
            if let Some(history) = self.histories.get(other) {
                out += usize::from(history.until.is_some());
                known.insert(other.clone(), *history);
            }
        }
        // One that is out comes back through `readmit` even if it left the cluster meanwhile.
        self.histories.retain(|_, history| history.until.is_some());
        self.histories.extend(known);
        let history = self.histories.entry(endpoint.clone()).or_default();
        if history.until.is_some() {
            return Verdict::Keep;
        }
        let enforced = settings.enforced(cause);
        if enforced > 0 && out + 1 > settings.most_out(total) {
            return Verdict::Spare { out, total };
        }
        if draw >= enforced {
            return Verdict::Waived;
        }
        history.forgive(settings, now);
        let (base, max) = (settings.base_ejection, settings.max_ejection);
        if base.saturating_mul(history.times) < max.saturating_add(base) {
            history.times += 1;
        }
        let length = base.saturating_mul(history.times).min(max);
        // A moment that no clock can tell is never.
        let until = now.checked_add(length).unwrap_or(now);
        history.until = Some(until);
        history.back = None;
        Verdict::Eject { until, length, times: history.times }
    }

    /// Lets `endpoint` in again if its time is over; says whether it came in.
    pub fn readmit(&mut self, endpoint: &K, now: Instant) -> bool {
        let Some(history) = self.histories.get_mut(endpoint) else { return false };
        let over = history.until.is_some_and(|until| until <= now);
        if over {
            history.until = None;
            history.back = Some(now);
        }
        over
    }

    /// When `endpoint` comes back, if it is out.
    pub fn until(&self, endpoint: &K) -> Option<Instant> {
        self.histories.get(endpoint)?.until
    }

    /// So many are out, those that left the cluster meanwhile among them.
    pub fn out(&self) -> usize {
        self.histories.values().filter(|history| history.until.is_some()).count()
    }
}

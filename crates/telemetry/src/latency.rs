//! How long things took: a small histogram with logarithmic buckets, for quantiles a person looks at.
//!
//! Recording is one store by the only thread that records. A quantile read back is off by at most a thirty-second part of itself
//! (3 %).

use std::time::Duration;

use crate::own::Own;

/// Each power of two has this many buckets, as a power of two.
const PRECISION: u32 = 4;
const STEPS: usize = 1 << PRECISION;
/// Longer than this power of two of microseconds (19 hours) is not told apart.
const MAX_POWER: u32 = 36;
const BUCKETS: usize = STEPS * (MAX_POWER - PRECISION + 2) as usize;

/// The histogram that is recorded into.
#[derive(Debug)]
pub struct Latency {
    counts: Box<[Own]>,
}

/// What a histogram held at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatencySnapshot {
    counts: Box<[u64]>,
}

impl Latency {
    /// An empty histogram.
    pub fn new() -> Self {
        Self { counts: (0..BUCKETS).map(|_| Own::default()).collect() }
    }

    /// Records one duration. One thread records, others may read meanwhile.
    pub fn record(&self, took: Duration) {
        self.counts[bucket(took)].add(1);
    }

    /// What it holds now.
    pub fn snapshot(&self) -> LatencySnapshot {
        LatencySnapshot { counts: self.counts.iter().map(Own::now).collect() }
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self::new()
    }
}

impl LatencySnapshot {
    /// How many durations it holds.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The duration that the share `quantile` (0.0 to 1.0) of all did not exceed; `None` if there is none.
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        let count = self.count();
        // The smallest rank that has the share below it, from one; a cast saturates and makes NaN zero.
        let rank = ((quantile * count as f64).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        let found = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        found.map(middle)
    }

    /// Puts another histogram's durations in.
    pub fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
    }
}

impl Default for LatencySnapshot {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS].into() }
    }
}

fn bucket(took: Duration) -> usize {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).min((1 << (MAX_POWER + 1)) - 1);
    let Some(power) = micros.checked_ilog2().filter(|power| *power >= PRECISION) else {
        return micros as usize;
    };
    let step = (micros >> (power - PRECISION)) as usize - STEPS;
    (power - PRECISION + 1) as usize * STEPS + step
}

/// The middle of a bucket.
fn middle(bucket: usize) -> Duration {
    let (power, step) = (bucket / STEPS, bucket % STEPS);
    if power <= 1 {
        return Duration::from_micros(bucket as u64);
    }
    let width = 1_u64 << (power - 1);
    Duration::from_micros((STEPS + step) as u64 * width + width / 2)
}

#[cfg(test)]
mod tests;

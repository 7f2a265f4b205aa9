//! All series of one kind, by their labels: bounded, shared by the workers, looked at on a miss only.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::{Counter, Recorder};
use parking_lot::Mutex;

use super::labels::Labels;
use super::series::Series;

/// The living series.
#[derive(Debug)]
pub(super) struct Table<S> {
    series: Mutex<HashMap<String, Arc<S>>>,
    max: usize,
    overflow: Counter,
    /// Seconds of life, told by `forget`: a clock that the hot path reads for the price of a load.
    age: AtomicU64,
    /// When something was forgotten last, and how many times.
    forgotten_at: AtomicU64,
    forgotten: AtomicU64,
}

/// Label sets that `other` may take beyond the bound: reporter x protocol x security.
const OTHERS: usize = 2 * 3 * 3;

impl<S: Series> Table<S> {
    pub(super) fn new(max: usize, overflow: Counter) -> Self {
        Self {
            series: Mutex::default(),
            max,
            overflow,
            age: AtomicU64::new(0),
            forgotten_at: AtomicU64::new(0),
            forgotten: AtomicU64::new(0),
        }
    }

    /// The series of `labels`, or of `other` if there is no place for one more.
    pub(super) fn series(&self, labels: &Labels, recorder: &dyn Recorder) -> Arc<S> {
        let mut all = self.series.lock();
        let identity = labels.identity();
        if let Some(series) = all.get(&identity) {
            series.usage().touch(self.age());
            return Arc::clone(series);
        }
        if all.len() < self.max {
            return self.add(&mut all, labels, identity, recorder);
        }
        self.overflow.increment(1);
        let other = labels.other();
        let identity = other.identity();
        if let Some(series) = all.get(&identity) {
            series.usage().touch(self.age());
            return Arc::clone(series);
        }
        debug_assert!(all.len() < self.max + OTHERS, "`other` has few label sets");
        self.add(&mut all, &other, identity, recorder)
    }

    fn add(
        &self,
        all: &mut HashMap<String, Arc<S>>,
        labels: &Labels,
        identity: String,
        recorder: &dyn Recorder,
    ) -> Arc<S> {
        let series = Arc::new(S::register(labels, recorder));
        series.usage().touch(self.age());
        all.insert(identity, Arc::clone(&series));
        series
    }

    /// Seconds of life, as of the last `forget`.
    pub(super) fn age(&self) -> u64 {
        self.age.load(Ordering::Relaxed)
    }

    /// Changes whenever something was forgotten.
    pub(super) fn generation(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed)
    }

    /// Every living series.
    pub(super) fn all(&self) -> Vec<Arc<S>> {
        self.series.lock().values().cloned().collect()
    }

    /// Lets go what was not used for `idle`. Says whether anything was let go within the last three times
    /// `idle`: for so long the exporter may still have something to drop.
    pub(super) fn forget(&self, age: Duration, idle: Duration) -> bool {
        let (age, idle) = (age.as_secs(), idle.as_secs());
        self.age.fetch_max(age, Ordering::Relaxed);
        let mut all = self.series.lock();
        let before = all.len();
        all.retain(|_, series| {
            // One holder is the table itself.
            let holders = Arc::strong_count(series) - 1;
            let keep = series.is_held(holders) || age.saturating_sub(series.usage().last()) <= idle;
            if !keep {
                series.usage().forget();
            }
            keep
        });
        if all.len() < before {
            self.forgotten.fetch_add(1, Ordering::Relaxed);
            self.forgotten_at.store(age, Ordering::Relaxed);
        }
        self.generation() > 0
            && age.saturating_sub(self.forgotten_at.load(Ordering::Relaxed)) <= idle.saturating_mul(3)
    }
}

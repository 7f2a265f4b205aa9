//! The proxy protects itself: above a ceiling of memory it refuses new work before it grows further.
//!
//! Only work makes it grow, so only work looks: one request or connection in [`EACH`] on each worker reads how much memory is
//! in use, the others read one flag; an idle process is never woken. What is under way goes on.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Where no cgroup limits the process.
const DEFAULT: u64 = 1024 * 1024 * 1024;

/// One in so many looks. Each holds a few hundred KiB at most, so between two looks little can grow.
pub const EACH: u32 = 512;

/// While new work is refused, memory is looked at so often.
const AGAIN: Duration = Duration::from_millis(100);

/// New work is refused from this share of the limit on...
const CLOSE_AT: u64 = 90;

/// ...until no more than this is used.
const OPEN_AT: u64 = 80;

/// How full the process is.
#[derive(Debug)]
pub struct Overload {
    full: AtomicBool,
    used: AtomicU64,
    limit: AtomicU64,
    began: Instant,
    /// Milliseconds since `began`.
    looked: AtomicU64,
}

impl Default for Overload {
    fn default() -> Self {
        Self::new(cgroup_limit().unwrap_or(DEFAULT))
    }
}

impl Overload {
    /// With a limit in bytes.
    pub fn new(limit: u64) -> Self {
        Self {
            full: AtomicBool::new(false),
            used: AtomicU64::new(0),
            limit: AtomicU64::new(limit),
            began: Instant::now(),
            looked: AtomicU64::new(0),
        }
    }

    /// Another limit, from now on.
    pub fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
        self.look();
    }

    /// Why new work is refused, if it is. `turn` counts the work of one worker.
    pub fn refuses(&self, turn: u32) -> Option<String> {
        if turn.is_multiple_of(EACH) || (self.is_full() && self.is_time()) {
            self.look();
        }
        if !self.is_full() {
            return None;
        }
        let mib = |bytes: &AtomicU64| bytes.load(Ordering::Relaxed) / (1024 * 1024);
        let (used, limit) = (mib(&self.used), mib(&self.limit));
        Some(format!(
            "the proxy itself uses {used} MiB of memory; from {CLOSE_AT} % of {limit} MiB on it takes no new work"
        ))
    }

    fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    fn since_began(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn is_time(&self) -> bool {
        u128::from(self.since_began() - self.looked.load(Ordering::Relaxed).min(self.since_began()))
            >= AGAIN.as_millis()
    }

    fn look(&self) {
        self.looked.store(self.since_began(), Ordering::Relaxed);
        // Without /proc there is nothing to look at.
        if let Some(used) = resident() {
            self.note(used);
        }
    }

    fn note(&self, used: u64) {
        self.used.store(used, Ordering::Relaxed);
        let limit = self.limit.load(Ordering::Relaxed);
        let full = is_full(self.is_full(), used, limit);
        let was = self.full.swap(full, Ordering::Relaxed);
        let (used_mib, limit_mib) = (used / (1024 * 1024), limit / (1024 * 1024));
        match (was, full) {
            (false, true) => {
                tracing::error!(
                    used_mib,
                    limit_mib,
                    "too much memory is in use: new work is refused with 503"
                );
            }
            (true, false) => tracing::info!(used_mib, limit_mib, "memory is free again: new work is taken"),
            _ => {}
        }
    }
}

/// Once full it stays so until clearly less is used.
fn is_full(was: bool, used: u64, limit: u64) -> bool {
    let share = if was { OPEN_AT } else { CLOSE_AT };
    u128::from(used) * 100 > u128::from(limit) * u128::from(share)
}

/// Bytes of this process in memory.
fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * PAGE)
}

/// Linux's page on the machines that this runs on; a larger one errs towards taking work.
const PAGE: u64 = 4096;

/// The memory that the cgroup of this process may use (cgroup v2, or v1).
fn cgroup_limit() -> Option<u64> {
    let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let v2 = own.lines().find_map(|line| line.strip_prefix("0::"));
    let places = [
        v2.map(|path| format!("/sys/fs/cgroup{path}/memory.max")),
        Some("/sys/fs/cgroup/memory.max".to_owned()),
        Some("/sys/fs/cgroup/memory/memory.limit_in_bytes".to_owned()),
    ];
    let limits = places.into_iter().flatten().filter_map(|path| std::fs::read_to_string(path).ok());
    // v1 writes "no limit" as a number near the largest.
    limits.filter_map(|text| text.trim().parse().ok()).find(|limit| *limit < u64::MAX / 4)
}

#[cfg(test)]
mod tests;

//! The proxy protects itself: above a ceiling of memory it refuses new work before it grows further.
//!
//! Only work makes it grow, so only work looks: each request, connection and copy counts, and every so manieth of a worker's
//! reads how much memory is in use, the sooner the nearer the ceiling is ([`ceiling`]); the others read one flag. An idle
//! process is never woken. What is under way goes on.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use weft_policy::ceiling;

/// Where no cgroup limits the process.
const DEFAULT: u64 = 1024 * 1024 * 1024;

/// While new work is refused, memory is looked at so often.
const AGAIN: Duration = Duration::from_millis(100);

/// Else whoever comes so long after the last look looks: what was taken before may have grown.
const SELDOM: Duration = Duration::from_secs(1);

/// How full the process is.
#[derive(Debug)]
pub struct Overload {
    full: AtomicBool,
    /// After so many pieces of its work a worker looks.
    next: AtomicU32,
    workers: AtomicU32,
    used: AtomicU64,
    limit: AtomicU64,
    began: Instant,
    /// Milliseconds since `began`.
    looked: AtomicU64,
    /// Where the kernel tells it; `None`: there is nothing to look at.
    statm: Option<File>,
}

impl Default for Overload {
    fn default() -> Self {
        Self::new(cgroup_limit().unwrap_or(DEFAULT))
    }
}

impl Overload {
    /// With a limit in bytes, for one worker.
    pub fn new(limit: u64) -> Self {
        Self {
            full: AtomicBool::new(false),
            next: AtomicU32::new(1),
            workers: AtomicU32::new(1),
            used: AtomicU64::new(0),
            limit: AtomicU64::new(limit),
            began: Instant::now(),
            looked: AtomicU64::new(0),
            statm: File::open("/proc/self/statm").ok(),
        }
    }

    /// So many workers take work at once.
    pub fn set_workers(&self, workers: usize) {
        self.workers.store(u32::try_from(workers).unwrap_or(u32::MAX), Ordering::Relaxed);
        self.look();
    }

    /// Another limit, from now on.
    pub fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
        self.look();
    }

    /// Looks, if it is time to. `since` is what the asking worker has taken since it looked, begun anew where it looks now.
    pub fn count(&self, since: &mut u32, now: Instant) {
        *since = since.saturating_add(1);
        let (most, rest) =
            if self.is_full() { (u32::MAX, AGAIN) } else { (self.next.load(Ordering::Relaxed), SELDOM) };
        if *since >= most || self.since_look(now) >= rest {
            *since = 0;
            self.look();
        }
    }

    /// Why new work is refused, if it is.
    pub fn refusal(&self) -> Option<String> {
        if !self.is_full() {
            return None;
        }
        let mib = |bytes: &AtomicU64| bytes.load(Ordering::Relaxed) / (1024 * 1024);
        let (used, limit) = (mib(&self.used), mib(&self.limit));
        Some(format!(
            "the proxy itself uses {used} MiB of memory; from {} % of {limit} MiB on it takes no new work",
            ceiling::CLOSE_AT
        ))
    }

    /// Is new work refused?
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    fn since_look(&self, now: Instant) -> Duration {
        let looked = Duration::from_millis(self.looked.load(Ordering::Relaxed));
        now.saturating_duration_since(self.began).saturating_sub(looked)
    }

    fn look(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.looked.store(now, Ordering::Relaxed);
        if let Some(used) = self.resident() {
            self.note(used);
        }
    }

    fn note(&self, used: u64) {
        self.used.store(used, Ordering::Relaxed);
        let limit = self.limit.load(Ordering::Relaxed);
        let next = ceiling::next_look(used, limit, self.workers.load(Ordering::Relaxed));
        self.next.store(next, Ordering::Relaxed);
        let full = ceiling::is_full(self.is_full(), used, limit);
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

    /// Bytes of this process in memory.
    fn resident(&self) -> Option<u64> {
        let mut line = [0; 128];
        let read = self.statm.as_ref()?.read_at(&mut line, 0).ok()?;
        let pages: u64 = std::str::from_utf8(&line[..read]).ok()?.split(' ').nth(1)?.parse().ok()?;
        Some(pages * PAGE)
    }
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

//! Where log lines go: a file or standard output, written by one thread of its own.
//!
//! Every worker has a lane: a buffer it formats into and that only the writer ever swaps for an empty one, so
//! that workers do not meet. A lane that is full drops lines and counts them.

mod writer;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::Thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Bytes that may wait in one lane.
const MAX_WAITING: usize = 1024 * 1024;
/// Bytes in one lane that are written without waiting for more: few enough that what a processor's cache holds for the
/// traffic is not swept out by the log of it.
const FULL: usize = 128 * 1024;

/// Why a log cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum LogFileError {
    /// The path cannot be opened.
    #[error(
        "access log {path}: {source}; look at the path and at the rights of this process, or use /dev/stdout",
        path = path.display()
    )]
    Open {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No thread for it.
    #[error("access log {path}: no thread to write it: {source}", path = path.display())]
    Thread {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The logs of one process, each path opened once however many listeners write to it, and closed when none
/// does any more. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct LogFiles {
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    open: HashMap<PathBuf, (Arc<Shared>, Weak<Closer>)>,
    /// Lines that logs lost which are closed now.
    lost: u64,
}

/// One open log; cheap to clone. Its last lines are written when the last clone and lane are gone.
#[derive(Debug, Clone)]
pub struct LogFile {
    shared: Arc<Shared>,
    closer: Arc<Closer>,
}

/// One worker's way into a log.
#[derive(Debug, Clone)]
pub struct LogLane {
    buffer: Arc<Mutex<Vec<u8>>>,
    shared: Arc<Shared>,
    _closer: Arc<Closer>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    lanes: Mutex<Vec<Arc<Mutex<Vec<u8>>>>>,
    /// Set by the first line after the writer looked: only that one pays for waking it.
    pending: AtomicBool,
    /// Set by the line that made a lane full, until the writer looks.
    full: AtomicBool,
    dropped: AtomicU64,
    failed: AtomicU64,
    asked: Mutex<Asked>,
    /// Wakes the writer when something is asked, and whoever asked when it is done.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Asked {
    /// Rounds of writing that were asked for, and those that are over.
    rounds: u64,
    done: u64,
    reopen: bool,
    closing: bool,
}

impl LogFiles {
    /// No logs yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The log at `path`, opened if it is not. `/dev/stdout` and `/dev/stderr` are this process's own,
    /// whatever they are.
    pub fn open(&self, path: &Path) -> Result<LogFile, LogFileError> {
        let mut known = self.known.lock();
        if let Some(file) = known.open.get(path).and_then(file_of) {
            return Ok(file);
        }
        let mut lost = 0;
        known.open.retain(|_, (shared, closer)| {
            let open = closer.strong_count() > 0;
            lost += if open { 0 } else { shared.lost() };
            open
        });
        known.lost += lost;
        let file = LogFile::open(path)?;
        known.open.insert(path.to_owned(), (Arc::clone(&file.shared), Arc::downgrade(&file.closer)));
        Ok(file)
    }

    /// Opens every path anew, for after they were moved away.
    pub fn reopen(&self) {
        self.all().iter().for_each(LogFile::reopen);
    }

    /// Writes what waits, everywhere; says whether all of it was written, each log within `patience`.
    pub fn flush(&self, patience: Duration) -> bool {
        // Every one of them, also after one that is stuck.
        self.all().iter().filter(|file| !file.flush(patience)).count() == 0
    }

    /// Lines lost so far, in all logs.
    pub fn dropped(&self) -> u64 {
        let known = self.known.lock();
        known.lost + known.open.values().map(|(shared, _)| shared.lost()).sum::<u64>()
    }

    // Not under the lock: the last clone of a log waits for its writer when it is dropped.
    fn all(&self) -> Vec<LogFile> {
        self.known.lock().open.values().filter_map(file_of).collect()
    }
}

fn file_of((shared, closer): &(Arc<Shared>, Weak<Closer>)) -> Option<LogFile> {
    Some(LogFile { shared: Arc::clone(shared), closer: closer.upgrade()? })
}

impl Shared {
    fn lost(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed) + self.failed.load(Ordering::Relaxed)
    }
}

impl LogFile {
    /// Opens `path` for appending, and starts its writer.
    pub fn open(path: &Path) -> Result<Self, LogFileError> {
        let sink = writer::Sink::open(path)
            .map_err(|source| LogFileError::Open { path: path.to_owned(), source })?;
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            lanes: Mutex::default(),
            pending: AtomicBool::new(false),
            full: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            asked: Mutex::default(),
            changed: Condvar::new(),
        });
        let inner = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("access-log".to_owned());
        let thread = thread
            .spawn(move || writer::run(&inner, sink))
            .map_err(|source| LogFileError::Thread { path: path.to_owned(), source })?;
        let closer = Closer { shared: Arc::clone(&shared), writer: thread.thread().clone() };
        Ok(Self { shared, closer: Arc::new(closer) })
    }

    /// A new lane, for one worker.
    pub fn lane(&self) -> LogLane {
        let buffer = Arc::<Mutex<Vec<u8>>>::default();
        self.shared.lanes.lock().push(Arc::clone(&buffer));
        LogLane { buffer, shared: Arc::clone(&self.shared), _closer: Arc::clone(&self.closer) }
    }

    /// Opens the path anew before the next line is written. If that fails the old file stays, and the process
    /// log says so.
    pub fn reopen(&self) {
        self.shared.asked.lock().reopen = true;
        self.shared.changed.notify_all();
    }

    /// Has everything written that was logged before this call; says whether that happened within `patience`.
    pub fn flush(&self, patience: Duration) -> bool {
        let deadline = std::time::Instant::now() + patience;
        let mut asked = self.shared.asked.lock();
        asked.rounds += 1;
        let mine = asked.rounds;
        self.shared.changed.notify_all();
        while asked.done < mine {
            if self.shared.changed.wait_until(&mut asked, deadline).timed_out() {
                return asked.done >= mine;
            }
        }
        true
    }

    /// Lines dropped so far because the file was slower than the traffic, or could not be written.
    pub fn dropped(&self) -> u64 {
        self.shared.lost()
    }
}

impl LogLane {
    /// Appends what `line` writes, which is one whole line; or counts it as dropped when too much waits
    /// already.
    pub fn write(&self, line: impl FnOnce(&mut Vec<u8>)) {
        let full = {
            let mut buffer = self.buffer.lock();
            if buffer.len() >= MAX_WAITING {
                drop(buffer);
                self.shared.dropped.fetch_add(1, Ordering::Relaxed);
                return;
            }
            line(&mut buffer);
            buffer.len() >= FULL
        };
        let Shared { pending, full: told, .. } = &*self.shared;
        // Looked at before it is written to: the writer's processor need not give it back for each line.
        let first = !pending.load(Ordering::Acquire) && !pending.swap(true, Ordering::AcqRel);
        if first | (full && !told.load(Ordering::Acquire) && !told.swap(true, Ordering::AcqRel)) {
            // Taken and given back, so that the writer cannot fall asleep between its look and its wait.
            drop(self.shared.asked.lock());
            self.shared.changed.notify_all();
        }
    }
}

/// Ends the writer when nobody can log any more.
#[derive(Debug)]
struct Closer {
    shared: Arc<Shared>,
    writer: Thread,
}

impl Drop for Closer {
    fn drop(&mut self) {
        /// A reader that does not read must not keep the process from ending.
        const PATIENCE: Duration = Duration::from_secs(1);
        let mut asked = self.shared.asked.lock();
        asked.closing = true;
        asked.rounds += 1;
        let mine = asked.rounds;
        self.shared.changed.notify_all();
        if std::thread::current().id() != self.writer.id() {
            let _ = self.shared.changed.wait_while_for(&mut asked, |asked| asked.done < mine, PATIENCE);
        }
    }
}

#[cfg(test)]
mod tests;

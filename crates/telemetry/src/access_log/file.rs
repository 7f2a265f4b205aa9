//! Where log lines go: a file or standard output, written by one thread of its own.
//!
//! Every worker has a lane: a buffer it formats into and that only the writer ever swaps for an empty one, so
//! that workers do not meet. A lane that is full drops lines and counts them.

mod writer;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Bytes that may wait in one lane.
const MAX_WAITING: usize = 1024 * 1024;

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

/// The logs of one process, each path opened once however many listeners write to it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct LogFiles {
    open: Arc<Mutex<HashMap<PathBuf, LogFile>>>,
}

/// One open log; cheap to clone. Its last lines are written when the last clone and lane are gone.
#[derive(Debug, Clone)]
pub struct LogFile {
    shared: Arc<Shared>,
    _closer: Arc<Closer>,
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
        let mut open = self.open.lock();
        if let Some(file) = open.get(path) {
            return Ok(file.clone());
        }
        let file = LogFile::open(path)?;
        open.insert(path.to_owned(), file.clone());
        Ok(file)
    }

    /// Opens every path anew, for after they were moved away.
    pub fn reopen(&self) {
        self.open.lock().values().for_each(LogFile::reopen);
    }

    /// Writes what waits, everywhere; says whether all of it was written within `patience`.
    pub fn flush(&self, patience: Duration) -> bool {
        let files: Vec<_> = self.open.lock().values().cloned().collect();
        files.iter().all(|file| file.flush(patience))
    }

    /// Lines dropped so far, in all logs.
    pub fn dropped(&self) -> u64 {
        self.open.lock().values().map(LogFile::dropped).sum()
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
        Ok(Self { shared, _closer: Arc::new(closer) })
    }

    /// A new lane, for one worker.
    pub fn lane(&self) -> LogLane {
        let buffer = Arc::<Mutex<Vec<u8>>>::default();
        self.shared.lanes.lock().push(Arc::clone(&buffer));
        LogLane { buffer, shared: Arc::clone(&self.shared), _closer: Arc::clone(&self._closer) }
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
        self.shared.dropped.load(Ordering::Relaxed) + self.shared.failed.load(Ordering::Relaxed)
    }
}

impl LogLane {
    /// Appends what `line` writes, which is one whole line; or counts it as dropped when too much waits
    /// already.
    pub fn write(&self, line: impl FnOnce(&mut Vec<u8>)) {
        {
            let mut buffer = self.buffer.lock();
            if buffer.len() >= MAX_WAITING {
                drop(buffer);
                self.shared.dropped.fetch_add(1, Ordering::Relaxed);
                return;
            }
            line(&mut buffer);
        }
        if !self.shared.pending.swap(true, Ordering::AcqRel) {
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

//! The writer's thread: sleeps until there is something. After a pause it writes that down at once; under load it lets a
//! little more come, and writes it all together.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::Shared;

/// From one write to the next, while lines gather: few enough milliseconds for whoever watches, many enough for one
/// write to take many lines.
const GATHER: Duration = Duration::from_millis(10);
/// A pipe that takes nothing for so long loses what waits.
const STALLED: Duration = Duration::from_secs(1);
/// At most one word about lost lines in this time.
const COMPLAIN: Duration = Duration::from_secs(10);
/// A buffer that grew beyond this is not kept: the line that makes one full may double it.
const KEEP: usize = 2 * super::FULL;

/// What is written to.
pub(super) struct Sink {
    file: File,
    can_reopen: bool,
}

impl Sink {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        use std::os::fd::AsFd;
        // Not by their paths: opening those fails where they are a socket, or a pipe of another user.
        let own = match path.to_str() {
            Some("/dev/stdout" | "/proc/self/fd/1") => Some(io::stdout().as_fd().try_clone_to_owned()?),
            Some("/dev/stderr" | "/proc/self/fd/2") => Some(io::stderr().as_fd().try_clone_to_owned()?),
            _ => None,
        };
        match own {
            Some(own) => Ok(Self { file: own.into(), can_reopen: false }),
            None => {
                let file = OpenOptions::new().append(true).create(true).open(path)?;
                Ok(Self { file, can_reopen: true })
            }
        }
    }
}

struct Writer<'a> {
    shared: &'a Shared,
    sink: Sink,
    spare: Vec<u8>,
    /// When something was written last.
    wrote: Option<Instant>,
    complained: Option<(Instant, u64)>,
}

/// Writes until it is told to close.
pub(super) fn run(shared: &Arc<Shared>, sink: Sink) {
    let mut writer = Writer { shared, sink, spare: Vec::new(), wrote: None, complained: None };
    loop {
        let (round, closing) = writer.wait();
        writer.write_all();
        let mut asked = shared.asked.lock();
        asked.done = round;
        drop(asked);
        shared.changed.notify_all();
        writer.complain();
        if closing {
            return;
        }
    }
}

impl Writer<'_> {
    /// Waits for something to do; returns the round that it will complete, and whether it is the last.
    fn wait(&mut self) -> (u64, bool) {
        let mut asked = self.shared.asked.lock();
        while !self.shared.pending.load(Ordering::Acquire)
            && asked.rounds == asked.done
            && !asked.reopen
            && !asked.closing
        {
            self.shared.changed.wait(&mut asked);
        }
        // No later than a line woke this thread before; a lone one waits for nothing.
        let deadline = self.wrote.map(|at| at + GATHER).filter(|at| *at > Instant::now());
        while let Some(deadline) = deadline
            && !self.shared.full.load(Ordering::Acquire)
            && asked.rounds == asked.done
            && !asked.closing
        {
            if self.shared.changed.wait_until(&mut asked, deadline).timed_out() {
                break;
            }
        }
        if std::mem::take(&mut asked.reopen) && self.sink.can_reopen {
            match Sink::open(&self.shared.path) {
                Ok(sink) => self.sink = sink,
                Err(error) => {
                    let path = self.shared.path.display();
                    tracing::error!(%error, %path, "the access log could not be opened anew; the old file is still written");
                }
            }
        }
        (asked.rounds, asked.closing)
    }

    fn write_all(&mut self) {
        // Before the look into the lanes, so that a line that comes during it wakes this thread again.
        self.shared.pending.store(false, Ordering::Release);
        self.shared.full.store(false, Ordering::Release);
        let lanes: Vec<Arc<Mutex<Vec<u8>>>> = self.shared.lanes.lock().clone();
        for lane in &lanes {
            std::mem::swap(&mut *lane.lock(), &mut self.spare);
            if self.spare.is_empty() {
                continue;
            }
            if let Err((error, written)) = write_patiently(&mut self.sink.file, &self.spare) {
                let lost = self.spare[written..].iter().filter(|byte| **byte == b'\n').count();
                self.shared.failed.fetch_add(lost as u64, Ordering::Relaxed);
                let path = self.shared.path.display();
                tracing::debug!(%error, %path, lost, "access log lines could not be written");
            }
            self.wrote = Some(Instant::now());
            self.spare.clear();
            self.spare.shrink_to(KEEP);
        }
        drop(lanes);
        // A lane that only the list still holds has no worker any more; if it is empty, it is done.
        self.shared.lanes.lock().retain(|lane| Arc::strong_count(lane) > 1 || !lane.lock().is_empty());
    }

    fn complain(&mut self) {
        let dropped =
            self.shared.dropped.load(Ordering::Relaxed) + self.shared.failed.load(Ordering::Relaxed);
        let (last, known) = self.complained.map_or((None, 0), |(at, known)| (Some(at), known));
        if dropped == known || last.is_some_and(|at| at.elapsed() < COMPLAIN) {
            return;
        }
        self.complained = Some((Instant::now(), dropped));
        tracing::warn!(
            path = %self.shared.path.display(),
            lost = dropped - known,
            "access log lines were lost: what reads them is slower than the traffic, or the disk is full"
        );
    }
}

/// Writes everything, and waits a while where a pipe is full; on failure says how much was written.
fn write_patiently(file: &mut File, mut bytes: &[u8]) -> Result<(), (io::Error, usize)> {
    let all = bytes.len();
    let mut stalled_since = None;
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err((ErrorKind::WriteZero.into(), all - bytes.len())),
            Ok(written) => {
                bytes = &bytes[written..];
                stalled_since = None;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Somebody else set the standard output to not block.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let since = *stalled_since.get_or_insert_with(Instant::now);
                if since.elapsed() > STALLED {
                    return Err((error, all - bytes.len()));
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err((error, all - bytes.len())),
        }
    }
    Ok(())
}

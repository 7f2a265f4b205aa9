//! Child processes: started, watched, started again with back-off, and stopped without a trace.
//!
//! Each child leads a process group of its own, so Ctrl-C at the terminal reaches `weft up` alone, which then
//! stops its children in order; and has a pipe as standard input, which closes when `up` is gone (`parent`).

mod too_big;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use weft_runtime::backoff::{Backoff, BackoffSettings};

/// A log larger than this is emptied: a day of access logs must not fill the disk.
const MAX_LOG: u64 = 64 << 20;
const LOG_CHECK: Duration = Duration::from_secs(20);
/// From the first byte of a line to a child to its last.
const HEARING: Duration = Duration::from_secs(1);
/// What of a log's end is shown when its process died.
const LAST_WORDS: u64 = 2048;
const RESTART: BackoffSettings = BackoffSettings {
    base: Duration::from_millis(250),
    max: Duration::from_secs(10),
    stable: Duration::from_secs(20),
};

/// A program to keep running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    /// Its name in the output; unique among the supervisor's children.
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    /// The whole environment: nothing is inherited.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// Where its standard output is appended.
    pub(crate) output: PathBuf,
    /// Where its standard error is appended.
    pub(crate) errors: PathBuf,
    /// From SIGTERM to SIGKILL.
    pub(crate) grace: Duration,
}

/// What happened to a child.
#[derive(Debug)]
pub(crate) enum Event {
    /// It runs.
    Started { name: String, pid: u32 },
    /// It ended without having been asked to, and is started again after `again_in`.
    Ended { name: String, how: String, last_words: Vec<String>, again_in: Duration },
    /// It could not be started at all; tried again after `again_in`.
    NotStarted { name: String, error: std::io::Error, again_in: Duration },
}

/// The children of this process.
#[derive(Debug)]
pub(crate) struct Supervisor {
    events: mpsc::UnboundedSender<Event>,
    children: BTreeMap<String, Watched>,
    hurry: CancellationToken,
}

#[derive(Debug)]
struct Watched {
    stop: CancellationToken,
    renewals: mpsc::UnboundedSender<Renewal>,
    task: JoinHandle<()>,
}

/// What a child is from its next start on, and the line by which the one that runs learns of it.
#[derive(Debug)]
struct Renewal {
    program: Program,
    line: String,
}

impl Supervisor {
    /// A supervisor without children, and the events of those to come.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (events, receiver) = mpsc::unbounded_channel();
        (Self { events, children: BTreeMap::new(), hurry: CancellationToken::new() }, receiver)
    }

    /// Starts `program` and keeps it running; one of the same name must have been stopped before.
    pub(crate) fn start(&mut self, program: Program) {
        let stop = CancellationToken::new();
        let name = program.name.clone();
        let (renewals, heard) = mpsc::unbounded_channel();
        let watch = Watch {
            program,
            stop: stop.clone(),
            renewals: heard,
            hurry: self.hurry.clone(),
            events: self.events.clone(),
            backoff: Backoff::new(RESTART),
        };
        let task = tokio::spawn(watch.run());
        self.children.insert(name, Watched { stop, renewals, task });
    }

    /// Lets the child of this name run on as `program`: it is told `line` on its standard input, and what is started in
    /// its place after a crash is `program`.
    pub(crate) fn renew(&mut self, program: Program, line: String) {
        if let Some(child) = self.children.get(&program.name) {
            let _ = child.renewals.send(Renewal { program, line });
        }
    }

    /// Names of the children whose name is accepted by `of`.
    pub(crate) fn names(&self, of: impl Fn(&str) -> bool) -> Vec<String> {
        self.children.keys().filter(|name| of(name)).cloned().collect()
    }

    /// Stops the named children, all at once, and waits until they are gone.
    pub(crate) async fn stop(&mut self, names: &[String]) {
        self.release(names).stop().await;
    }

    /// Lets the named children go on under somebody else's care; their names are free from now on.
    pub(crate) fn release(&mut self, names: &[String]) -> Released {
        Released(names.iter().filter_map(|name| self.children.remove(name)).collect())
    }

    /// Cancelled, it takes the grace away from whoever is stopping, or will be.
    pub(crate) fn hurrier(&self) -> CancellationToken {
        self.hurry.clone()
    }
}

/// Children that run on until they are stopped by whoever has this.
#[derive(Debug)]
pub(crate) struct Released(Vec<Watched>);

impl Released {
    /// Stops them, all at once, and waits until they are gone.
    pub(crate) async fn stop(self) {
        for child in &self.0 {
            child.stop.cancel();
        }
        for child in self.0 {
            // The task ends by itself at the latest when the child's grace is over.
            let _ = child.task.await;
        }
    }
}

/// One child's life.
struct Watch {
    program: Program,
    stop: CancellationToken,
    renewals: mpsc::UnboundedReceiver<Renewal>,
    hurry: CancellationToken,
    events: mpsc::UnboundedSender<Event>,
    backoff: Backoff,
}

impl Watch {
    async fn run(mut self) {
        while !self.stop.is_cancelled() {
            while let Ok(renewal) = self.renewals.try_recv() {
                self.program = renewal.program;
            }
            let event = match launch(&self.program) {
                Ok(child) => match self.attend(child).await {
                    Some(event) => event,
                    None => return,
                },
                Err(error) => {
                    let again_in = self.failed();
                    Event::NotStarted { name: self.program.name.clone(), error, again_in }
                }
            };
            let (Event::Ended { again_in, .. } | Event::NotStarted { again_in, .. }) = &event else { return };
            let again_in = *again_in;
            let _ = self.events.send(event);
            tokio::select! {
                () = tokio::time::sleep(again_in) => {}
                () = self.stop.cancelled() => return,
            }
        }
    }

    /// Waits for the child's end; `None` when it was asked for.
    async fn attend(&mut self, mut launched: Launched) -> Option<Event> {
        let name = self.program.name.clone();
        let Launched { child, pipe, log_before } = &mut launched;
        let pid = child.id()?;
        let started = Instant::now();
        self.backoff.succeeded(started);
        let _ = self.events.send(Event::Started { name: name.clone(), pid });
        let mut check = tokio::time::interval(LOG_CHECK);
        let status = loop {
            tokio::select! {
                status = child.wait() => break status,
                _ = check.tick() => self.bound_logs(),
                Some(renewal) = self.renewals.recv() => {
                    self.program = renewal.program;
                    tell(pipe.as_mut(), &renewal.line).await;
                }
                () = self.stop.cancelled() => {
                    self.end(child, pid).await;
                    return None;
                }
            }
        };
        // What it started itself must not live on beside its successor.
        signal_group(pid, Signal::SIGKILL);
        let after = started.elapsed();
        let how = match status {
            Ok(status) => format!("{} after {:.1} s", describe(status), after.as_secs_f32()),
            Err(error) => format!("was lost: {error}"),
        };
        let last_words = last_words(&self.program.errors, *log_before).unwrap_or_default();
        Some(Event::Ended { name, how, last_words, again_in: self.failed() })
    }

    /// SIGTERM to the child, SIGKILL to its whole group when its time is over.
    async fn end(&self, child: &mut Child, pid: u32) {
        signal_one(pid, Signal::SIGTERM);
        tokio::select! {
            _ = child.wait() => {}
            () = tokio::time::sleep(self.program.grace) => {}
            () = self.hurry.cancelled() => {}
        }
        signal_group(pid, Signal::SIGKILL);
        let _ = child.wait().await;
    }

    fn failed(&mut self) -> Duration {
        // Never at once: a program that dies at its start would keep a core busy with starting.
        let chance = rand::random_range(0.5..1.0);
        self.backoff.failed(Instant::now(), chance)
    }

    fn bound_logs(&self) {
        for path in [&self.program.output, &self.program.errors] {
            let too_long = std::fs::metadata(path).is_ok_and(|log| log.is_file() && log.len() > MAX_LOG);
            if too_long && let Ok(log) = OpenOptions::new().write(true).open(path) {
                let _ = log.set_len(0);
            }
        }
    }
}

/// A running child and its tie to this process. `Child::wait` closes the standard input that the child still
/// has, which would end it: so the pipe is kept beside it.
struct Launched {
    child: Child,
    pipe: Option<ChildStdin>,
    /// How long its log was before.
    log_before: u64,
}

/// A child that does not listen is not waited for.
async fn tell(pipe: Option<&mut ChildStdin>, line: &str) {
    let Some(pipe) = pipe else { return };
    let line = format!("{line}\n");
    let _ = tokio::time::timeout(HEARING, pipe.write_all(line.as_bytes())).await;
}

fn launch(program: &Program) -> std::io::Result<Launched> {
    let errors = log_file(&program.errors)?;
    let log_before = errors.metadata().map(|log| log.len()).unwrap_or_default();
    let mut child = Command::new(&program.program)
        .args(&program.args)
        .env_clear()
        .envs(program.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(log_file(&program.output)?)
        .stderr(errors)
        .process_group(0)
        .spawn()
        .map_err(|error| too_big::explained(error, program))?;
    let pipe = child.stdin.take();
    Ok(Launched { child, pipe, log_before })
}

fn log_file(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

fn signal_one(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

fn signal_group(pid: u32, signal: Signal) {
    let Ok(pid) = i32::try_from(pid) else { return };
    match killpg(Pid::from_raw(pid), signal) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => crate::say::say!("weft: cannot signal the process group {pid}: {error}"),
    }
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (None, Some(number)) => match Signal::try_from(number) {
            Ok(signal) => format!("was ended by {signal}"),
            Err(_) => format!("was ended by signal {number}"),
        },
        (None, None) => "ended".to_owned(),
    }
}

/// The last lines of a log, of those that were not there `before`; one that is shorter now was emptied meanwhile.
fn last_words(path: &Path, before: u64) -> std::io::Result<Vec<String>> {
    let mut log = File::open(path)?;
    let len = log.metadata()?.len();
    let own = if before <= len { before } else { 0 };
    log.seek(SeekFrom::Start(own.max(len.saturating_sub(LAST_WORDS))))?;
    let mut end = Vec::new();
    log.read_to_end(&mut end)?;
    let text = String::from_utf8_lossy(&end);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    Ok(lines.iter().skip(lines.len().saturating_sub(4)).map(|line| (*line).to_owned()).collect())
}

#[cfg(test)]
mod tests;

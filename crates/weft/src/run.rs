//! `weft run -- COMMAND`: a Job and its sidecar as one, which ends when the Job does.
//!
//! The sidecar starts, and COMMAND once that is ready. What signals this process gets, COMMAND gets. When it has ended,
//! the sidecar drains and ends, and COMMAND's status is this process's own. As a container's first process it waits for
//! whoever COMMAND leaves behind, too.

mod orphans;
mod sidecar;

use crate::not_started;
use anyhow::Context;
use orphans::{Orphans, Own};
use sidecar::Sidecar;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::process::{ExitCode, ExitStatus};
use std::rc::Rc;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// `weft run`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
    weft run -- ./report --month 11            in a pod's one container: the sidecar has the environment of an injected one
    weft run --user 1000 -- ./report           with interception: the sidecar is user 1337, the Job another
    weft run --beside -- ./report              the sidecar is a container of its own, and ends when the Job does

Exit status: COMMAND's own, 128 and the signal's number if it was killed, 127 or 126 if there is no such program or it \
cannot be run; 1 if the sidecar was not ready in time, and COMMAND was not started.")]
pub(crate) struct Args {
    /// The sidecar runs in another container of this pod: wait for it, and end it by its /quitquitquit.
    #[arg(long)]
    beside: bool,
    /// Give up if the sidecar is not ready within so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    ready_within: u32,
    /// The user that COMMAND is, by number, and its group [default: as this process].
    #[arg(long, value_name = "UID")]
    user: Option<u32>,
    /// The command and its arguments.
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Runs the command in the company of its sidecar.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    // A sidecar of another container is told to end whatever becomes of the command, once it is there to hear that.
    if !args.beside
        && let Some(program) = args.command.first()
        && let Some(path) = std::env::var_os("PATH")
        && let Some(error) = not_started::foreseen(program, &path)
    {
        return Ok(not_started::tell(program, &error, &path));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let own = Rc::new(Own::default());
    runtime.block_on(async {
        let mut orphans = Orphans::of(&own)?;
        tokio::select! {
            code = attend(args, &own) => code,
            never = orphans.reap() => match never {},
        }
    })
}

async fn attend(args: &Args, own: &Rc<Own>) -> anyhow::Result<ExitCode> {
    let terminal = std::io::stdin().is_terminal();
    let mut signals = Signals::listen(terminal)?;
    let mut sidecar = if args.beside { Sidecar::beside() } else { Sidecar::start(own)? };
    let limit = Duration::from_secs(args.ready_within.into());
    tokio::select! {
        ready = sidecar.ready(limit) => ready?,
        number = signals.next() => {
            // There is no command yet that could be told.
            sidecar.end(&mut signals).await;
            return Ok(ExitCode::from(code_of_signal(number)));
        }
    }
    let ended = match start(args, terminal) {
        Ok(mut command) => {
            own.command.set(command.id());
            let ended = wait(&mut command, &mut sidecar, &mut signals).await;
            own.command.set(None);
            ended.map(exit_code)
        }
        Err(error) => {
            let program = args.command.first().map(OsString::as_os_str).unwrap_or_default();
            Ok(not_started::tell(program, &error, &std::env::var_os("PATH").unwrap_or_default()))
        }
    };
    sidecar.end(&mut signals).await;
    ended.context("the command cannot be waited for")
}

fn start(args: &Args, terminal: bool) -> std::io::Result<Child> {
    let [program, rest @ ..] = args.command.as_slice() else {
        return Err(std::io::ErrorKind::NotFound.into());
    };
    let mut command = Command::new(program);
    command.args(rest);
    if let Some(user) = args.user {
        command.uid(user).gid(user);
    }
    if !terminal {
        // A signal to our group is passed on by us, and arrives once.
        command.process_group(0);
    }
    command.spawn()
}

/// The end of `command`. What signals come are its own, and its sidecar is kept for as long as it lasts.
async fn wait(
    command: &mut Child,
    sidecar: &mut Sidecar,
    signals: &mut Signals,
) -> std::io::Result<ExitStatus> {
    loop {
        tokio::select! {
            status = command.wait() => return status,
            number = signals.next() => pass(command, number),
            never = sidecar.keep() => match never {},
        }
    }
}

fn pass(command: &Child, number: i32) {
    let process = command.id().and_then(|id| i32::try_from(id).ok());
    let number = nix::sys::signal::Signal::try_from(number);
    if let (Some(process), Ok(number)) = (process, number) {
        // One that has just ended needs none.
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(process), number);
    }
}

fn exit_code(status: ExitStatus) -> ExitCode {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    ExitCode::from(code.or_else(|| status.signal().map(code_of_signal)).unwrap_or(1))
}

/// As a shell tells that a program was killed.
fn code_of_signal(number: i32) -> u8 {
    u8::try_from(128 + number).unwrap_or(1)
}

/// The signals that are passed on.
struct Signals(Vec<(i32, Signal)>);

impl Signals {
    /// At a terminal the kernel itself tells the whole group what is typed.
    fn listen(terminal: bool) -> std::io::Result<Self> {
        let kinds = [
            SignalKind::interrupt(),
            SignalKind::quit(),
            SignalKind::hangup(),
            SignalKind::terminate(),
            SignalKind::user_defined1(),
            SignalKind::user_defined2(),
            SignalKind::alarm(),
            // Some images are told to end by it.
            SignalKind::window_change(),
        ];
        let typed =
            [SignalKind::interrupt(), SignalKind::quit(), SignalKind::hangup(), SignalKind::window_change()];
        let mut heard = Vec::new();
        for kind in kinds {
            let stream = signal(kind)?;
            // Heard in any case, so that this process outlives it.
            let number = if terminal && typed.contains(&kind) { 0 } else { kind.as_raw_value() };
            heard.push((number, stream));
        }
        Ok(Self(heard))
    }

    /// The number of the next one.
    async fn next(&mut self) -> i32 {
        std::future::poll_fn(|cx| {
            for (number, stream) in &mut self.0 {
                while let std::task::Poll::Ready(Some(())) = stream.poll_recv(cx) {
                    if *number != 0 {
                        return std::task::Poll::Ready(*number);
                    }
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}

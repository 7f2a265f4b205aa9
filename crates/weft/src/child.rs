//! `weft child -- COMMAND`: wraps a program that knows nothing of weft, so that it ends with its `weft up`.
//!
//! The command shares the wrapper's process group: whoever kills the group leaves nothing behind.

use anyhow::Context;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, getpgrp, getpid, setpgid};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, Stdio};
use std::time::Duration;
use weft_runtime::signals::{Signal as Asked, Signals};

/// From SIGTERM to SIGKILL; shorter than the supervisor's own patience with the wrapper.
const GRACE: Duration = Duration::from_secs(3);

/// `weft child`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The program and its arguments.
    #[arg(required = true, last = true)]
    command: Vec<std::ffi::OsString>,
}

/// Runs the command to its end, or to SIGTERM.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if getpgrp() != getpid() {
        // Started by hand: the shell's group is not ours to signal.
        setpgid(Pid::from_raw(0), Pid::from_raw(0)).context("cannot lead a process group")?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(attend(args))
}

async fn attend(args: &Args) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let [program, rest @ ..] = args.command.as_slice() else { anyhow::bail!("no command") };
    let mut child = tokio::process::Command::new(program)
        .args(rest)
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    loop {
        tokio::select! {
            status = child.wait() => {
                let status = status?;
                let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
                return Ok(ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)));
            }
            asked = signals.next() => if asked != Asked::ReopenLogs { break },
        }
    }
    // The wrapper gets this one too, and its handler lets it pass.
    killpg(getpgrp(), Signal::SIGTERM)?;
    let _ = tokio::time::timeout(GRACE, child.wait()).await;
    killpg(getpgrp(), Signal::SIGKILL)?;
    Ok(ExitCode::FAILURE)
}

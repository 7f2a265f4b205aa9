//! The user's command, whose end is the mesh's, and the end of all.

use super::Up;
use crate::{not_started, run_directory};
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tokio::process::Child;
use weft_runtime::signals::{Signal, Signals};

/// From SIGTERM to SIGKILL, for the user's command.
const COMMAND_GRACE: Duration = Duration::from_secs(3);

/// Says that the user's command cannot be started, if that is known before anything is; and gives the status that tells it.
pub(super) fn foreseen(command: &[OsString], weft: &Path) -> Option<ExitCode> {
    let program = command.first()?;
    let path = with_own_folder(weft);
    let error = not_started::foreseen(program, &path)?;
    Some(not_started::tell(program, &error, &path))
}

impl Up {
    /// Runs the user's command, if there is one, beside the ready mesh.
    ///
    /// # Errors
    /// With what status `weft up` ends where it does not start, which is said.
    pub(super) fn start_command(&mut self) -> Result<(), ExitCode> {
        if let [program, arguments @ ..] = self.args.command.as_slice() {
            let path = with_own_folder(&self.mesh.weft);
            let child = tokio::process::Command::new(program)
                .args(arguments)
                .env(run_directory::VARIABLE, &self.mesh.run)
                .env("PATH", &path)
                .spawn();
            self.command = Some(child.map_err(|error| not_started::tell(program, &error, &path))?);
        }
        Ok(())
    }

    /// Apps, then sidecars, then the control plane; a second Ctrl-C takes the patience away.
    pub(super) async fn stop(&mut self, signals: &mut Signals) {
        if let Some(command) = &mut self.command
            && command.try_wait().is_ok_and(|status| status.is_none())
        {
            end_command(command).await;
        }
        crate::say::say!("weft: stopping");
        let hurry = self.supervisor.hurrier();
        self.hurry_farewells.cancel();
        let groups: [fn(&str) -> bool; 3] =
            [|name| name.starts_with("app "), |name| name.starts_with("sidecar "), |_| true];
        let stopping = async {
            for group in groups {
                let names = self.supervisor.names(group);
                self.supervisor.stop(&names).await;
            }
            while self.farewells.join_next().await.is_some() {}
        };
        tokio::pin!(stopping);
        loop {
            tokio::select! {
                () = &mut stopping => break,
                signal = signals.next() => if matches!(signal, Signal::Interrupt | Signal::InterruptAgain) {
                    hurry.cancel();
                },
            }
        }
        // With the processes in them, the namespaces go.
        self.network = None;
        if let Some(run) = self.run.take()
            && let Err(error) = run.remove()
        {
            crate::say::say!("weft: {error}");
        }
    }
}

/// SIGTERM to the user's command, and SIGKILL where it does not follow.
async fn end_command(command: &mut Child) {
    if let Some(pid) = command.id().and_then(|pid| i32::try_from(pid).ok()) {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM);
    }
    if tokio::time::timeout(COMMAND_GRACE, command.wait()).await.is_err() {
        let _ = command.start_kill();
        let _ = command.wait().await;
    }
}

/// The end of the user's command; never, while there is none.
pub(super) async fn ended(command: &mut Option<Child>) -> std::io::Result<std::process::ExitStatus> {
    match command {
        Some(command) => command.wait().await,
        None => std::future::pending().await,
    }
}

pub(super) fn exit_code(status: std::process::ExitStatus) -> ExitCode {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// `PATH` with the folder of this binary in front, so that the command finds the same weft.
fn with_own_folder(weft: &Path) -> OsString {
    let mut folders: Vec<_> = weft.parent().map(Into::into).into_iter().collect();
    folders.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    std::env::join_paths(folders).unwrap_or_else(|_| std::env::var_os("PATH").unwrap_or_default())
}

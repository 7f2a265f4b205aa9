//! This same command where another process lives: in a network namespace, and for a plugin of the machine apart from the
//! machine's own files.

use anyhow::Context;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use std::process::{Command, ExitCode};

/// The variable by which iptables is told what to lock.
const LOCK: &str = "XTABLES_LOCKFILE";
/// Where a machine says whom it asks about users.
const DIRECTORY: &str = "/etc/nsswitch.conf";

/// Runs it in `namespace`, or here where that is empty; `apart` from the machine: what iptables locks is the namespace, so
/// that nobody waits for the machine's own rules to be written, and about users no server is asked, to whom the way would lead
/// through the very network that is being set up.
pub(super) fn run(namespace: &str, apart: bool) -> anyhow::Result<ExitCode> {
    let mut again = Command::new("/proc/self/exe");
    // The last word on it.
    again.args(std::env::args_os().skip(1)).args(["--network-namespace=", "--cni-mode=false"]);
    if apart {
        again.env(LOCK, if namespace.is_empty() { "/proc/self/ns/net" } else { namespace });
        if let Err(error) = without_directory() {
            crate::say::say!(
                "weft redirect: --cni-mode: {DIRECTORY} cannot be hidden ({error}); whom it names may be asked about users"
            );
        }
    }
    if !namespace.is_empty() {
        let file = std::fs::File::open(namespace)
            .with_context(|| format!("--network-namespace {namespace}: there is no such namespace"))?;
        setns(&file, CloneFlags::CLONE_NEWNET)
            .with_context(|| format!("--network-namespace {namespace}: it cannot be entered"))?;
    }
    let status = again.status()?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

/// Hides the machine's list of directories of users from this process and those that it starts, and from nobody else.
fn without_directory() -> nix::Result<()> {
    const NONE: Option<&str> = None;
    if !std::path::Path::new(DIRECTORY).exists() {
        return Ok(());
    }
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_PRIVATE | MsFlags::MS_REC, NONE)?;
    mount(Some("/dev/null"), DIRECTORY, NONE, MsFlags::MS_BIND, NONE)
}

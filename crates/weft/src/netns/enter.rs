//! `weft enter`: becomes a program inside a pod: in its network, with its own /etc/hosts, /etc/resolv.conf and
//! host name, as its own user. What it starts cannot tell it from a container of the pod.

use crate::not_started;
use anyhow::Context;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Where the machine's cache of names (nscd) answers, before any file is read.
const NAME_CACHE: &str = "/var/run/nscd/socket";

/// `weft enter`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The namespace, as `ip netns` names it.
    #[arg(long)]
    netns: String,
    /// What /etc/hosts is.
    #[arg(long)]
    hosts: Option<PathBuf>,
    /// What /etc/resolv.conf is.
    #[arg(long)]
    resolv: Option<PathBuf>,
    /// What /etc/nsswitch.conf is.
    #[arg(long)]
    nsswitch: Option<PathBuf>,
    /// What the host is called.
    #[arg(long)]
    hostname: Option<OsString>,
    /// The user to be.
    #[arg(long)]
    user: Option<u32>,
    /// The group to be.
    #[arg(long)]
    group: Option<u32>,
    /// This binary itself, with these arguments; otherwise the first of them is the program.
    #[arg(long)]
    own: bool,
    /// The program and its arguments.
    #[arg(required = true, last = true)]
    command: Vec<OsString>,
}

/// Enters, and becomes the program; only comes back if that fails.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let path = super::path(&args.netns);
    let namespace = File::open(&path).with_context(|| format!("namespace {} is gone", args.netns))?;
    setns(&namespace, CloneFlags::CLONE_NEWNET).with_context(|| format!("cannot enter {}", args.netns))?;
    let files = [
        (args.hosts.as_deref(), "/etc/hosts"),
        (args.resolv.as_deref(), "/etc/resolv.conf"),
        (args.nsswitch.as_deref().filter(|file| file.exists()), "/etc/nsswitch.conf"),
        // Whoever is asked there knows the machine's names.
        (args.hosts.is_some().then_some(Path::new("/dev/null")), NAME_CACHE),
    ];
    if files.iter().any(|(file, _)| file.is_some()) {
        unshare(CloneFlags::CLONE_NEWNS).context("cannot have mounts of its own")?;
        // What is mounted here is nobody else's matter.
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
            .context("cannot have mounts of its own")?;
        for (file, place) in files {
            if let (Some(file), true) = (file, Path::new(place).exists()) {
                mount(Some(file), place, None::<&str>, MsFlags::MS_BIND, None::<&str>)
                    .with_context(|| format!("cannot put {} at {place}", file.display()))?;
            }
        }
    }
    if let Some(name) = &args.hostname {
        unshare(CloneFlags::CLONE_NEWUTS).context("cannot have a host name of its own")?;
        // Of the namespace that this process has just made for itself.
        std::fs::write("/proc/sys/kernel/hostname", name.as_encoded_bytes())
            .context("cannot have a host name of its own")?;
    }
    let [program, rest @ ..] = args.command.as_slice() else { anyhow::bail!("no command") };
    let mut command = if args.own {
        // By this name it can be run even from a folder that its new user may not enter.
        let mut own = Command::new("/proc/self/exe");
        own.args(&args.command);
        own
    } else {
        let mut command = Command::new(program);
        command.args(rest);
        command
    };
    if let Some(user) = args.user {
        command.uid(user);
    }
    if let Some(group) = args.group {
        command.gid(group);
    }
    let error = command.exec();
    Ok(not_started::tell(program, &error, &std::env::var_os("PATH").unwrap_or_default()))
}

//! `weft exec`: a command inside a pod, with the app's user, environment and network; the rest of the environment is the
//! shell's, without its proxies.

use crate::find;
use crate::netns::network::APP_USER;
use crate::not_started;
use crate::run_directory::{Running, pod_folder};
use crate::up::programs::own_files;
use crate::up::shell;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// `weft exec`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit status: COMMAND's own; 127 or 126 if there is no such program or it cannot be run.")]
pub(crate) struct Args {
    /// A Deployment or its like, a Service, or one pod.
    #[arg(value_name = "WORKLOAD")]
    workload: String,
    /// The user to be, by number; only in network namespaces [default: the app's].
    #[arg(long, short)]
    user: Option<u32>,
    /// The command and its arguments.
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Becomes the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let running = Running::find()?;
    let pod = find::one(&running.plan, &args.workload)?;
    let mut command = match &pod.netns {
        Some(netns) => {
            let folder = pod_folder(&running.path, pod);
            let user = args.user.unwrap_or(APP_USER);
            let mut enter = Command::new("/proc/self/exe");
            enter.args(["enter", "--netns", netns]);
            enter.args(own_files(&folder, pod.hostname(), (user, user))).arg("--").args(&args.command);
            enter
        }
        None => {
            // On loopback a pod is its environment: its proxy, its services' addresses.
            anyhow::ensure!(
                args.user.is_none(),
                "--user: on loopback all pods are yours; start the mesh with `weft up --netns`"
            );
            let [program, rest @ ..] = args.command.as_slice() else { anyhow::bail!("no command") };
            let mut command = Command::new(program);
            command.args(rest);
            command
        }
    };
    for (name, _) in std::env::vars_os().filter(|(name, _)| shell::is_proxy(name)) {
        command.env_remove(name);
    }
    command.envs(pod.environment.iter().map(|(name, value)| (name, value)));
    let error = command.exec();
    let program = args.command.first().map(OsString::as_os_str).unwrap_or_default();
    let own = pod.environment.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path.into());
    let path = own.or_else(|| std::env::var_os("PATH")).unwrap_or_default();
    Ok(not_started::tell(program, &error, &path))
}

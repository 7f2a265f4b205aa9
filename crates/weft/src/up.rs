//! `weft up`: the mesh of some folders of YAML, running on this machine.
//!
//! The plan ([`plan`]) says which pods run at which addresses; [`programs`] turns it into processes; [`mod@run`] starts
//! them, watches them and the files, and stops them. [`ready`] knows when the mesh is, [`report`] tells the user.

pub(crate) mod addresses;
mod again;
mod environment;
mod expand;
mod manifests;
mod mention;
pub(crate) mod named;
pub(crate) mod only;
pub(crate) mod plan;
pub(crate) mod podless;
mod pods;
mod privileged;
pub(crate) mod programs;
pub(crate) mod protocol;
pub(crate) mod proxy;
mod quantity;
mod ready;
mod report;
mod rollout;
mod run;
mod services;
pub(crate) mod shell;
mod sockets;
mod tokens;
mod update;

use programs::App;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

/// What names the servers of the machine itself.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// `weft up`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
    weft up manifests/                           a stand-in runs as each service; edits to the files count at once
    weft up manifests/ mesh.yaml --only web      web, and whatever it calls
    weft up manifests/ --app cart='cargo run'    your own cart, listening at $HOST:$PORT
    weft up manifests/ -- ./test.sh              runs the test in the ready mesh, then stops it

Exit status: 0 after Ctrl-C or SIGTERM; 2 if the arguments or the files cannot be used and nothing was started; \
COMMAND's own, 127 or 126 if there is no such program or it cannot be run, 130 if Ctrl-C came first; 1 for any other failure.")]
pub(crate) struct Args {
    /// Folders and files of YAML, read with all that is in them.
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Run only these services or workloads, and whatever they call.
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    only: Vec<String>,
    /// Run your own program as a service: it keeps your shell's environment but for its proxies, has the manifest's above
    /// that, and listens at $HOST:$PORT.
    #[arg(long = "app", value_name = "SERVICE=COMMAND")]
    apps: Vec<AppChoice>,
    /// Give up if the mesh is not ready within so many seconds [default: wait; with a COMMAND, until an app
    /// or a sidecar has ended eight times without its pod being ready in between].
    #[arg(long, value_name = "SECONDS")]
    ready_within: Option<u32>,
    /// Give each pod a network namespace, with its own addresses, names and users, its connections turned to its sidecar
    /// by the kernel: the apps need not know of the mesh. Needs root.
    #[arg(long)]
    netns: bool,
    /// Names the servers that know the world outside, for pods in network namespaces; none, if it names none.
    #[arg(long, value_name = "FILE", requires = "netns", default_value = RESOLV_CONF)]
    resolv_conf: PathBuf,
    /// Say which variables were rewritten to addresses.
    #[arg(long, short)]
    verbose: bool,
    /// Run this once the mesh is ready, then stop the mesh and exit with its status.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// `SERVICE=COMMAND`
#[derive(Debug, Clone, PartialEq, Eq)]
struct AppChoice {
    service: String,
    command: String,
}

impl FromStr for AppChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((service, command)) if !service.is_empty() && !command.trim().is_empty() => {
                Ok(Self { service: service.to_owned(), command: command.to_owned() })
            }
            _ => Err("expected SERVICE=COMMAND, such as cart='cargo run'".to_owned()),
        }
    }
}

impl AppChoice {
    /// Whether it is meant for this pod.
    fn is_for(&self, pod: &plan::Pod) -> bool {
        let means = |name: &str| self.service == name || self.service == format!("{name}.{}", pod.namespace);
        means(&pod.workload) || means(&pod.name) || pod.services.iter().any(|service| means(service))
    }
}

impl Args {
    /// What runs as the app of `pod`.
    fn app(&self, pod: &plan::Pod) -> App {
        let choice = self.apps.iter().find(|choice| choice.is_for(pod));
        choice.map_or(App::StandIn, |choice| App::Command(choice.command.clone()))
    }
}

/// Runs the mesh until it is asked to stop.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run::run(args))
}

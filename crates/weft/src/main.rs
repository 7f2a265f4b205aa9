//! The `weft` command: a service mesh for people with Istio's YAML and a laptop.
//!
//! One binary is everything: the command the user types and, started by it with other arguments, each process
//! of the mesh (control plane, sidecars, stand-in apps).

mod admin;
mod certs;
mod child;
mod client;
mod control_plane;
mod curl;
mod exec;
mod find;
mod log;
mod logs;
mod netns;
mod not_started;
mod output;
mod parent;
mod part;
mod proxy;
mod redirect;
mod run;
mod run_directory;
mod say;
mod standin;
mod status;
mod supervisor;
mod up;
mod wait;
mod watch;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A service mesh for Istio's YAML: real manifests, running, encrypted and authorized, without a cluster.
#[derive(Debug, Parser)]
#[command(
    name = "weft",
    version,
    propagate_version = true,
    max_term_width = 110,
    after_help = "\
Examples:
    weft up manifests/                          runs what is in there, until Ctrl-C
    weft curl --from web http://cart/items      in another terminal: as web would ask cart
    weft logs cart --denied                     who was refused, and by which policy
    weft status

Exit status: 0 if all is well; 1 if something failed or is not as it should be; 2 if the arguments or the files of YAML \
cannot be used. `weft curl` ends as curl does, `weft up DIR -- COMMAND` as COMMAND does."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the mesh of some folders of YAML on this machine.
    Up(up::Args),
    /// Asks a URL as a workload of the running mesh, through its sidecar.
    Curl(curl::Args),
    /// Shows each proxy's configuration in force, certificate and traffic.
    Status(status::Args),
    /// Shows who each pod is proven to be, and for how much longer.
    Certs(certs::Args),
    /// Shows the access logs of the sidecars.
    Logs(logs::Args),
    /// Runs a command inside a pod.
    Exec(exec::Args),
    /// Runs a Job together with its sidecar, and ends with it.
    Run(run::Args),
    /// Waits until the pod's sidecar is ready.
    Wait(wait::Args),
    /// Turns a pod's connections to its proxy, with the flags of istio-iptables.
    #[command(alias = "istio-iptables")]
    Redirect(Box<redirect::Args>),
}

fn main() -> ExitCode {
    let outcome = if part::is_asked_for() { part::run() } else { run_command() };
    outcome.unwrap_or_else(|error| {
        if output::is_unread(&error) {
            return ExitCode::SUCCESS;
        }
        crate::say::say!("weft: {error:#}");
        ExitCode::FAILURE
    })
}

fn run_command() -> anyhow::Result<ExitCode> {
    let mut known = Cli::command().mut_subcommand("redirect", redirect::with_variables);
    let told = known.get_matches_mut();
    let cli = Cli::from_arg_matches(&told).unwrap_or_else(|error| error.format(&mut known).exit());
    match cli.command {
        Command::Up(args) => up::run(args),
        Command::Curl(args) => curl::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Certs(args) => certs::run(&args),
        Command::Logs(args) => logs::run(&args),
        Command::Exec(args) => exec::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Wait(args) => wait::run(&args),
        Command::Redirect(args) => redirect::run(&args),
    }
}

//! The `weft` command: a service mesh for people with Istio's YAML and a laptop.
//!
//! One binary is everything: the command the user types and, started by it with other arguments, each process
//! of the mesh (control plane, sidecars, stand-in apps).

mod child;
#[allow(dead_code, reason = "the commands that use the rest of it follow")]
mod client;
mod parent;
mod standin;
#[allow(dead_code, reason = "`weft up` follows")]
mod supervisor;
#[allow(dead_code, reason = "its command follows")]
mod up;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A service mesh for Istio's YAML: real manifests, running, encrypted and authorized, without a cluster.
#[derive(Debug, Parser)]
#[command(name = "weft", version, propagate_version = true, max_term_width = 110)]
struct Cli {
    /// Stop when standard input closes, so that no process outlives the one that started it.
    #[arg(long, global = true, hide = true)]
    parent_pipe: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The app that stands in for a service: echoes what it sees, as JSON.
    #[command(hide = true)]
    StandIn(standin::Args),
    /// Runs a command that ends with its parent.
    #[command(hide = true)]
    Child(child::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.parent_pipe {
        parent::stop_when_it_is_gone();
    }
    let outcome = match cli.command {
        Command::StandIn(args) => standin::run(args).map(|()| ExitCode::SUCCESS),
        Command::Child(args) => child::run(&args),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("weft: {error:#}");
        ExitCode::FAILURE
    })
}

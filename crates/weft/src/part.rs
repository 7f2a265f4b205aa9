//! The processes that a mesh is made of, which weft starts itself: the same program with other arguments. They have a parser
//! of their own, so that a sidecar holds neither the code nor the memory of the arguments of all commands.

use crate::{child, control_plane, netns, parent, proxy, standin};
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// One process of a mesh.
#[derive(Debug, Parser)]
#[command(name = "weft", version, propagate_version = true, max_term_width = 110)]
struct Cli {
    /// Stop when standard input closes, so that no process outlives the one that started it.
    #[arg(long, global = true, hide = true)]
    parent_pipe: bool,
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// The control plane of a mesh.
    Control(control_plane::Args),
    /// The proxy of a pod.
    Proxy(proxy::Args),
    /// Becomes a program inside a pod.
    Enter(netns::enter::Args),
    /// The app that stands in for a service: echoes what it sees, as JSON.
    StandIn(standin::Args),
    /// Runs a command that ends with its parent.
    Child(child::Args),
}

/// Whether the arguments of this process are those of a part of a mesh: the first that is no option names it.
pub(crate) fn is_asked_for() -> bool {
    let named = std::env::args_os().skip(1).find(|argument| !argument.as_encoded_bytes().starts_with(b"-"));
    named.is_some_and(|name| name.to_str().is_some_and(Part::has_subcommand))
}

/// Runs that part until it ends.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let told = cli.parent_pipe.then(parent::stop_when_it_is_gone);
    match cli.part {
        Part::Control(args) => control_plane::run(&args).map(|()| ExitCode::SUCCESS),
        Part::Proxy(args) => proxy::run(args).map(|()| ExitCode::SUCCESS),
        Part::Enter(args) => netns::enter::run(&args),
        Part::StandIn(args) => standin::run(args, told).map(|()| ExitCode::SUCCESS),
        Part::Child(args) => child::run(&args),
    }
}

//! `weft-proxy`: the sidecar alone, for images: no authority, no Kubernetes client, no other command.

use clap::{Parser, Subcommand};
use weft_proxy::{SidecarArgs, sidecar};
use weft_telemetry::log::{Levels, LogShape};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Parser)]
#[command(name = "weft-proxy", version, about = "weft's sidecar proxy")]
struct Cli {
    /// Log levels: `info`, or `warn,weft_proxy=debug`.
    #[arg(long, env = "WEFT_LOG", default_value = "info", global = true)]
    log_level: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What Istio's injector calls: `proxy sidecar ...`.
    #[command(subcommand)]
    Proxy(Role),
    /// The same, shorter.
    Sidecar(SidecarArgs),
}

#[derive(Subcommand)]
enum Role {
    /// Stands beside an app.
    Sidecar(SidecarArgs),
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let levels: Levels = cli.log_level.parse()?;
    let log = weft_telemetry::log::start(LogShape::Text, levels)?;
    match cli.command {
        Command::Proxy(Role::Sidecar(args)) | Command::Sidecar(args) => sidecar(&args, Some(log)),
    }
}

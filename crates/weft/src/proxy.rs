//! `weft proxy sidecar`: a pod's sidecar, the same program as an image's `weft-proxy`.

use weft_proxy::{SidecarArgs, sidecar};

/// `weft proxy`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, clap::Subcommand)]
enum Role {
    /// The sidecar of the pod that the environment describes.
    Sidecar(SidecarArgs),
}

/// Runs the proxy until it is asked to stop.
pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let log = crate::log::start()?;
    match args.role {
        Role::Sidecar(args) => sidecar(&args, Some(log)),
    }
}

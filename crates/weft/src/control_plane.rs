//! `weft control`: the control plane's process, as `weft up` starts it.
//!
//! It reads the folders of YAML itself and watches them, so that it can be killed and started again at any moment;
//! which pods run is `plan.json` in the run directory, which `weft up` replaces when an edit changes it. Its
//! authority lies in the run directory too: a restart keeps the root.

mod files;
mod status;

use crate::run_directory;
use crate::up::plan::Plan;
use crate::up::programs::{CONTROL_PORT, STATUS_PORT};
use anyhow::Context;
use files::Files;
use parking_lot::Mutex;
use status::Account;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use tokio::net::TcpListener;
use weft_certs::token::{AUDIENCE, KUBERNETES_ISSUER};
use weft_certs::{
    AuthenticateLayer, Authenticator, Authority, CsrService, Limits, ServerTls, TokenVerifier, serve,
};
use weft_control::serve::{Callers, ControlPlane};
use weft_runtime::signals::{Signal, Signals};

/// `weft control`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The run directory of the mesh.
    #[arg(long)]
    run: PathBuf,
    /// The mesh's trust domain.
    #[arg(long, default_value = "cluster.local")]
    trust_domain: String,
    /// Folders and files of YAML.
    #[arg(last = true)]
    folders: Vec<PathBuf>,
}

/// Serves until SIGTERM.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    crate::log::start()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(serve_all(args))
}

async fn serve_all(args: &Args) -> anyhow::Result<()> {
    if let Err(error) = weft_runtime::descriptors::raise() {
        tracing::warn!(%error, "no more files can be open than this process began with");
    }
    let plan: Plan = run_directory::read(&args.run.join("plan.json"))?;
    let address = plan.base.control();
    let authority = Authority::load(&args.run.join("authority"), &args.trust_domain, SystemTime::now())?;
    let authority = Arc::new(authority);
    let names = weft_certs::serve::ServingNames { dns_names: vec![], addresses: vec![address.into()] };
    let certificate = authority.serving_certificate(&names.dns_names, &names.addresses, SystemTime::now())?;
    let tls = Arc::new(ServerTls::new(&certificate, authority.roots())?);
    tokio::spawn(weft_certs::serve::keep_fresh(Arc::clone(&tls), Arc::clone(&authority), names, certificate));
    let authenticator = Authenticator::new(&args.trust_domain, Some(verifier(&args.run)?));
    let (mut files, control) = serve_status(args, address).await?;
    let first = match files.world() {
        Some(world) => world,
        // Half a mesh would be worse than none: an authorization policy might be in the other half.
        None => files.next().await,
    };
    let ads = ControlPlane::new(first);
    files.is_served();
    *control.lock() = Some(ads.clone());
    let routes = tonic::service::Routes::new(CsrService::new(authority).into_server());
    let routes = routes.add_service(ads.grpc(Callers::Proven));
    let routes = tower::Layer::layer(&AuthenticateLayer::new(Arc::new(authenticator)), routes);
    let listener = TcpListener::bind((address, CONTROL_PORT))
        .await
        .with_context(|| format!("cannot listen on {address}:{CONTROL_PORT}"))?;
    tracing::info!(%address, port = CONTROL_PORT, "control plane serves");
    tokio::spawn(push(ads, files));
    serve(listener, tls, routes, Limits::default(), asked_to_stop(Signals::listen()?)).await;
    Ok(())
}

/// Begins with the files and the account of them.
async fn serve_status(
    args: &Args,
    address: Ipv4Addr,
) -> anyhow::Result<(Files, Arc<Mutex<Option<ControlPlane>>>)> {
    let files = Files::open(&args.folders, &args.run)?;
    let control = Arc::default();
    let account = Account {
        started: Instant::now(),
        files: files.last_reading(),
        plan_in_use: files.plan_in_use(),
        control: Arc::clone(&control),
    };
    let listener = TcpListener::bind((address, STATUS_PORT))
        .await
        .with_context(|| format!("cannot listen on {address}:{STATUS_PORT}"))?;
    tokio::spawn(status::serve(listener, account));
    Ok((files, control))
}

/// Each new state of the files goes to all proxies.
async fn push(ads: ControlPlane, mut files: Files) {
    let edits = async {
        loop {
            let world = files.next().await;
            tracing::info!(services = world.services.len(), workloads = world.workloads.len(), "files read");
            ads.replace(world);
            files.is_served();
        }
    };
    tokio::join!(ads.run(), edits);
}

fn verifier(run: &Path) -> anyhow::Result<TokenVerifier> {
    let path = run.join("tokens.jwks");
    let jwks = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(TokenVerifier::new(&jwks, KUBERNETES_ISSUER, AUDIENCE)?)
}

async fn asked_to_stop(mut signals: Signals) {
    while signals.next().await == Signal::ReopenLogs {}
}

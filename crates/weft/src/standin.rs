//! The stand-in app: answers for a service whose own program is not at hand.
//!
//! One process a pod. HTTP ports speak HTTP/1.1 and cleartext HTTP/2 and answer JSON, gRPC ports serve health
//! and a streaming echo, TCP ports echo lines. Headers of a request (`x-echo-*`) ask it to misbehave.

mod call;
mod controls;
mod grpc;
mod http;
mod line;
mod tap;
mod targets;
mod tree;
mod upgrade;

use anyhow::Context;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long open requests may go on after SIGTERM.
const DRAIN: Duration = Duration::from_secs(5);

/// `weft stand-in`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A port to serve, PROTOCOL=ADDRESS:PORT with http, grpc or tcp; may be repeated.
    #[arg(long = "listen")]
    listens: Vec<Listen>,
    /// The pod's name, as the answers give it.
    #[arg(long, env = "POD_NAME", default_value = "unknown")]
    pod: String,
    /// The service's name, as the answers give it.
    #[arg(long, default_value = "unknown")]
    service: String,
    /// The pod's namespace.
    #[arg(long, env = "POD_NAMESPACE", default_value = "default")]
    namespace: String,
    /// The pod's version label.
    #[arg(long = "app-version", default_value = "")]
    app_version: String,
    /// Added to every answer, such as 250ms: a slow pod.
    #[arg(long, env = "ECHO_DELAY", value_parser = controls::parse_duration)]
    delay: Option<Duration>,
}

/// One port of the stand-in.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listen {
    protocol: Protocol,
    address: SocketAddr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http,
    Grpc,
    Tcp,
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (protocol, address) =
            text.split_once('=').ok_or("expected PROTOCOL=ADDRESS:PORT, such as http=127.0.0.1:8000")?;
        let protocol = match protocol {
            "http" => Protocol::Http,
            "grpc" => Protocol::Grpc,
            "tcp" => Protocol::Tcp,
            other => return Err(format!("protocol {other:?}: http, grpc and tcp are known")),
        };
        let address = address.parse().map_err(|error| format!("{address:?}: {error}"))?;
        Ok(Self { protocol, address })
    }
}

/// Who this stand-in says it is.
#[derive(Debug, Clone, Default)]
struct Identity {
    pod: String,
    service: String,
    namespace: String,
    version: String,
}

/// What all ports of one stand-in share.
#[derive(Debug)]
struct App {
    identity: Identity,
    delay: Duration,
    failures: controls::Failures,
    environment: Vec<(String, String)>,
}

/// Serves until SIGTERM or SIGINT.
pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(args))
}

async fn serve(args: Args) -> anyhow::Result<()> {
    let app = Arc::new(App {
        identity: Identity {
            pod: args.pod,
            service: args.service,
            namespace: args.namespace,
            version: args.app_version,
        },
        delay: args.delay.unwrap_or_default(),
        failures: controls::Failures::default(),
        environment: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
    });
    let stop = CancellationToken::new();
    let mut ports = tokio::task::JoinSet::new();
    for Listen { protocol, address } in args.listens {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address} for {protocol:?}"))?;
        ports.spawn(serve_port(Arc::clone(&app), protocol, listener, stop.clone()));
    }
    stop_signal().await?;
    stop.cancel();
    let drained = async { while ports.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        crate::say::say!("weft: requests were still open {} s after the stop; they end now", DRAIN.as_secs());
    }
    Ok(())
}

async fn serve_port(app: Arc<App>, protocol: Protocol, listener: TcpListener, stop: CancellationToken) {
    match protocol {
        Protocol::Http => http::serve(app, listener, stop).await,
        Protocol::Grpc => grpc::serve(app, listener, stop).await,
        Protocol::Tcp => line::serve(listener, stop).await,
    }
}

/// Waits for SIGTERM or SIGINT.
async fn stop_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests;

//! The stand-in app: answers for a service whose own program is not at hand.
//!
//! One process a pod. HTTP ports speak HTTP/1.1 and cleartext HTTP/2 and answer JSON, gRPC ports serve health
//! and a streaming echo, TCP ports echo lines. Headers of a request (`x-echo-*`) ask it to misbehave.

mod call;
mod controls;
mod grpc;
mod http;
mod line;
mod ports;
mod tap;
mod targets;
mod tree;
mod upgrade;

use crate::parent::Words;
use ports::Ports;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

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

/// Serves until SIGTERM or SIGINT. A line that it is `told` is all ports that it is to have from then on.
pub(crate) fn run(args: Args, told: Option<Words>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(args, told))
}

async fn serve(args: Args, mut told: Option<Words>) -> anyhow::Result<()> {
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
    let mut ports = Ports::new(app);
    ports.become_these(&args.listens).await?;
    let mut asked = std::pin::pin!(stop_signal());
    loop {
        tokio::select! {
            asked = &mut asked => break asked?,
            Some(line) = next(&mut told) => ports.become_these(&listens(&line)?).await?,
        }
    }
    if tokio::time::timeout(DRAIN, ports.ended()).await.is_err() {
        crate::say::say!("weft: requests were still open {} s after the stop; they end now", DRAIN.as_secs());
    }
    Ok(())
}

/// `http=127.0.0.1:8000 grpc=127.0.0.1:9000`
fn listens(line: &str) -> anyhow::Result<Vec<Listen>> {
    line.split_whitespace().map(|word| word.parse().map_err(anyhow::Error::msg)).collect()
}

/// The next line; never one where nobody speaks.
async fn next(told: &mut Option<Words>) -> Option<String> {
    match told {
        Some(told) => told.recv().await,
        None => std::future::pending().await,
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

//! `weft wait`: until the pod's sidecar is ready. A hook of the sidecar's container that runs it holds back the containers
//! behind it, as Istio's templates have `pilot-agent wait` do.

use crate::client;
use anyhow::{Context, bail};
use http::{StatusCode, Uri};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// `weft wait`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where the sidecar says whether it is ready.
    #[arg(long, default_value = "http://localhost:15021/healthz/ready")]
    url: Uri,
    /// Give up after so many seconds.
    #[arg(long = "timeoutSeconds", alias = "timeout-seconds", value_name = "SECONDS", default_value_t = 60)]
    timeout_seconds: u32,
    /// How long one answer is waited for.
    #[arg(
        long = "requestTimeoutMillis",
        alias = "request-timeout-millis",
        value_name = "MILLISECONDS",
        default_value_t = 500
    )]
    request_timeout_millis: u32,
    /// How long until it is asked again.
    #[arg(
        long = "periodMillis",
        alias = "period-millis",
        value_name = "MILLISECONDS",
        default_value_t = 500
    )]
    period_millis: u32,
}

/// Waits.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(until_ready(args)).map(|()| ExitCode::SUCCESS)
}

async fn until_ready(args: &Args) -> anyhow::Result<()> {
    let host = args.url.host().with_context(|| format!("--url {}: it names no host", args.url))?;
    let address = format!("{host}:{}", args.url.port_u16().unwrap_or(80));
    let path = args.url.path_and_query().map_or("/", |path| path.as_str());
    let [limit, patience, period] = [
        Duration::from_secs(args.timeout_seconds.into()),
        Duration::from_millis(args.request_timeout_millis.into()),
        Duration::from_millis(args.period_millis.into()),
    ];
    let since = Instant::now();
    loop {
        let why = match client::fetch(&address, path, patience).await {
            Ok((StatusCode::OK, _)) => return Ok(()),
            Ok((status, body)) => format!("{status} {}", String::from_utf8_lossy(&body).trim()),
            Err(error) => error.to_string(),
        };
        if since.elapsed() + period >= limit {
            bail!("the sidecar at {} is not ready within {limit:?} (--timeoutSeconds): {why}", args.url);
        }
        tokio::time::sleep(period).await;
    }
}

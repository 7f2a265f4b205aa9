//! One probe: over a connection of its own, which tells of a server that takes no new ones, too.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use weft_model::health::{HealthCheck, Probe, USER_AGENT};
use weft_policy::health::Probed;

use crate::serving::{Question, is_serving};
use crate::snapshot::{ClusterView, EndpointView};
use crate::stream::Io;
use crate::upstream::connect::{Carrier, SocketSettings, Speaks, connect};

/// A head longer than this is no answer to a probe.
const LONGEST_HEAD: usize = 16 * 1024;

/// How an endpoint is reached.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) cluster: String,
    pub(super) address: SocketAddr,
    carrier: Arc<Carrier>,
    socket: SocketSettings,
}

impl Way {
    pub(super) fn of(view: &ClusterView, endpoint: &EndpointView) -> Self {
        Self {
            cluster: view.cluster.settings.name.clone(),
            address: endpoint.address,
            carrier: endpoint.carrier.clone(),
            socket: view.socket,
        }
    }
}

/// What came of a probe, and why in words.
pub(super) struct Answer {
    pub(super) outcome: Probed,
    pub(super) said: String,
}

pub(super) async fn probe(way: &Way, check: &HealthCheck) -> Answer {
    let asked = tokio::time::timeout(check.timeout, ask(way, &check.probe, check.timeout)).await;
    match asked {
        Ok(Ok(outcome)) => Answer { outcome, said: String::new() },
        Ok(Err(No::Refused(said))) => Answer { outcome: Probed::Refused, said },
        Ok(Err(No::Failed(said))) => Answer { outcome: Probed::Failed, said },
        Err(_) => Answer { outcome: Probed::Failed, said: format!("no answer within {:?}", check.timeout) },
    }
}

enum No {
    Failed(String),
    Refused(String),
}

impl<E: std::error::Error> From<E> for No {
    fn from(error: E) -> Self {
        Self::Failed(error.to_string())
    }
}

async fn ask(way: &Way, probe: &Probe, limit: Duration) -> Result<Probed, No> {
    let speaks = match probe {
        Probe::Http { .. } => Speaks::Http1,
        Probe::Grpc { .. } => Speaks::Http2,
        Probe::Tcp => Speaks::Tcp,
    };
    // A cluster's whole name is no host: `outbound|80||web`.
    let host = way.cluster.rsplit('|').next().unwrap_or_default();
    let connected = connect(way.address, &way.carrier, speaks, way.socket, limit, Some(host)).await?;
    let named = |said| if str::is_empty(said) { host } else { said };
    match probe {
        Probe::Http { path, host, patient } => http(connected.io, path, named(host), *patient).await,
        Probe::Grpc { service, authority } => grpc(connected.io, named(authority), service).await,
        Probe::Tcp => Ok(Probed::Well),
    }
}

async fn http(mut io: Io, path: &str, host: &str, patient: bool) -> Result<Probed, No> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: {USER_AGENT}\r\nconnection: close\r\n\r\n"
    );
    io.write_all(request.as_bytes()).await?;
    io.flush().await?;
    let mut seen = Vec::new();
    let end = loop {
        if let Some(end) = seen.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if seen.len() > LONGEST_HEAD || io.read_buf(&mut seen).await? == 0 {
            return Err(No::Failed("the connection ended before an answer".to_owned()));
        }
    };
    let head = String::from_utf8_lossy(&seen[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    if status != "200" {
        let said = format!("the answer was {status:?}, not 200");
        return Err(if patient { No::Failed(said) } else { No::Refused(said) });
    }
    let mut names = lines.filter_map(|line| line.split_once(':')).map(|(name, _)| name);
    let degraded = names.any(|name| name.eq_ignore_ascii_case("x-envoy-degraded"));
    Ok(if degraded { Probed::Degraded } else { Probed::Well })
}

/// gRPC's own question.
async fn grpc(io: Io, host: &str, service: &str) -> Result<Probed, No> {
    match is_serving(io, &Question { host, service, agent: Some(USER_AGENT) }).await {
        Ok(true) => Ok(Probed::Well),
        Ok(false) => Err(No::Refused("it is not SERVING".to_owned())),
        Err(why) => Err(No::Failed(why)),
    }
}

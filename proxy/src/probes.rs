//! Probes and hooks of a cluster's kubelet, which speaks no mTLS: it asks this port (`/app-health/...`, `/app-lifecycle/...`),
//! and the sidecar asks the app, from the address that nobody turns. Where nothing is turned at all, the app is on the pod's own side, and there
//! alone a Job's last step asks the sidecar to end.
//!
//! What to ask for each path comes from the injector, as JSON in `ISTIO_KUBE_APP_PROBERS`.

mod ask;
mod http;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// One probe or hook, as the pod's manifest had it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    http_get: Option<HttpGet>,
    tcp_socket: Option<TcpSocket>,
    grpc: Option<Grpc>,
    timeout_seconds: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HttpGet {
    #[serde(default)]
    path: String,
    port: u16,
    #[serde(default)]
    host: Option<String>,
    #[serde(default)]
    scheme: Option<String>,
    #[serde(default)]
    http_headers: Vec<Header>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Header {
    name: String,
    value: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct TcpSocket {
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Grpc {
    port: u16,
    #[serde(default)]
    service: Option<String>,
}

/// Probes by path.
pub type Probes = BTreeMap<String, Probe>;

/// Reads what the injector wrote.
///
/// # Errors
/// If it is no such JSON.
pub fn read(text: &str) -> Result<Probes, serde_json::Error> {
    serde_json::from_str(text)
}

/// What is asked of the app, where, and how the sidecar is told to end.
#[derive(Clone)]
pub struct Pod {
    /// By path.
    pub probes: Arc<Probes>,
    /// Where the app is asked.
    pub address: IpAddr,
    /// Told by `/quitquitquit`.
    pub end: Arc<Notify>,
}

/// Where the port of probes listens: for the kubelet, and for the pod itself, if these are two places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// For everybody.
    Both,
    /// At an address of the pod's own that others know.
    Kubelets,
    /// At the pod's own side.
    Own,
}

/// Serves probes of the app, and `/quitquitquit`, which ends the sidecar, until the process ends.
pub fn serve(socket: TcpListener, pod: Pod, side: Side) {
    let quits = match side {
        Side::Both => post(quit_from_inside),
        Side::Kubelets => post(|| async { NOT_FROM_OUTSIDE }),
        Side::Own => post(quit),
    };
    let routes = Router::new()
        .route("/app-health/{*rest}", get(health))
        .route("/app-lifecycle/{*rest}", get(hook))
        .route("/quitquitquit", quits)
        .with_state(pod);
    tokio::spawn(async move {
        let routes = routes.into_make_service_with_connect_info::<SocketAddr>();
        if let Err(error) = axum::serve(socket, routes).await {
            tracing::error!(%error, "the port of probes is closed");
        }
    });
}

/// A probe, which is over after a second where the manifest gives it no other time.
async fn health(State(pod): State<Pod>, Path(rest): Path<String>, asked: HeaderMap) -> Answer {
    answer(&pod, &format!("/app-health/{rest}"), &asked, Some(Duration::from_secs(1))).await
}

/// What a container asks for at its start (`postStart`) and at its end (`preStop`). An app may take its time, such as to end
/// what it does; it is the kubelet that stops waiting.
async fn hook(State(pod): State<Pod>, Path(rest): Path<String>, asked: HeaderMap) -> Answer {
    answer(&pod, &format!("/app-lifecycle/{rest}"), &asked, None).await
}

type Answer = (StatusCode, String);

/// What the app says to whoever asks for `path`, within the time that the injector wrote down or else within `limit`.
async fn answer(pod: &Pod, path: &str, asked: &HeaderMap, limit: Option<Duration>) -> Answer {
    let Some(probe) = pod.probes.get(path) else {
        return (StatusCode::NOT_FOUND, format!("ISTIO_KUBE_APP_PROBERS has no probe {path}\n"));
    };
    let answered = async {
        match (&probe.http_get, &probe.tcp_socket, &probe.grpc) {
            (Some(get), ..) => http::ask(pod.address, get, asked).await,
            (_, Some(tcp), _) => ask::tcp(pod.address, tcp.port).await.map(|_| StatusCode::OK),
            (_, _, Some(grpc)) => ask::grpc(pod.address, grpc).await,
            (None, None, None) => Err("the probe asks for nothing".to_owned()),
        }
    };
    let given = probe.timeout_seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs);
    let answered = match given.or(limit) {
        Some(limit) => tokio::time::timeout(limit, answered)
            .await
            .unwrap_or_else(|_| Err(format!("the app did not answer within {limit:?}"))),
        None => answered.await,
    };
    match answered {
        Ok(status) => (status, String::new()),
        Err(why) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{why}\n")),
    }
}

/// The address that the sidecar itself calls its app from, for whoever called it.
const INSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 6));

/// What others are told who want the sidecar to end.
const NOT_FROM_OUTSIDE: (StatusCode, &str) = (StatusCode::FORBIDDEN, "only from the pod's own localhost\n");

/// A Job's last step: only who is in the pod may ask for it. Whoever comes through the sidecar is not, wherever a pod's
/// rules hand this port over too.
async fn quit_from_inside(
    pod: State<Pod>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
) -> (StatusCode, &'static str) {
    let from = from.ip().to_canonical();
    if !from.is_loopback() || from == INSIDE {
        return NOT_FROM_OUTSIDE;
    }
    quit(pod).await
}

async fn quit(State(pod): State<Pod>) -> (StatusCode, &'static str) {
    pod.end.notify_one();
    (StatusCode::OK, "OK\n")
}

#[cfg(test)]
mod tests;

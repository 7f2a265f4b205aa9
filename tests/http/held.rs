//! What a proxy still lacks is waited for, as long as is stated; then whoever waits is refused, and the log says for what.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use weft_model::access_log::{AccessLog, LogFormat};
use weft_model::cluster::Discovery;
use weft_model::http::{HttpConnectionManager, RouteSource};
use weft_model::listener::{Direction, Listener};
use weft_model::tls::Transport;
use weft_testkit::mesh::Mesh;
use weft_testkit::wire::{Peer, Puppet};
use weft_testkit::{eventually, free_address, settings};

use super::peers::openssl;
use super::{GET, OK};

const HOLD: Duration = Duration::from_millis(400);

/// A file that a listener's connection manager logs to.
struct Log(PathBuf);

impl Log {
    fn of(manager: &mut HttpConnectionManager, name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("weft-test-{}-held-{name}.log", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let format = LogFormat::Text("%RESPONSE_FLAGS% %RESPONSE_CODE% \"%REASON%\"\n".into());
        let to = path.display().to_string();
        manager.access_log.push(AccessLog { path: to, format, only_no_route: false });
        Self(path)
    }

    async fn says(&self, line: &str) {
        eventually(line, async || {
            let text = std::fs::read_to_string(&self.0).unwrap_or_default();
            text.lines().any(|l| l == line)
        })
        .await;
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn inbound(at: std::net::SocketAddr) -> (Listener, Log) {
    let routes = settings::routes("", vec![settings::route("r", "/", settings::forward("in"))]);
    let mut manager = settings::manager(true, routes, vec![]);
    let log = Log::of(&mut manager, "inbound");
    let tls = settings::mtls_from_mesh(&["http/1.1"]);
    (settings::http("in", at, Direction::Inbound, tls, manager), log)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_certificate_connections_are_held_and_then_refused_and_served_once_it_is_there() {
    let (mesh, at, app) = (Mesh::new(), free_address(), Puppet::new().await);
    let server = mesh.nameless("server", |b| b.hold = HOLD);
    let (listener, log) = inbound(at);
    server.apply(&[settings::cluster("in", &[app.address])], &[listener]).await;
    let began = Instant::now();
    let Some(told) = openssl(at, &[], GET).await else { return };
    assert!(!told.contains("HTTP/1.1") && began.elapsed() >= HOLD, "{:?}: {told}", began.elapsed());
    log.says(
        r#"LR 0 "TLS handshake failed: this workload still has no certificate after 400ms; see /ready""#,
    )
    .await;

    // One that comes while it waits.
    let patient = mesh.nameless("server", |b| b.hold = Duration::from_secs(600));
    let at = free_address();
    let (listener, _log) = inbound(at);
    patient.apply(&[settings::cluster("in", &[app.address])], &[listener]).await;
    let files = tempfile::tempdir().unwrap();
    let (chain, key) = mesh.identity("client");
    let [chain, key] = [("chain.pem", chain), ("key.pem", key)].map(|(name, text)| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    });
    let request = "GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n";
    let args = ["-cert", &chain, "-cert_chain", &chain, "-key", &key];
    let client = openssl(at, &args, request);
    let serve = async {
        eventually("the client is there", async || patient.active().iter().sum::<usize>() > 0).await;
        mesh.certify(&patient.shared.secrets, "server");
        let mut app = app.accept().await;
        app.head().await;
        app.send(OK).await;
        app
    };
    let (told, _app) = tokio::join!(client, serve);
    assert!(told.unwrap().contains("HTTP/1.1 200"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_configuration_is_waited_for_and_then_its_lack_is_told() {
    let (mesh, at, app) = (Mesh::new(), free_address(), Puppet::new().await);
    let sidecar = mesh.sidecar_with("client", |b| b.hold = HOLD);
    let mut manager = settings::manager(false, settings::routes("", vec![]), vec![]);
    manager.routes = RouteSource::Rds("80".into());
    let log = Log::of(&mut manager, "routes");
    let listener = settings::http("out", at, Direction::Outbound, Transport::Raw, manager);
    let cluster = settings::cluster("outbound|80||app", &[app.address]);
    sidecar.apply(&[cluster], &[listener]).await;
    let mut client = Peer::connect(at).await;
    let began = Instant::now();
    client.send(GET).await;
    let (head, body) = client.response().await;
    let why = "route configuration 80 has not arrived within 400ms; is the control plane up?";
    assert!(head.starts_with("http/1.1 503") && began.elapsed() >= HOLD, "{:?}: {head}", began.elapsed());
    assert_eq!(body, format!("{why}\n"));
    log.says(&format!("NR 503 \"{why}\"")).await;

    // What waits when it comes is served.
    let patient = mesh.sidecar_with("client", |b| b.hold = Duration::from_secs(600));
    let mut manager = settings::manager(false, settings::routes("", vec![]), vec![]);
    manager.routes = RouteSource::Rds("80".into());
    let at = free_address();
    let listener = settings::http("out", at, Direction::Outbound, Transport::Raw, manager);
    patient.apply(&[settings::cluster("outbound|80||app", &[app.address])], &[listener]).await;
    let mut client = Peer::connect(at).await;
    client.send(GET).await;
    let routes =
        settings::routes("80", vec![settings::route("r", "/", settings::forward("outbound|80||app"))]);
    patient.configure(&[], &[], &[], &[routes]).await;
    let mut app = app.accept().await;
    app.head().await;
    app.send(OK).await;
    assert!(client.response().await.0.starts_with("http/1.1 200"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_while_a_sidecar_starts_is_let_in_when_there_is_somebody_to_go_to() {
    let (mesh, at, app) = (Mesh::new(), free_address(), Puppet::new().await);
    let start = Arc::new(Notify::new());
    let started = start.clone();
    let sidecar = mesh.starting("client", at, async move { started.notified().await });
    let mut client = Peer::connect(at).await;
    client.send(GET).await;
    // The service comes before its endpoints, as it does from any control plane.
    let mut cluster = settings::cluster("outbound|80||app", &[app.address]);
    let mut endpoints = cluster.load_assignment.take().unwrap();
    endpoints.cluster = "outbound|80||app".into();
    cluster.discovery = Discovery::Eds(String::new());
    let to = settings::forward("outbound|80||app");
    let routes = settings::routes("", vec![settings::route("r", "/", to)]);
    let manager = settings::manager(false, routes, vec![]);
    let listener = settings::http("out", at, Direction::Outbound, Transport::Raw, manager);
    sidecar.apply(&[cluster], &[listener]).await;
    sidecar.configure(&[], &[endpoints], &[], &[]).await;
    assert_eq!(sidecar.active().iter().sum::<usize>(), 0, "nobody is let in yet");
    start.notify_one();
    let mut app = app.accept().await;
    app.head().await;
    app.send(OK).await;
    assert!(client.response().await.0.starts_with("http/1.1 200"));
}

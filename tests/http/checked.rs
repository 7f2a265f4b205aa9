//! Active health checks: who does not answer them gets nothing, and who says that it is degraded comes last.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use weft_model::cluster::CircuitBreakers;
use weft_model::health::{HealthCheck, Probe};
use weft_policy::health::Verdict;
use weft_testkit::{eventually, settings};

use super::Lone;

const DEGRADED: u16 = 299;

/// An app that calls itself by a number, and answers health checks as it is told.
#[derive(Clone)]
struct App {
    address: SocketAddr,
    health: Arc<AtomicU16>,
    /// How many requests it keeps waiting.
    held: Arc<watch::Sender<usize>>,
}

impl App {
    async fn new(number: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let app = Self {
            address: listener.local_addr().unwrap(),
            health: Arc::new(AtomicU16::new(200)),
            held: Arc::default(),
        };
        let (health, held) = (app.health.clone(), app.held.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, number, health.clone(), held.clone()));
            }
        });
        app
    }

    fn is(&self, health: u16) {
        self.health.store(health, Ordering::Relaxed);
    }
}

async fn serve(mut socket: TcpStream, number: u16, health: Arc<AtomicU16>, held: Arc<watch::Sender<usize>>) {
    let mut seen = [0; 4096];
    while let Ok(n) = socket.read(&mut seen).await {
        if n == 0 {
            return;
        }
        if seen.starts_with(b"GET /held ") {
            held.send_modify(|held| *held += 1);
            let _ = held.subscribe().wait_for(|held| *held == 0).await;
        }
        let answer = if !seen.starts_with(b"GET /healthz ") {
            format!("HTTP/1.1 {number} Mine\r\nContent-Length: 0\r\n\r\n")
        } else if health.load(Ordering::Relaxed) == DEGRADED {
            "HTTP/1.1 200 OK\r\nX-Envoy-Degraded: yes\r\nContent-Length: 0\r\n\r\n".to_owned()
        } else {
            format!("HTTP/1.1 {} Told\r\nContent-Length: 0\r\n\r\n", health.load(Ordering::Relaxed))
        };
        if socket.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn check(probe: Probe) -> HealthCheck {
    HealthCheck {
        probe,
        interval: Duration::from_millis(20),
        jitter_percent: 50,
        timeout: Duration::from_secs(2),
        unhealthy_threshold: 2,
        healthy_threshold: 2,
    }
}

fn http() -> Probe {
    Probe::Http { path: "/healthz".into(), host: String::new(), patient: true }
}

async fn checked(addresses: &[SocketAddr], probe: Probe) -> Lone {
    let lone = Lone::new().await;
    let mut cluster = settings::cluster("outbound|80||app", addresses);
    cluster.balancing.panic_threshold = Some(0.0);
    cluster.health_check = Some(check(probe));
    lone.sidecar.apply(&[cluster], &[]).await;
    lone
}

/// Who answers ten requests.
async fn answered(lone: &Lone) -> Vec<String> {
    let mut client = lone.client().await;
    let mut seen = Vec::new();
    for _ in 0..10 {
        client.send(super::GET).await;
        let (head, _) = client.response().await;
        seen.push(head[9..12].to_owned());
    }
    seen.sort();
    seen.dedup();
    seen
}

#[tokio::test]
async fn who_fails_gets_nothing_until_it_answers_again() {
    let (one, two) = (App::new(201).await, App::new(202).await);
    let lone = checked(&[one.address, two.address], http()).await;
    assert_eq!(answered(&lone).await, ["201", "202"]);
    one.is(500);
    eventually("the ill one is left alone", async || answered(&lone).await == ["202"]).await;
    two.is(500);
    eventually("nobody is well", async || answered(&lone).await == ["503"]).await;
    one.is(200);
    eventually("it is back", async || answered(&lone).await == ["201"]).await;
}

#[tokio::test]
async fn who_says_that_it_is_degraded_gets_what_the_others_cannot_take() {
    let (one, two) = (App::new(201).await, App::new(202).await);
    let lone = checked(&[one.address, two.address], http()).await;
    one.is(DEGRADED);
    // One well of two carries 70 %, the degraded one the rest; when it alone is left it has all.
    eventually("both are used", async || answered(&lone).await == ["201", "202"]).await;
    two.is(500);
    eventually("the degraded one is better than nobody", async || answered(&lone).await == ["201"]).await;
}

#[tokio::test]
async fn grpcs_own_health_service_is_asked_and_a_port_that_nobody_has_is_ill() {
    let serving = Arc::new(AtomicU16::new(1));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let status = serving.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let status = status.clone();
            tokio::spawn(async move {
                let mut first = [0; 3];
                // What is no HTTP/2 is an actual request, over HTTP/1.1.
                if socket.peek(&mut first).await.is_ok() && &first != b"PRI" {
                    return serve(socket, 201, Arc::new(AtomicU16::new(200)), Arc::default()).await;
                }
                let mut connection = h2::server::handshake(socket).await.unwrap();
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
                    let head = http::Response::builder().header("content-type", "application/grpc");
                    let mut body = respond.send_response(head.body(()).unwrap(), false).unwrap();
                    let status = u8::try_from(status.load(Ordering::Relaxed)).unwrap();
                    body.send_data(Bytes::from(vec![0, 0, 0, 0, 2, 8, status]), false).unwrap();
                    let mut trailers = http::HeaderMap::new();
                    trailers.insert("grpc-status", "0".parse().unwrap());
                    body.send_trailers(trailers).unwrap();
                }
            });
        }
    });
    let lone = checked(&[address], Probe::Grpc { service: "a.B".into(), authority: String::new() }).await;
    assert_eq!(answered(&lone).await, ["201"]);
    serving.store(2, Ordering::Relaxed);
    eventually("it is NOT_SERVING", async || answered(&lone).await == ["503"]).await;
    serving.store(1, Ordering::Relaxed);
    eventually("it serves again", async || answered(&lone).await == ["201"]).await;

    let (one, gone) = (App::new(201).await, weft_testkit::free_address());
    let lone = checked(&[one.address, gone], Probe::Tcp).await;
    // Requests would go elsewhere unasked, so that their answers say nothing.
    is_known(&lone, gone, Verdict::Ill).await;
    is_known(&lone, one.address, Verdict::Well).await;
    assert_eq!(answered(&lone).await, ["201"]);
}

/// Waits until it is known of an endpoint that it is so.
async fn is_known(lone: &Lone, address: SocketAddr, wanted: Verdict) {
    eventually("it is known how it is", async || {
        let snapshot = lone.sidecar.shared.live.load();
        let view = snapshot.cluster_named("outbound|80||app").unwrap();
        let endpoint = view.endpoints.iter().find(|endpoint| endpoint.address == address);
        endpoint.unwrap().state.health.verdict() == wanted
    })
    .await;
}

#[tokio::test]
async fn who_waits_for_a_connection_gets_none_to_an_endpoint_that_is_ill_when_his_turn_comes() {
    let apps = [App::new(201).await, App::new(202).await];
    let lone = Lone::new().await;
    let mut cluster = settings::cluster("outbound|80||app", &apps.each_ref().map(|app| app.address));
    cluster.balancing.panic_threshold = Some(0.0);
    cluster.health_check = Some(check(http()));
    // Probes come on connections of their own, which are not counted.
    cluster.circuit_breakers = CircuitBreakers { max_connections: Some(1), ..CircuitBreakers::default() };
    lone.sidecar.apply(&[cluster], &[]).await;
    let health = async |place: usize, wanted| is_known(&lone, apps[place].address, wanted).await;
    let pending = async |wanted: u32| {
        let line =
            format!("envoy_cluster_upstream_rq_pending_active{{cluster_name=\"outbound|80||app\"}} {wanted}");
        eventually(&line, async || lone.sidecar.metrics().lines().any(|said| said == line)).await;
    };
    // Whoever waits is on the same worker or on another, and had chosen the same endpoint or the other.
    for _ in 0..6 {
        let mut first = lone.client().await;
        first.send("GET /held HTTP/1.1\r\nHost: app\r\n\r\n").await;
        let holds = |app: &App| *app.held.borrow() == 1;
        eventually("one of them has it", async || apps.iter().any(holds)).await;
        let place = apps.iter().position(holds).unwrap();
        let (sick, well) = (&apps[place], ["202", "201"][place]);
        let mut waits = Vec::new();
        for n in 1..=3 {
            let mut client = lone.client().await;
            client.send(super::GET).await;
            pending(n).await;
            waits.push(client);
        }
        sick.is(500);
        health(place, Verdict::Ill).await;
        sick.held.send_replace(0);
        assert_ne!(&first.response().await.0[9..12], well, "what was under way goes on");
        for mut client in waits {
            assert_eq!(&client.response().await.0[9..12], well, "the one that is ill was asked");
        }
        sick.is(200);
        health(place, Verdict::Well).await;
    }
}

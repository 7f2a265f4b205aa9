//! What passes two sidecars arrives as it was sent, encrypted on the way, and told to the app as Istio tells it.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use weft_model::cluster::Cluster;
use weft_model::health::{HealthCheck, Probe};
use weft_model::http::HttpFilter;
use weft_model::listener::{Direction, NetworkFilter, TcpProxy};
use weft_model::matcher::{Pattern, StringMatcher};
use weft_model::rbac::{Action, Permission, Policy, Principal, Rbac, RbacFilter};
use weft_model::tls::Transport;
use weft_policy::health::Verdict;
use weft_testkit::mesh::{Mesh, Sidecar};
use weft_testkit::wire::{End, Peer, Puppet};
use weft_testkit::{app, free_address, settings};

/// Two sidecars, `client` and `server`, mTLS between them, an echo app behind the second.
struct Pair {
    _mesh: Mesh,
    client: Sidecar,
    server: Sidecar,
    outbound: SocketAddr,
    inbound: SocketAddr,
    /// The server, as the client's sidecar calls it.
    cluster: Cluster,
}

fn allow(who: &str, paths: &[&str]) -> HttpFilter {
    let permissions =
        paths.iter().map(|p| Permission::UrlPath(Pattern::Prefix((*p).to_owned()).into())).collect();
    let policy = Policy {
        permissions,
        principals: vec![Principal::Authenticated(Some(StringMatcher::exact(Mesh::uri(who))))],
        has_condition: false,
    };
    let policies = [("ns[test]-policy[allow]-rule[0]".to_owned(), policy)].into();
    let rules = Some(Rbac { action: Action::Allow, policies });
    HttpFilter::Rbac(RbacFilter { rules, ..RbacFilter::default() })
}

impl Pair {
    async fn new(filters: Vec<HttpFilter>) -> Self {
        let mesh = Mesh::new();
        let (client, server) = (mesh.sidecar("client"), mesh.sidecar("server"));
        let (outbound, inbound) = (free_address(), free_address());
        let app = app::echo().await;
        let in_routes =
            settings::routes("", vec![settings::route("default", "/", settings::forward("inbound|80||"))]);
        let listener = settings::http(
            "in",
            inbound,
            Direction::Inbound,
            settings::mtls_from_mesh(&["h2", "http/1.1"]),
            settings::manager(true, in_routes, filters),
        );
        let mut inbound_cluster = settings::cluster("inbound|80||", &[app]);
        inbound_cluster.http.protocol = weft_model::cluster::UpstreamProtocol::Downstream;
        server.apply(&[inbound_cluster], &[listener]).await;

        let mut cluster = settings::cluster("outbound|80||app", &[inbound]);
        cluster.transport = settings::mtls_to(&Mesh::uri("server"));
        cluster.http.protocol = weft_model::cluster::UpstreamProtocol::Downstream;
        let out_routes = settings::routes(
            "",
            vec![settings::route("default", "/", settings::forward("outbound|80||app"))],
        );
        let manager = settings::manager(false, out_routes, vec![]);
        let listener = settings::http("out", outbound, Direction::Outbound, Transport::Raw, manager);
        client.apply(std::slice::from_ref(&cluster), &[listener]).await;
        Self { _mesh: mesh, client, server, outbound, inbound, cluster }
    }

    /// Sends raw bytes and reads one answer to its end.
    async fn raw(&self, request: &str) -> String {
        let mut socket = TcpStream::connect(self.outbound).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        read_answer(&mut socket).await
    }

    async fn get(&self, path: &str) -> (u16, Value, String) {
        let answer =
            self.raw(&format!("GET {path} HTTP/1.1\r\nHost: app\r\nX-Mixed-Case: Yes\r\n\r\n")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer.as_str(), ""));
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        (status, serde_json::from_str(body).unwrap_or(Value::Null), head.to_ascii_lowercase())
    }
}

/// Reads a response by its content-length or chunks, or to the end of the connection.
async fn read_answer(socket: &mut TcpStream) -> String {
    let reading = async {
        let mut seen = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&seen).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let lower = head.to_ascii_lowercase();
                let length =
                    lower.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse::<usize>().ok());
                let whole = match length {
                    Some(length) => body.len() >= length,
                    None if lower.contains("transfer-encoding: chunked") => {
                        body.ends_with("0\r\n\r\n")
                            || (body.contains("\r\n0\r\n") && body.ends_with("\r\n\r\n"))
                    }
                    None => false,
                };
                if whole {
                    return text;
                }
            }
            let mut piece = [0; 4096];
            match socket.read(&mut piece).await {
                Ok(0) | Err(_) => return text,
                Ok(n) => seen.extend_from_slice(&piece[..n]),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reading).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_passes_two_sidecars_in_mtls_and_the_app_is_told_who_calls() {
    let pair = Pair::new(vec![allow("client", &["/"])]).await;
    let (status, told, head) = pair.get("/a/../b?x=1").await;
    assert_eq!(status, 200, "{head}");
    assert_eq!(told["path"], "/b?x=1", "the path is normalized before anybody sees it");
    assert_eq!(told["headers"]["host"], "app");
    assert_eq!(told["headers"]["x-envoy-attempt-count"], "1");
    assert_eq!(told["headers"]["x-forwarded-proto"], "http");
    assert_eq!(told["headers"]["x-request-id"].as_str().unwrap().len(), 36);
    let xfcc = told["headers"]["x-forwarded-client-cert"].as_str().unwrap();
    let wanted = format!("By={};Hash=", Mesh::uri("server"));
    assert!(xfcc.starts_with(&wanted) && xfcc.ends_with(&format!("URI={}", Mesh::uri("client"))), "{xfcc}");
    assert!(head.contains("server: envoy") && head.contains("x-envoy-upstream-service-time: "), "{head}");
    weft_testkit::eventually("both sides count", async || {
        [&pair.client, &pair.server].iter().all(|side| side.metrics().contains("istio_requests_total{"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_policy_allows_is_denied_and_a_changed_policy_counts_for_the_next_request_of_an_open_connection()
 {
    let pair = Pair::new(vec![allow("client", &["/open"])]).await;
    let mut socket = TcpStream::connect(pair.outbound).await.unwrap();
    let mut ask = async |path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: app\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        read_answer(&mut socket).await
    };
    assert!(ask("/open").await.starts_with("HTTP/1.1 200"));
    let denied = ask("/shut").await;
    assert!(denied.starts_with("HTTP/1.1 403") && denied.ends_with("RBAC: access denied"), "{denied}");
    assert!(ask("/open/../shut").await.starts_with("HTTP/1.1 403"));

    let in_routes =
        settings::routes("", vec![settings::route("default", "/", settings::forward("inbound|80||"))]);
    let manager = settings::manager(true, in_routes, vec![allow("client", &["/shut"])]);
    let alpn = ["h2", "http/1.1"];
    let listener =
        settings::http("in", pair.inbound, Direction::Inbound, settings::mtls_from_mesh(&alpn), manager);
    pair.server.apply(&[], &[listener]).await;
    assert!(ask("/shut").await.starts_with("HTTP/1.1 200"));
    assert!(ask("/open").await.starts_with("HTTP/1.1 403"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plaintext_and_strangers_are_refused_at_the_door() {
    let pair = Pair::new(vec![]).await;
    let mut plain = TcpStream::connect(pair.inbound).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: app\r\n\r\n").await.unwrap();
    let mut seen = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(5), plain.read_to_end(&mut seen)).await.unwrap();
    assert!(read.is_err() || seen.is_empty(), "plaintext is answered: {}", String::from_utf8_lossy(&seen));

    // The server is not who the client's configuration says: no request may reach it.
    let mut cluster = settings::cluster("outbound|80||app", &[pair.inbound]);
    cluster.transport = settings::mtls_to(&Mesh::uri("somebody-else"));
    pair.client.apply(&[cluster], &[]).await;
    let (status, _, head) = pair.get("/").await;
    assert_eq!(status, 503, "{head}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_stream_both_ways_with_trailers_and_the_connection_is_used_again() {
    let pair = Pair::new(vec![]).await;
    let mut socket = TcpStream::connect(pair.outbound).await.unwrap();
    for round in 0..3 {
        let body = "x".repeat(50_000 * (round + 1));
        let head = "POST /stream HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n";
        socket.write_all(head.as_bytes()).await.unwrap();
        for piece in body.as_bytes().chunks(7919) {
            socket.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await.unwrap();
            socket.write_all(piece).await.unwrap();
            socket.write_all(b"\r\n").await.unwrap();
        }
        socket.write_all(b"0\r\n\r\n").await.unwrap();
        let answer = read_answer(&mut socket).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{}", &answer[..200.min(answer.len())]);
        let echoed = answer.matches('x').count();
        assert!(echoed >= body.len(), "{echoed} of {}", body.len());
        assert!(answer.contains("x-end: yes"), "trailers pass");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn smuggled_requests_are_answered_once_with_400_and_the_connection_is_closed() {
    let pair = Pair::new(vec![]).await;
    for request in [
        "POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: app\r\nX: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\nHost: app\n\n",
        "GET /a#b HTTP/1.1\r\nHost: app\r\n\r\n",
    ] {
        let mut socket = TcpStream::connect(pair.outbound).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut seen = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(5), socket.read_to_end(&mut seen)).await;
        assert!(end.is_ok(), "the connection stays open after {request:?}");
        let text = String::from_utf8_lossy(&seen);
        assert!(text.starts_with("HTTP/1.1 400"), "{request:?}: {text}");
        assert_eq!(text.matches("HTTP/1.1 400").count(), 1, "{request:?}: {text}");
        assert_eq!(text.lines().filter(|line| line.starts_with("HTTP/")).count(), 1, "{request:?}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_with_prior_knowledge_travels_as_http2_and_http10_is_answered() {
    let pair = Pair::new(vec![]).await;
    let socket = TcpStream::connect(pair.outbound).await.unwrap();
    let (mut send, connection) = h2::client::handshake(socket).await.unwrap();
    tokio::spawn(connection);
    for _ in 0..2 {
        let request = http::Request::builder().uri("http://app/h2").header("x-a", "b").body(()).unwrap();
        let (response, _) = send.send_request(request, true).unwrap();
        let (parts, mut body) = response.await.unwrap().into_parts();
        assert_eq!(parts.status, 200);
        let mut all = Vec::new();
        while let Some(piece) = body.data().await {
            let piece = piece.unwrap();
            let _ = body.flow_control().release_capacity(piece.len());
            all.extend_from_slice(&piece);
        }
        let told: Value = serde_json::from_slice(&all).unwrap();
        assert_eq!(told["version"], "HTTP/2.0");
        assert_eq!(told["headers"]["x-a"], "b");
    }
    let answer = pair.raw("GET /old HTTP/1.0\r\nHost: app\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_is_gone_costs_no_request_that_can_go_elsewhere() {
    let pair = Pair::new(vec![]).await;
    let mut cluster = settings::cluster("outbound|80||app", &[free_address(), pair.inbound]);
    cluster.transport = settings::mtls_to(&Mesh::uri("server"));
    pair.client.apply(&[cluster], &[]).await;
    for _ in 0..10 {
        let (status, _, head) = pair.get("/").await;
        assert_eq!(status, 200, "{head}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tcp_passes_in_mtls_even_if_the_server_speaks_first_and_only_who_is_allowed_gets_through() {
    let mesh = Mesh::new();
    let (client, server) = (mesh.sidecar("client"), mesh.sidecar("server"));
    let (outbound, inbound) = (free_address(), free_address());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let app = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                socket.write_all(b"hello\n").await.unwrap();
                let (mut read, mut write) = socket.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    let rbac = |who: &str| {
        let policy = Policy {
            permissions: vec![Permission::Any],
            principals: vec![Principal::Authenticated(Some(StringMatcher::exact(Mesh::uri(who))))],
            has_condition: false,
        };
        let rules = Some(Rbac { action: Action::Allow, policies: [("p".to_owned(), policy)].into() });
        vec![NetworkFilter::Rbac(RbacFilter { rules, stat_prefix: "tcp.".into(), ..RbacFilter::default() })]
    };
    let inside = |who: &str| {
        settings::tcp(
            "in",
            inbound,
            Direction::Inbound,
            settings::mtls_from_mesh(&["h2"]),
            rbac(who),
            "inbound|5||",
        )
    };
    server.apply(&[settings::cluster("inbound|5||", &[app])], &[inside("client")]).await;
    let mut cluster = settings::cluster("outbound|5||db", &[inbound]);
    cluster.transport = settings::mtls_to(&Mesh::uri("server"));
    let out = settings::tcp("out", outbound, Direction::Outbound, Transport::Raw, vec![], "outbound|5||db");
    client.apply(&[cluster], &[out]).await;

    let mut socket = TcpStream::connect(outbound).await.unwrap();
    let mut greeting = [0; 6];
    tokio::time::timeout(Duration::from_secs(5), socket.read_exact(&mut greeting)).await.unwrap().unwrap();
    assert_eq!(&greeting, b"hello\n");
    socket.write_all(b"ping").await.unwrap();
    let mut echo = [0; 4];
    socket.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"ping");

    // The policy changes: the open connection is judged again, and a new one gets nothing.
    server.apply(&[], &[inside("nobody")]).await;
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(5), socket.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "an open connection outlives the policy that allowed it");
    let mut late = TcpStream::connect(outbound).await.unwrap();
    let read = tokio::time::timeout(Duration::from_secs(5), late.read_to_end(&mut rest)).await.unwrap();
    assert!(read.is_err() || rest.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tcp_connection_that_is_idle_for_too_long_ends_in_order_for_both_ends_though_mtls_is_between() {
    let mesh = Mesh::new();
    let (client, server) = (mesh.sidecar("client"), mesh.sidecar("server"));
    let (outbound, inbound, app) = (free_address(), free_address(), Puppet::new().await);
    let mtls = settings::mtls_from_mesh(&["h2"]);
    let inside = settings::tcp("in", inbound, Direction::Inbound, mtls, vec![], "inbound|5||");
    server.apply(&[settings::cluster("inbound|5||", &[app.address])], &[inside]).await;
    let mut cluster = settings::cluster("outbound|5||db", &[inbound]);
    cluster.transport = settings::mtls_to(&Mesh::uri("server"));
    let mut out =
        settings::tcp("out", outbound, Direction::Outbound, Transport::Raw, vec![], "outbound|5||db");
    out.filter_chains[0].filters = vec![NetworkFilter::TcpProxy(TcpProxy {
        clusters: vec![("outbound|5||db".into(), 1)],
        idle_timeout: Some(Duration::from_millis(500)),
        ..TcpProxy::default()
    })];
    client.apply(&[cluster], &[out]).await;
    let mut caller = Peer::connect(outbound).await;
    caller.send("ping").await;
    let mut served = loop {
        let mut served = app.accept().await;
        // Whoever looked whether the port is open says nothing, and has gone.
        if served.socket().read_exact(&mut [0; 4]).await.is_ok() {
            break served;
        }
    };
    assert_eq!(caller.end().await, (String::new(), End::Closed));
    assert_eq!(served.end().await, (String::new(), End::Closed));
}

fn counted(side: &Sidecar, code: &str) -> Option<String> {
    let wanted = format!("response_code=\"{code}\"");
    let text = side.metrics();
    text.lines().find(|l| l.starts_with("istio_requests_total{") && l.contains(&wanted)).map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_denied_is_counted_for_its_service_and_the_client_knows_who_answered() {
    let pair = Pair::new(vec![allow("client", &["/open"])]).await;
    assert_eq!(pair.get("/open").await.0, 200);
    assert_eq!(pair.get("/shut").await.0, 403);
    weft_testkit::eventually("all is counted", async || {
        let client = ["200", "403"].iter().all(|code| counted(&pair.client, code).is_some());
        client && counted(&pair.server, "403").is_some()
    })
    .await;
    let denied = counted(&pair.server, "403").unwrap();
    assert!(
        denied.contains("destination_service_name=\"inbound|80||\""),
        "where all of the port goes: {denied}"
    );
    let principal = format!("destination_principal=\"{}\"", Mesh::uri("server"));
    for code in ["200", "403"] {
        let line = counted(&pair.client, code).unwrap();
        assert!(line.contains(&principal), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_health_check_passes_two_sidecars_as_a_request_does_and_is_denied_as_one() {
    for (paths, verdict, status) in [(&["/"][..], Verdict::Well, 200), (&["/work"], Verdict::Ill, 503)] {
        let pair = Pair::new(vec![allow("client", paths)]).await;
        assert_eq!(pair.get("/work").await.0, 200, "who was not asked yet is used");
        let mut cluster = pair.cluster.clone();
        cluster.balancing.panic_threshold = Some(0.0);
        cluster.health_check = Some(HealthCheck {
            probe: Probe::Http { path: "/healthz".into(), host: String::new(), patient: true },
            interval: Duration::from_millis(20),
            jitter_percent: 0,
            timeout: Duration::from_secs(5),
            unhealthy_threshold: 2,
            healthy_threshold: 2,
        });
        pair.client.apply(&[cluster], &[]).await;
        weft_testkit::eventually("it is known how it is", async || {
            let snapshot = pair.client.shared.live.load();
            let view = snapshot.cluster_named("outbound|80||app").unwrap();
            view.endpoints[0].state.health.verdict() == verdict
        })
        .await;
        assert_eq!(pair.get("/work").await.0, status);
    }
}

//! An endpoint that dies while it works on requests: what is idempotent goes to another, once, and nothing else does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use weft_model::cluster::UpstreamProtocol;
use weft_model::listener::Direction;
use weft_model::route::RetryPolicy;
use weft_model::tls::Transport;
use weft_testkit::app::Switched;
use weft_testkit::mesh::{Mesh, Sidecar};
use weft_testkit::wire::Peer;
use weft_testkit::{eventually, free_address, settings};

use super::{GET, NAME, ask, forward, sockets};

const POST: &str = "POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 3\r\n\r\n100";

/// A machine in front of a server: once it dies its connections are broken off, and new ones refused.
struct Machine {
    address: SocketAddr,
    dead: watch::Sender<bool>,
    /// Bytes from clients.
    heard: Arc<AtomicU64>,
}

impl Machine {
    async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (dead, heard) = (watch::Sender::new(false), Arc::new(AtomicU64::new(0)));
        let (mut dies, each, counter) = (dead.subscribe(), dead.clone(), heard.clone());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = dies.wait_for(|dead| *dead) => return,
                    Ok((client, _)) = listener.accept() => {
                        tokio::spawn(carry(client, server, each.subscribe(), counter.clone()));
                    }
                }
            }
        });
        Self { address, dead, heard }
    }

    fn heard(&self) -> u64 {
        self.heard.load(Ordering::SeqCst)
    }

    fn dies(&self) {
        self.dead.send_replace(true);
    }
}

async fn carry(
    mut client: TcpStream,
    server: SocketAddr,
    mut dies: watch::Receiver<bool>,
    heard: Arc<AtomicU64>,
) {
    let mut server = TcpStream::connect(server).await.unwrap();
    let died = async { dies.wait_for(|dead| *dead).await.is_ok() };
    let dead = tokio::select! {
        dead = died => dead,
        () = copy(&mut client, &mut server, &heard) => false,
    };
    if dead {
        sockets::break_off(&client);
    }
}

async fn copy(client: &mut TcpStream, server: &mut TcpStream, heard: &AtomicU64) {
    let (mut there, mut back) = ([0; 4096], [0; 4096]);
    loop {
        tokio::select! {
            Ok(n @ 1..) = client.read(&mut there) => {
                heard.fetch_add(n as u64, Ordering::SeqCst);
                server.write_all(&there[..n]).await.unwrap();
            }
            Ok(n @ 1..) = server.read(&mut back) => client.write_all(&back[..n]).await.unwrap(),
            else => return,
        }
    }
}

/// A client's sidecar, two machines, and one app behind both.
struct Scene {
    _mesh: Mesh,
    _sidecars: [Sidecar; 2],
    client: SocketAddr,
    machines: [Machine; 2],
    app: Switched,
}

impl Scene {
    async fn new(protocol: UpstreamProtocol, mtls: bool, times: u32) -> Self {
        let mesh = Mesh::new();
        let [caller, server] = ["client", "server"].map(|account| mesh.sidecar(account));
        let (app, client, inbound) = (Switched::new().await, free_address(), free_address());
        let machines = [Machine::before(inbound).await, Machine::before(inbound).await];
        let mut cluster = settings::cluster(NAME, &machines.each_ref().map(|machine| machine.address));
        cluster.http.protocol = protocol;
        let mut secured = Transport::Raw;
        if mtls {
            cluster.transport = settings::mtls_to(&Mesh::uri("server"));
            secured = settings::mtls_from_mesh(&["h2", "http/1.1"]);
        }
        let manager = |to: &str, retry| {
            let routes = settings::routes("", vec![settings::route("r", "/", settings::forward(to))]);
            let mut manager = settings::manager(to == "in", routes, vec![]);
            forward(&mut manager).retry = retry;
            manager
        };
        // What weft's control plane sends where nobody says anything.
        let retry = RetryPolicy {
            retry_on: "connect-failure,refused-stream,retriable-status-codes".into(),
            num_retries: Some(times),
            avoid_previous_hosts: true,
            ..RetryPolicy::default()
        };
        let out = manager(NAME, Some(retry));
        let out = settings::http("out", client, Direction::Outbound, Transport::Raw, out);
        caller.apply(&[cluster], &[out]).await;
        let into = settings::http("in", inbound, Direction::Inbound, secured, manager("in", None));
        server.apply(&[settings::cluster("in", &[app.address])], &[into]).await;
        Self { _mesh: mesh, _sidecars: [caller, server], client, machines, app }
    }

    /// Both machines have a connection that has carried something.
    async fn are_used(&self) {
        let mut client = Peer::connect(self.client).await;
        while self.machines.iter().any(|machine| machine.heard() == 0) {
            assert_eq!(ask(&mut client, GET).await.0, 200);
        }
    }

    /// The machine that a request went to dies while the app works on it. The answer's status, and how often the app has
    /// begun with it.
    async fn dies_of(&self, request: &str) -> (u16, u32) {
        let (seen, pause) = (self.app.seen(), &self.app.pause);
        pause.store(600_000, Ordering::SeqCst);
        let before = self.machines.each_ref().map(Machine::heard);
        let mut client = Peer::connect(self.client).await;
        client.send(request).await;
        eventually("the app has it", async || self.app.seen() > seen).await;
        pause.store(0, Ordering::SeqCst);
        let asked = self.machines.iter().zip(before).find(|(machine, before)| machine.heard() > *before);
        asked.unwrap().0.dies();
        let (head, _) = client.response().await;
        (head.split(' ').nth(1).unwrap().parse().unwrap(), self.app.seen() - seen)
    }
}

const WAYS: [(UpstreamProtocol, bool); 4] = [
    (UpstreamProtocol::Http1, false),
    (UpstreamProtocol::Http1, true),
    (UpstreamProtocol::Http2, false),
    (UpstreamProtocol::Http2, true),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_get_that_a_server_dies_within_is_answered_by_another_and_a_post_is_not_sent_twice() {
    for (protocol, mtls) in WAYS {
        for used in [false, true] {
            for (request, told, executed) in [(GET, 200, 2), (POST, 503, 1)] {
                let scene = Scene::new(protocol, mtls, 2).await;
                if used {
                    scene.are_used().await;
                }
                let what = format!("{request:?} over {protocol:?}, mTLS: {mtls}, used before: {used}");
                assert_eq!(scene.dies_of(request).await, (told, executed), "{what}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_route_has_no_second_tries_what_a_server_has_died_within_has_failed() {
    for mtls in [false, true] {
        let scene = Scene::new(UpstreamProtocol::Http1, mtls, 0).await;
        assert_eq!(scene.dies_of(GET).await, (503, 1));
    }
}

//! TLS with peers that are not ours: clients that offer anything, servers outside of the mesh.

use std::path::PathBuf;
use std::process::Stdio;

use weft_model::cluster::Cluster;
use weft_model::listener::Direction;
use weft_model::matcher::StringMatcher;
use weft_model::tls::{CertificateSource, Roots, SanKind, SanMatcher, Transport, UpstreamTls};
use weft_testkit::mesh::{Mesh, Sidecar, outside};
use weft_testkit::wire::Puppet;
use weft_testkit::{eventually, free_address, settings};

use super::peers::openssl;
use super::{Lone, OK};

/// Files that go with the test.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("weft-test-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn inbound(mesh: &Mesh, app: &Puppet) -> (Sidecar, std::net::SocketAddr) {
    let server = mesh.sidecar("server");
    let at = free_address();
    let routes = settings::routes("", vec![settings::route("r", "/", settings::forward("in"))]);
    let tls = settings::mtls_from_mesh(&["h2", "http/1.1"]);
    let manager = settings::manager(true, routes, vec![]);
    let listener = settings::http("in", at, Direction::Inbound, tls, manager);
    server.apply(&[settings::cluster("in", &[app.address])], &[listener]).await;
    (server, at)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_the_mesh_is_served_whatever_alpn_and_version_it_offers() {
    let mesh = Mesh::new();
    let app = Puppet::new().await;
    let (_server, at) = inbound(&mesh, &app).await;
    let files = Files::new("alpn");
    let (chain, key) = mesh.identity("client");
    let (chain, key) = (files.write("chain.pem", &chain), files.write("key.pem", &key));
    let identity = ["-cert", &chain, "-cert_chain", &chain, "-key", &key];
    let request = "GET /tls HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n";
    for (offer, wanted) in [
        (&["-alpn", "istio"][..], "No ALPN negotiated"),
        (&["-alpn", "something,else"], "No ALPN negotiated"),
        (&["-alpn", "istio,http/1.1"], "ALPN protocol: http/1.1"),
        (&["-tls1_2"], "TLSv1.2"),
        (&["-tls1_3"], "TLSv1.3"),
    ] {
        let args = [&identity[..], offer].concat();
        let serve = async {
            let mut app = app.accept().await;
            assert!(app.head().await.starts_with("GET /tls "));
            app.send(OK).await;
            app
        };
        let (told, _app) = tokio::join!(openssl(at, &args, request), serve);
        let Some(told) = told else { return };
        assert!(told.contains("HTTP/1.1 200") && told.contains(wanted), "{offer:?}: {told}");
    }
    let told = openssl(at, &[&identity[..], &["-tls1_1"]].concat(), request).await.unwrap();
    assert!(!told.contains("HTTP/1.1"), "TLS 1.1 is spoken no more: {told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_change_count_for_the_next_handshake_and_broken_ones_do_not() {
    let files = Files::new("rotated");
    let (server_ca, chain, key) = outside(&["api.test"]);
    // Clients of two authorities, of which the server believes one after the other.
    let [(old_ca, (old_chain, old_key)), (new_ca, (new_chain, new_key))] =
        [Mesh::new(), Mesh::new()].map(|mesh| (mesh.roots(), mesh.identity("client")));
    let (chain, key) = (files.write("server.pem", &chain), files.write("server.key", &key));
    let at = free_address();
    let serve = async |ca: &str| {
        let mut command = tokio::process::Command::new("openssl");
        command.args(["s_server", "-www", "-accept", &at.port().to_string(), "-cert", &chain, "-key", &key]);
        command.args(["-CAfile", &files.write("clients.pem", ca), "-Verify", "3", "-verify_return_error"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let mut server = command.spawn().ok()?;
        eventually("openssl listens", async || {
            // A connection of somebody else may have had the port for a moment.
            if server.try_wait().unwrap().is_some() {
                server = command.spawn().unwrap();
            }
            tokio::net::TcpStream::connect(at).await.is_ok()
        })
        .await;
        Some(server)
    };
    let Some(mut server) = serve(&old_ca).await else { return eprintln!("openssl is not installed") };
    let (cert, private) = (files.write("client.pem", &old_chain), files.write("client.key", &old_key));
    let ca = files.write("ca.pem", "nothing yet");
    let mut tls = UpstreamTls { sni: "api.test".into(), ..UpstreamTls::default() };
    tls.common.validation.roots = Some(Roots::File(ca));
    tls.common.certificates = vec![CertificateSource::Files { chain: cert, key: private }];
    let mutual = |c: &mut Cluster| {
        *c = settings::cluster("outbound|80||app", &[at]);
        c.transport = Transport::Tls(Box::new(tls));
    };
    let lone = Lone::with(|_| {}, mutual).await;
    let is_served = async || {
        let mut client = lone.client().await;
        client.send("GET / HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n").await;
        client.head().await.starts_with("HTTP/1.1 200")
    };
    assert!(!is_served().await, "nobody is believed by a file that holds no root");
    files.write("ca.pem", &server_ca);
    eventually("the roots are read when they are there", is_served).await;

    server.kill().await.unwrap();
    let _server = serve(&new_ca).await.unwrap();
    assert!(!is_served().await, "the old certificate does not do any more");
    files.write("client.pem", &new_chain);
    files.write("client.key", &new_key);
    eventually("the new certificate is shown", is_served).await;
    files.write("client.pem", "nonsense");
    files.write("ca.pem", "nonsense");
    tokio::task::spawn_blocking({
        let files = lone.sidecar.shared.secrets.files().clone();
        move || files.look()
    })
    .await
    .unwrap();
    assert!(is_served().await, "the last good ones stay");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_outside_is_believed_by_its_ca_and_name_alone() {
    let files = Files::new("outside");
    let (ca, chain, key) = outside(&["api.test"]);
    let (other_ca, _, _) = outside(&["api.test"]);
    let (ca, other_ca) = (files.write("ca.pem", &ca), files.write("other.pem", &other_ca));
    let (chain, key) = (files.write("chain.pem", &chain), files.write("key.pem", &key));
    let at = free_address();
    let mut server = tokio::process::Command::new("openssl");
    server.args(["s_server", "-www", "-accept", &at.port().to_string(), "-cert", &chain, "-key", &key]);
    let server = server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let Ok(_server) = server.spawn() else { return eprintln!("openssl is not installed") };
    eventually("openssl listens", async || tokio::net::TcpStream::connect(at).await.is_ok()).await;

    let simple = |ca: &str, sans: &[&str], auto: bool| {
        let mut tls = UpstreamTls { auto_sni: auto, auto_san_validation: auto, ..UpstreamTls::default() };
        tls.common.validation.roots = Some(Roots::File(ca.to_owned()));
        let exact = |name: &&str| SanMatcher { kind: SanKind::Dns, matcher: StringMatcher::exact(*name) };
        tls.common.validation.match_sans = sans.iter().map(exact).collect();
        move |c: &mut Cluster| {
            *c = settings::cluster("outbound|80||app", &[at]);
            c.transport = Transport::Tls(Box::new(tls));
        }
    };
    for (why, cluster, host, status) in [
        ("the host's own name", simple(&ca, &[], true), "api.test", 200),
        ("another host's name", simple(&ca, &[], true), "other.test", 503),
        ("a name asked for", simple(&ca, &["api.test"], false), "api.test", 200),
        ("a name that it does not have", simple(&ca, &["db.test"], false), "api.test", 503),
        ("a CA that did not sign it", simple(&other_ca, &["api.test"], false), "api.test", 503),
        ("a CA that is not there", simple("/nowhere.pem", &[], false), "api.test", 503),
    ] {
        let lone = Lone::with(|_| {}, cluster).await;
        let mut client = lone.client().await;
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        let head = client.head().await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{why}: {head}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_in_mtls_and_in_plaintext_stand_behind_one_cluster() {
    use weft_model::cluster::TransportMatch;
    let mesh = Mesh::new();
    let behind = Puppet::new().await;
    let (_server, secure) = inbound(&mesh, &behind).await;
    let client = mesh.sidecar("client");
    let (plain, at) = (Puppet::new().await, free_address());
    let mut cluster = settings::cluster("out", &[secure, plain.address]);
    let istio = || [("tlsMode".to_owned(), "istio".to_owned())].into();
    let matching =
        |name: &str, criteria, transport| TransportMatch { name: name.into(), criteria, transport };
    cluster.transport_matches = vec![
        matching("tlsMode-istio", istio(), settings::mtls_to(&Mesh::uri("server"))),
        matching("tlsMode-disabled", Default::default(), Transport::Raw),
    ];
    let endpoints = &mut cluster.load_assignment.as_mut().unwrap().localities[0].endpoints;
    endpoints[0].transport_match = istio();
    let routes = settings::routes("", vec![settings::route("r", "/", settings::forward("out"))]);
    let manager = settings::manager(false, routes, vec![]);
    client
        .apply(&[cluster], &[settings::http("out", at, Direction::Outbound, Transport::Raw, manager)])
        .await;
    // Workers take turns each for themselves: asked until both have answered.
    let ask = async {
        loop {
            let mut peer = weft_testkit::wire::Peer::connect(at).await;
            peer.send("GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n").await;
            assert!(peer.head().await.starts_with("HTTP/1.1 200"));
        }
    };
    let heads: [std::cell::RefCell<Option<String>>; 2] = Default::default();
    let serve = async |app: &Puppet, seen: &std::cell::RefCell<Option<String>>| {
        loop {
            let mut peer = app.accept().await;
            *seen.borrow_mut() = Some(peer.head().await);
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        }
    };
    let both = eventually("both endpoints are asked", async || heads.iter().all(|h| h.borrow().is_some()));
    tokio::select! {
        () = ask => {}
        () = serve(&behind, &heads[0]) => {}
        () = serve(&plain, &heads[1]) => {}
        () = both => {}
    }
    let [secured, plain] = heads.map(|head| head.into_inner().unwrap());
    assert!(secured.contains("x-forwarded-client-cert") && !plain.contains("x-forwarded-client-cert"));
}

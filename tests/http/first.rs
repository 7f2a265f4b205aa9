//! A port whose protocol its first bytes tell, when the client has nothing to say first, or nothing at all.

use std::time::Duration;

use weft_model::cluster::{Cluster, UpstreamProtocol};
use weft_model::listener::{Direction, FilterChain, Listener, ListenerFilter, NetworkFilter, TcpProxy};
use weft_model::tls::Transport;
use weft_proxy::connection::habit::Habit;
use weft_testkit::mesh::{Mesh, Sidecar};
use weft_testkit::wire::{End, Peer, Puppet};
use weft_testkit::{eventually, free_address, settings};

use super::{GET, OK};

/// HTTP where it is seen, else TCP, to the same app; looked at without limit, as Istio's listeners are.
async fn sniffed() -> (Mesh, Sidecar, std::net::SocketAddr, Puppet) {
    let mesh = Mesh::new();
    let sidecar = mesh.sidecar("client");
    let (at, app) = (free_address(), Puppet::new().await);
    sidecar.apply(&[speaking_as_asked("out", app.address)], &[undeclared(at)]).await;
    // Whoever looked whether the port is open was a client that said nothing, too.
    app.accept().await.end().await;
    (mesh, sidecar, at, app)
}

/// A cluster of one endpoint that is spoken to in whatever its client speaks.
fn speaking_as_asked(name: &str, endpoint: std::net::SocketAddr) -> Cluster {
    let mut cluster = settings::cluster(name, &[endpoint]);
    cluster.http.protocol = UpstreamProtocol::Downstream;
    cluster
}

/// A listener for an app's calls of a service whose port declares no protocol.
fn undeclared(at: std::net::SocketAddr) -> Listener {
    let routes = settings::routes("", vec![settings::route("r", "/", settings::forward("out"))]);
    let manager = settings::manager(false, routes, vec![]);
    let mut listener = settings::http("out", at, Direction::Outbound, Transport::Raw, manager);
    listener.filter_chains[0].matches.application_protocols = vec!["http/1.1".into(), "h2c".into()];
    listener.listener_filters = vec![ListenerFilter::HttpInspector { disabled: Vec::new() }];
    listener.listener_filters_timeout = Some(Duration::ZERO);
    listener.continue_on_listener_filters_timeout = true;
    let tcp = TcpProxy { clusters: vec![("out".into(), 1)], ..TcpProxy::default() };
    let filters = vec![NetworkFilter::TcpProxy(tcp)];
    listener.default_filter_chain = Some(Box::new(FilterChain { filters, ..FilterChain::default() }));
    listener
}

#[tokio::test]
async fn a_server_that_speaks_first_is_heard() {
    let (_mesh, _sidecar, at, app) = sniffed().await;
    let mut client = Peer::connect(at).await;
    let mut app = app.accept().await;
    app.send("5.7.44-MySQL\0").await;
    assert_eq!(client.exactly(13).await, "5.7.44-MySQL\0");
    client.send("login").await;
    assert_eq!(app.exactly(5).await, "login");
}

#[tokio::test]
async fn what_a_client_says_after_long_silence_goes_out_on_the_connection_that_was_made_to_hear_who_speaks_first()
 {
    for (said, http) in [(GET, true), ("\u{1}binary\n", false)] {
        let (_mesh, sidecar, at, app) = sniffed().await;
        let mut client = Peer::connect(at).await;
        // The sidecar wonders whether the server speaks first, and connects.
        let mut asked = app.accept().await;
        client.send(said).await;
        if http {
            assert!(asked.head().await.contains("x-envoy-attempt-count: 1"));
            asked.send(OK).await;
            assert_eq!(client.response().await.1, "ok");
            // From now on whoever is silent there is only slow: nothing is made for it before it speaks, not even after
            // the time in which it is made for one who came later elsewhere.
            let _slow = Peer::connect(at).await;
            let (_other_mesh, _other, elsewhere, unknown) = sniffed().await;
            let _later = Peer::connect(elsewhere).await;
            unknown.accept().await;
            assert_eq!(sidecar.open_to("out"), 1);
        } else {
            assert_eq!(asked.until("\n").await, said);
            asked.send("answer").await;
            assert_eq!(client.exactly(6).await, "answer");
        }
    }
}

#[tokio::test]
async fn a_server_of_http2_that_sends_its_settings_at_once_has_not_spoken_first() {
    let (_mesh, sidecar, at, app) = sniffed().await;
    let mut client = Peer::connect(at).await;
    let mut asked = app.accept().await;
    asked.send(b"\0\0\0\x04\0\0\0\0\0").await;
    let heard = tokio::time::timeout(Duration::from_millis(100), client.socket().readable()).await;
    assert!(heard.is_err(), "what the client hears is not from the server");
    // What it has said there is heard by nobody; it is asked on a connection of its own.
    let (mut send, connection) = h2::client::handshake(client.socket()).await.unwrap();
    let request = http::Request::builder().uri("http://app/").body(()).unwrap();
    let (answer, _) = send.send_request(request, true).unwrap();
    let serve = async {
        let mut app = app.accept().await;
        let mut served = h2::server::handshake(app.socket()).await.unwrap();
        let (_, mut respond) = served.accept().await.unwrap().unwrap();
        respond.send_response(http::Response::new(()), true).unwrap();
        let _ = served.accept().await;
    };
    tokio::select! {
        answer = answer => assert_eq!(answer.unwrap().status(), 200),
        end = connection => panic!("the client's connection ended: {end:?}"),
        () = serve => panic!("the app's connection ended"),
    }
    assert_eq!(sidecar.shared.habits.of(at, std::time::Instant::now()), Some(Habit::Http));
}

#[tokio::test]
async fn one_who_speaks_http_to_a_database_keeps_nobody_else_from_hearing_it() {
    let (_mesh, _sidecar, at, app) = sniffed().await;
    let mut stranger = Peer::connect(at).await;
    stranger.send(GET).await;
    let mut database = app.accept().await;
    database.head().await;
    database.send("5.7.44-MySQL\0").await;
    drop(database);
    stranger.response().await;
    let mut client = Peer::connect(at).await;
    app.accept().await.send("5.7.44-MySQL\0").await;
    assert_eq!(client.exactly(13).await, "5.7.44-MySQL\0");
}

/// A sidecar whose port takes HTTP and bytes, both in mTLS, as a port does of which nobody says what it speaks.
async fn server(mesh: &Mesh) -> (Sidecar, std::net::SocketAddr, Puppet) {
    let sidecar = mesh.sidecar("server");
    let (at, app) = (free_address(), Puppet::new().await);
    let routes = settings::routes("", vec![settings::route("r", "/", settings::forward("in"))]);
    let mtls = || settings::mtls_from_mesh(&["h2", "http/1.1"]);
    let mut listener =
        settings::http("in", at, Direction::Inbound, mtls(), settings::manager(true, routes, vec![]));
    listener.filter_chains[0].matches.application_protocols =
        vec!["istio-http/1.1".into(), "istio-h2".into()];
    let mut bytes = settings::tcp("in", at, Direction::Inbound, mtls(), vec![], "in").filter_chains;
    bytes[0].matches.transport_protocol = "tls".into();
    listener.filter_chains.append(&mut bytes);
    sidecar.apply(&[speaking_as_asked("in", app.address)], &[listener]).await;
    (sidecar, at, app)
}

/// The sidecar of a client of `server` that has never been there.
async fn caller(mesh: &Mesh, account: &str, server: std::net::SocketAddr) -> (Sidecar, std::net::SocketAddr) {
    let sidecar = mesh.sidecar(account);
    let at = free_address();
    let mut cluster = speaking_as_asked("out", server);
    cluster.transport = settings::mtls_to(&Mesh::uri("server"));
    sidecar.apply(&[cluster], &[undeclared(at)]).await;
    (sidecar, at)
}

#[tokio::test]
async fn the_first_request_of_all_goes_out_on_the_connection_that_the_app_s_sidecar_made_to_hear_who_speaks_first()
 {
    let mesh = Mesh::new();
    let (_server, inbound, app) = server(&mesh).await;
    let (_sidecar, at) = caller(&mesh, "caller", inbound).await;
    // As above.
    app.accept().await.end().await;
    let mut client = Peer::connect(at).await;
    // Both sidecars wonder whether the server speaks first.
    let mut asked = app.accept().await;
    client.send(GET).await;
    assert!(asked.head().await.starts_with("GET / HTTP/1.1"));
    asked.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
}

#[tokio::test]
async fn a_request_that_comes_before_the_news_that_its_caller_has_left_the_silent_connection_waits_for_that()
{
    let mesh = Mesh::new();
    let (sidecar, inbound, app) = server(&mesh).await;
    let (_caller, at) = caller(&mesh, "caller", inbound).await;
    // As above.
    app.accept().await.end().await;
    eventually("nobody is there", async || sidecar.active() == [0, 0]).await;
    // The first worker accepts, and has somebody already: the other has the client who is silent.
    let _other = Peer::connect(inbound).await;
    eventually("somebody is there", async || sidecar.active() == [1, 0]).await;
    let mut client = Peer::connect(at).await;
    let mut asked = app.accept().await;
    assert_eq!(sidecar.active(), [1, 1]);
    let busy = sidecar.keep_busy(1);
    client.send(GET).await;
    eventually("the other worker has the request", async || sidecar.shared.silences.are_awaited()).await;
    assert!(app.is_left_alone().await);
    drop(busy);
    assert!(asked.head().await.starts_with("GET / HTTP/1.1"));
    asked.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
}

#[tokio::test]
async fn an_app_that_is_known_to_answer_in_http_sees_no_connection_of_a_silent_client_of_another_sidecar() {
    let mesh = Mesh::new();
    let (_server, inbound, app) = server(&mesh).await;
    let (_first, first) = caller(&mesh, "first", inbound).await;
    // As above.
    app.accept().await.end().await;
    let mut client = Peer::connect(first).await;
    client.send(GET).await;
    let mut asked = app.accept().await;
    asked.head().await;
    asked.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(client.response().await.1, "ok");
    drop(asked);
    let (sidecar, late) = caller(&mesh, "late", inbound).await;
    eventually("the look whether the port is open is over", async || sidecar.open_to("out") == 0).await;
    let mut silent = Peer::connect(late).await;
    // Its sidecar knows nothing of the port, and asks the app's who speaks first.
    eventually("its sidecar wonders", async || sidecar.open_to("out") > 0).await;
    silent.send(GET).await;
    // Whatever else had been made would be the first in the queue.
    let mut asked = app.accept().await;
    assert!(asked.head().await.starts_with("GET / HTTP/1.1"));
    asked.send(OK).await;
    assert_eq!(silent.response().await.1, "ok");
}

#[tokio::test]
async fn who_must_speak_first_and_does_not_is_let_go_and_who_need_not_is_kept() {
    let limit = Duration::from_millis(300);
    let mesh = Mesh::new();
    let sidecar = mesh.sidecar_with("server", |bootstrap| bootstrap.first_byte = limit);
    let app = Puppet::new().await;
    let manager = || {
        let routes = settings::routes("", vec![settings::route("r", "/", settings::forward("in"))]);
        settings::manager(true, routes, vec![])
    };
    let (strict, permissive) = (free_address(), free_address());
    let mtls = || settings::mtls_from_mesh(&["h2", "http/1.1"]);
    let listeners = [("strict", strict), ("permissive", permissive)].map(|(name, at)| {
        let mut listener = settings::http(name, at, Direction::Inbound, mtls(), manager());
        listener.listener_filters_timeout = Some(Duration::ZERO);
        if name == "permissive" {
            let raw = settings::http(name, at, Direction::Inbound, Transport::Raw, manager());
            listener.filter_chains.extend(raw.filter_chains);
        }
        listener
    });
    sidecar.apply(&[settings::cluster("in", &[app.address])], &listeners).await;
    let (mut must, mut need_not) = (Peer::connect(strict).await, Peer::connect(permissive).await);
    // One that has begun with half a record is no better.
    let mut half = Peer::connect(strict).await;
    half.send([0x16]).await;
    let began = std::time::Instant::now();
    assert_eq!(must.end().await, (String::new(), End::Closed));
    half.end().await;
    assert!(began.elapsed() >= limit);
    need_not.send(GET).await;
    let mut app = app.accept().await;
    app.head().await;
    app.send(OK).await;
    assert_eq!(need_not.response().await.1, "ok");
}

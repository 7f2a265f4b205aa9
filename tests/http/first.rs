//! A port whose protocol its first bytes tell, when the client has nothing to say first, or nothing at all.

use std::time::Duration;

use weft_model::listener::{Direction, FilterChain, ListenerFilter, NetworkFilter, TcpProxy};
use weft_model::tls::Transport;
use weft_testkit::mesh::{Mesh, Sidecar};
use weft_testkit::wire::{End, Peer, Puppet};
use weft_testkit::{free_address, settings};

use super::{GET, OK};

/// HTTP where it is seen, else TCP, to the same app; looked at without limit, as Istio's listeners are.
async fn sniffed() -> (Mesh, Sidecar, std::net::SocketAddr, Puppet) {
    let mesh = Mesh::new();
    let sidecar = mesh.sidecar("client");
    let (at, app) = (free_address(), Puppet::new().await);
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
    sidecar.apply(&[settings::cluster("out", &[app.address])], &[listener]).await;
    // Whoever looked whether the port is open was a client that said nothing, too.
    app.accept().await.end().await;
    (mesh, sidecar, at, app)
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
async fn a_client_that_was_silent_for_long_may_still_speak_http_or_not() {
    let (_mesh, _sidecar, at, app) = sniffed().await;
    for (said, http) in [(GET, true), ("\u{1}binary\n", false)] {
        let mut client = Peer::connect(at).await;
        // The sidecar wonders whether the server speaks first, and connects.
        let mut asked = app.accept().await;
        client.send(said).await;
        let mut app = app.accept().await;
        if http {
            assert!(app.head().await.contains("x-envoy-attempt-count: 1"));
            app.send(OK).await;
            assert_eq!(client.response().await.1, "ok");
        } else {
            assert_eq!(app.until("\n").await, said);
        }
        assert_eq!(asked.end().await.0, "", "nothing is said on the connection that was not needed");
    }
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

//! A port whose protocol its first bytes tell, when the client has nothing to say first.

use std::time::Duration;

use weft_model::listener::{Direction, FilterChain, ListenerFilter, NetworkFilter, TcpProxy};
use weft_model::tls::Transport;
use weft_testkit::mesh::{Mesh, Sidecar};
use weft_testkit::wire::{Peer, Puppet};
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

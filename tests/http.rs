//! What a client and an app may rely on when a sidecar stands between them: each byte of both is the test's own.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "http/answers.rs"]
mod answers;
#[path = "http/canary.rs"]
mod canary;
#[path = "http/checked.rs"]
mod checked;
#[path = "http/connect.rs"]
mod connect;
#[path = "http/connect_h2.rs"]
mod connect_h2;
#[path = "http/cors.rs"]
mod cors;
#[path = "http/ends.rs"]
mod ends;
#[path = "http/first.rs"]
mod first;
#[path = "http/h2.rs"]
mod h2_clients;
#[path = "http/headers.rs"]
mod headers;
#[path = "http/held.rs"]
mod held;
#[path = "http/hostile_h2.rs"]
mod hostile_h2;
#[path = "http/judged.rs"]
mod judged;
#[path = "http/limits.rs"]
mod limits;
#[path = "http/logs.rs"]
mod logs;
#[path = "http/mirror.rs"]
mod mirror;
#[path = "http/on_purpose.rs"]
mod on_purpose;
#[path = "http/peers.rs"]
mod peers;
#[path = "http/places.rs"]
mod places;
#[path = "http/secure.rs"]
mod secure;
#[path = "http/times.rs"]
mod times;
#[path = "http/upgrades.rs"]
mod upgrades;

use std::net::SocketAddr;

use weft_model::cluster::Cluster;
use weft_model::http::{HttpConnectionManager, RouteSource};
use weft_model::listener::Direction;
use weft_model::route::{Forward, Route, RouteAction, RouteConfiguration};
use weft_model::tls::Transport;
use weft_testkit::mesh::{Mesh, Sidecar};
use weft_testkit::wire::{Peer, Puppet};
use weft_testkit::{free_address, settings};

/// One sidecar between a client and an app, in plaintext.
struct Lone {
    _mesh: Mesh,
    sidecar: Sidecar,
    at: SocketAddr,
    app: Puppet,
}

impl Lone {
    async fn new() -> Self {
        Self::with(|_| {}, |_| {}).await
    }

    async fn with(
        change_manager: impl FnOnce(&mut HttpConnectionManager),
        change_cluster: impl FnOnce(&mut Cluster),
    ) -> Self {
        let mesh = Mesh::new();
        let sidecar = mesh.sidecar("client");
        let at = free_address();
        let app = Puppet::new().await;
        let mut cluster = settings::cluster("outbound|80||app", &[app.address]);
        change_cluster(&mut cluster);
        let routes =
            settings::routes("", vec![settings::route("r", "/", settings::forward("outbound|80||app"))]);
        let mut manager = settings::manager(false, routes, vec![]);
        change_manager(&mut manager);
        let listener = settings::http("out", at, Direction::Outbound, Transport::Raw, manager);
        sidecar.apply(&[cluster], &[listener]).await;
        Self { _mesh: mesh, sidecar, at, app }
    }

    async fn client(&self) -> Peer {
        Peer::connect(self.at).await
    }

    /// A client whose request has reached the app; the head that the app saw.
    async fn asked(&self, request: &str) -> (Peer, Peer, String) {
        let mut client = self.client().await;
        client.send(request).await;
        let mut app = self.app.accept().await;
        let head = app.head().await;
        (client, app, head)
    }
}

fn routes(manager: &mut HttpConnectionManager) -> &mut RouteConfiguration {
    match &mut manager.routes {
        RouteSource::Inline(routes) => routes,
        RouteSource::Rds(name) => panic!("routes {name} are elsewhere"),
    }
}

fn route(manager: &mut HttpConnectionManager) -> &mut Route {
    &mut routes(manager).virtual_hosts[0].routes[0]
}

fn forward(manager: &mut HttpConnectionManager) -> &mut Forward {
    match &mut route(manager).action {
        RouteAction::Forward(forward) => forward,
        other => panic!("{other:?}"),
    }
}

const GET: &str = "GET / HTTP/1.1\r\nHost: app\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

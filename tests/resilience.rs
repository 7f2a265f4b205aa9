//! What callers notice when endpoints fail, hang or are too few: as little as the configuration allows.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "resilience/breakers.rs"]
mod breakers;
#[path = "resilience/endless.rs"]
mod endless;
#[path = "resilience/events.rs"]
mod events;
#[path = "resilience/hostile.rs"]
mod hostile;
#[path = "resilience/hostile_h2.rs"]
mod hostile_h2;
#[path = "resilience/killed.rs"]
mod killed;
#[path = "resilience/listening.rs"]
mod listening;
#[path = "resilience/memory.rs"]
mod memory;
#[path = "resilience/mirrored.rs"]
mod mirrored;
#[path = "resilience/outliers.rs"]
mod outliers;
#[path = "resilience/overload.rs"]
mod overload;
#[path = "resilience/pools.rs"]
mod pools;
#[path = "resilience/retries.rs"]
mod retries;

#[path = "resilience/churn.rs"]
mod churn;
#[path = "resilience/deadlines.rs"]
mod deadlines;
#[path = "resilience/soak.rs"]
mod soak;
#[path = "resilience/sockets.rs"]
mod sockets;
#[path = "resilience/spent.rs"]
mod spent;
#[path = "resilience/spread.rs"]
mod spread;
#[path = "resilience/storms.rs"]
mod storms;
#[path = "resilience/told.rs"]
mod told;
#[path = "resilience/unread.rs"]
mod unread;
#[path = "resilience/vanished.rs"]
mod vanished;

use std::net::SocketAddr;

use weft_model::cluster::Cluster;
use weft_model::http::{HttpConnectionManager, RouteSource};
use weft_model::listener::{Direction, Listener};
use weft_model::route::{Forward, RouteAction};
use weft_model::tls::Transport;
use weft_testkit::mesh::{Mesh, Sidecar};
use weft_testkit::wire::Peer;
use weft_testkit::{free_address, settings};

/// The proxy's own: what is said of memory is said of this one.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const NAME: &str = "outbound|80||app";
const GET: &str = "GET / HTTP/1.1\r\nHost: app\r\n\r\n";

/// One sidecar between clients and the endpoints of one cluster, in plaintext.
struct Way {
    _mesh: Mesh,
    sidecar: Sidecar,
    at: SocketAddr,
    cluster: Cluster,
}

impl Way {
    async fn to(endpoints: &[SocketAddr], change: impl FnOnce(&mut Cluster)) -> Self {
        Self::with(endpoints, change, |_| {}).await
    }

    async fn with(
        endpoints: &[SocketAddr],
        change_cluster: impl FnOnce(&mut Cluster),
        change_route: impl FnOnce(&mut HttpConnectionManager),
    ) -> Self {
        let mut cluster = settings::cluster(NAME, endpoints);
        change_cluster(&mut cluster);
        let routes = settings::routes("", vec![settings::route("r", "/", settings::forward(NAME))]);
        let mut manager = settings::manager(false, routes, vec![]);
        change_route(&mut manager);
        let at = free_address();
        let listener = settings::http("out", at, Direction::Outbound, Transport::Raw, manager);
        Self::behind(listener, at, cluster).await
    }

    async fn tcp(endpoints: &[SocketAddr], change_cluster: impl FnOnce(&mut Cluster)) -> Self {
        let mut cluster = settings::cluster(NAME, endpoints);
        change_cluster(&mut cluster);
        let at = free_address();
        let listener = settings::tcp("out", at, Direction::Outbound, Transport::Raw, vec![], NAME);
        Self::behind(listener, at, cluster).await
    }

    async fn behind(listener: Listener, at: SocketAddr, cluster: Cluster) -> Self {
        let mesh = Mesh::new();
        let sidecar = mesh.sidecar("client");
        sidecar.apply(std::slice::from_ref(&cluster), &[listener]).await;
        Self { _mesh: mesh, sidecar, at, cluster }
    }

    async fn client(&self) -> Peer {
        Peer::connect(self.at).await
    }

    /// The value of one of the cluster's statistics, by Envoy's name.
    fn count(&self, statistic: &str) -> u64 {
        let line = format!("envoy_cluster_{statistic}{{cluster_name=\"{NAME}\"}} ");
        let page = self.sidecar.metrics();
        page.lines().find_map(|of| of.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
    }
}

/// One request on a connection that is kept; the answer's status, head in lower case, and body.
async fn ask(client: &mut Peer, request: &str) -> (u16, String, String) {
    client.send(request).await;
    let (head, body) = client.response().await;
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    (status, head, body)
}

fn forward(manager: &mut HttpConnectionManager) -> &mut Forward {
    let RouteSource::Inline(routes) = &mut manager.routes else { panic!("the routes are elsewhere") };
    match &mut routes.virtual_hosts[0].routes[0].action {
        RouteAction::Forward(forward) => forward,
        other => panic!("{other:?}"),
    }
}

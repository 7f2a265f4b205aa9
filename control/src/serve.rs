//! Serving the world: every connected proxy gets its configuration, and after an edit only what changed of it.
//!
//! [`ControlPlane::replace`] takes a new world. Edits that come close together are one push; each proxy is translated
//! anew, resources with the same bytes keep their version, and a proxy for which nothing changed hears nothing.

mod admit;
mod pushes;
mod resources;
mod status;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server::{
    AggregatedDiscoveryService, AggregatedDiscoveryServiceServer,
};
use tokio::sync::{Mutex, Notify, watch};
use weft_model::node::Node;
use weft_xds::ResourceSet;
use weft_xds::server::{Client, Connected, Limits, Service, Source};

use crate::world::World;
use resources::Shelf;
pub use status::{ProxyReport, Report, TypeReport};

/// An edit waits so long for a next one,
const QUIET: Duration = Duration::from_millis(10);
/// and so long at most.
const PATIENCE: Duration = Duration::from_millis(100);

/// Whether callers must prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callers {
    /// By a certificate or a token (TLS).
    Proven,
    /// Nobody can (a plaintext port of one's own machine): what they say of themselves is believed.
    Believed,
}

/// A control plane. Cheap to clone.
#[derive(Clone)]
pub struct ControlPlane(Arc<Shared>);

struct Shared {
    world: ArcSwap<Numbered>,
    edited: Notify,
    edits: AtomicU64,
    /// The number of the last world that was pushed to all.
    pushed: AtomicU64,
    /// By service and stream: each service counts its own.
    watchers: parking_lot::Mutex<HashMap<(u64, u64), Arc<Watcher>>>,
    services: AtomicU64,
    shelf: Shelf,
    /// One push at a time.
    pushing: Mutex<()>,
    connected: parking_lot::Mutex<Vec<Connected>>,
}

/// A world, and which one it is.
struct Numbered {
    number: u64,
    world: World,
}

/// One stream.
struct Watcher {
    node: Node,
    callers: Callers,
    caller: Option<weft_model::identity::SpiffeId>,
    set: watch::Sender<Option<Arc<ResourceSet>>>,
    /// Held while its set is made, so that an older world's never replaces a newer one's.
    making: parking_lot::Mutex<()>,
}

impl ControlPlane {
    /// One that serves `world`. [`run`](Self::run) must run for edits to be pushed.
    pub fn new(world: World) -> Self {
        Self(Arc::new(Shared {
            world: ArcSwap::from_pointee(Numbered { number: 0, world }),
            edited: Notify::new(),
            edits: AtomicU64::new(0),
            pushed: AtomicU64::new(0),
            watchers: parking_lot::Mutex::default(),
            services: AtomicU64::new(0),
            shelf: Shelf::default(),
            pushing: Mutex::default(),
            connected: parking_lot::Mutex::default(),
        }))
    }

    /// Serves another world from now on.
    pub fn replace(&self, world: World) {
        let number = self.0.edits.fetch_add(1, Ordering::Relaxed) + 1;
        self.0.world.store(Arc::new(Numbered { number, world }));
        self.0.edited.notify_one();
    }

    /// Pushes edits, for ever.
    pub async fn run(&self) {
        loop {
            self.0.edited.notified().await;
            let deadline = tokio::time::Instant::now() + PATIENCE;
            loop {
                let quiet = (tokio::time::Instant::now() + QUIET).min(deadline);
                if tokio::time::timeout_at(quiet, self.0.edited.notified()).await.is_err() {
                    break;
                }
            }
            pushes::all(&self.0).await;
        }
    }

    /// The ADS service, for a tonic router.
    pub fn grpc(
        &self,
        callers: Callers,
    ) -> AggregatedDiscoveryServiceServer<impl AggregatedDiscoveryService> {
        let number = self.0.services.fetch_add(1, Ordering::Relaxed);
        let source = Streams { shared: Arc::clone(&self.0), callers, number };
        let service = Service::new(source, Limits::default());
        self.0.connected.lock().push(service.connected());
        service.into_grpc()
    }

    /// Who is connected and how far each is.
    pub fn report(&self) -> Report {
        // First: what is pushed after this was asked is not yet acknowledged in what follows.
        let pushed = self.0.pushed.load(Ordering::Acquire);
        let connected = self.0.connected.lock();
        let world = self.0.world.load();
        status::report(world.number, pushed, connected.iter().flat_map(Connected::list))
    }
}

/// What the ADS service asks.
struct Streams {
    shared: Arc<Shared>,
    callers: Callers,
    number: u64,
}

impl Source for Streams {
    fn connect(&self, client: &Client) -> Result<watch::Receiver<Option<Arc<ResourceSet>>>, tonic::Status> {
        let node = weft_wire::node::decode(&client.node)
            .map_err(|error| tonic::Status::invalid_argument(error.to_string()))?;
        let (set, receiver) = watch::channel(None);
        let watcher = Watcher {
            node,
            callers: self.callers,
            caller: client.caller.clone(),
            set,
            making: parking_lot::Mutex::default(),
        };
        admit::check(&self.shared.world.load().world, &watcher)?;
        let watcher = Arc::new(watcher);
        // In the list first: a world that comes now is not missed.
        self.shared.watchers.lock().insert((self.number, client.stream), Arc::clone(&watcher));
        pushes::set(&self.shared, &watcher);
        Ok(receiver)
    }

    fn disconnected(&self, client: &Client) {
        self.shared.watchers.lock().remove(&(self.number, client.stream));
    }
}

#[cfg(test)]
mod tests;

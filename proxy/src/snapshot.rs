//! The configuration in force, as connections and requests read it: the compiled table, and beside each part what the
//! proxy itself adds to it (TLS ready for handshakes, what is remembered of endpoints). Published by one atomic store.

mod current;
mod memory;

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use weft_model::table::chain::Chain;
use weft_model::table::{Cluster, ClusterId, ClusterRef, Listener, Table};
use weft_model::tls::{CertificateSource, Transport};
use weft_policy::health::Verdict;
use weft_policy::{breaker, outlier};
use weft_telemetry::{Peer, Service};

pub use self::current::{Current, Local};
pub use self::memory::Memory;
use crate::tls::secrets::Secrets;
use crate::tls::server::Acceptor;
use crate::upstream::cluster::ClusterState;
use crate::upstream::connect::{Carrier, SocketSettings};
use crate::upstream::endpoint::EndpointState;
use crate::upstream::pool::PoolKey;

/// Everything that is decided on.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The compiled mesh.
    pub table: Table,
    clusters: Vec<Option<Arc<ClusterView>>>,
    listeners: BTreeMap<String, Arc<ListenerView>>,
    /// Names of the listeners without a socket, by the address that they stand for.
    standing: HashMap<SocketAddr, Arc<str>>,
}

/// A cluster, and how its endpoints are reached.
#[derive(Debug)]
pub struct ClusterView {
    /// Its number, which is its own for as long as anybody has this view.
    pub named: ClusterRef,
    /// The compiled cluster.
    pub cluster: Arc<Cluster>,
    /// In the order of the cluster's endpoints.
    pub endpoints: Vec<Arc<EndpointView>>,
    /// What is remembered of it.
    pub state: Arc<ClusterState>,
    /// How many of its endpoints had begun to warm up before it was made; no other view of the cluster says the same.
    pub made: u64,
    /// How much of it may be under way.
    pub limits: breaker::Limits,
    /// When an endpoint is left alone; `None`: never.
    pub outlier: Option<outlier::Settings>,
    /// The service, for telemetry.
    pub service: Arc<Service>,
    /// How addresses that are no endpoints are reached (ORIGINAL_DST).
    pub carrier: Arc<Carrier>,
    /// Settings of its sockets.
    pub socket: SocketSettings,
    /// A connection must stand by then.
    pub connect_timeout: Duration,
    /// Connections of clusters without endpoints of their own are told apart by address under this number.
    pub pool_base: u64,
}

impl ClusterView {
    /// Neither ejected nor ill, as far as the cluster asks: where nobody asks for it any more, who was so is used again.
    pub fn takes(&self, endpoint: &EndpointView) -> bool {
        let out = self.outlier.is_some() && endpoint.state.is_out();
        let checks = self.cluster.settings.health_check.is_some();
        let ill = checks && endpoint.state.health.verdict() == Verdict::Ill;
        !out && !ill
    }
}

/// An endpoint, and how it is reached.
#[derive(Debug, Clone)]
pub struct EndpointView {
    /// Where it is.
    pub address: SocketAddr,
    /// What is remembered of it.
    pub state: Arc<EndpointState>,
    /// How it is reached.
    pub carrier: Arc<Carrier>,
    /// Its pool.
    pub pool: PoolKey,
    /// The workload behind it.
    pub peer: Arc<Peer>,
}

impl EndpointView {
    /// An address that is no configured endpoint, reached by the cluster's own transport. Its pool is told apart by address.
    pub fn original(of: &ClusterView, address: SocketAddr) -> Self {
        let mut hasher = DefaultHasher::new();
        address.hash(&mut hasher);
        Self {
            address,
            state: Arc::new(EndpointState::new(address, of.state.newcomers.clone())),
            carrier: of.carrier.clone(),
            // A hash may be shared by chance, so the pool looks at the address too.
            pool: PoolKey { id: of.pool_base, address: hasher.finish() },
            peer: Arc::new(Peer::unknown(None)),
        }
    }
}

/// A listener, and its chains' TLS.
#[derive(Debug)]
pub struct ListenerView {
    /// The compiled listener.
    pub listener: Arc<Listener>,
    acceptors: HashMap<usize, Result<Acceptor, String>>,
}

impl ListenerView {
    /// Compiles what the listener's chains need for TLS. A chain whose TLS cannot be had refuses every connection.
    pub fn new(listener: Arc<Listener>, secrets: &Secrets) -> Self {
        let mut acceptors = HashMap::new();
        for chain in listener.chains.iter().chain(&listener.default) {
            let Transport::Tls(tls) = &chain.settings.transport else { continue };
            let acceptor = match tls.common.certificates.first() {
                Some(CertificateSource::Sds(secret)) if secret.name == "default" => {
                    let own = Arc::new(crate::tls::server::OwnCertificate(secrets.clone()));
                    Acceptor::new(tls, own, secrets).map_err(|e| e.to_string())
                }
                other => Err(format!("a server certificate from {other:?} is not served by a sidecar")),
            };
            acceptors.insert(key(chain), acceptor);
        }
        Self { listener, acceptors }
    }

    /// A chain's TLS, if it wants any.
    ///
    /// # Errors
    /// Why the chain's TLS cannot be had.
    pub fn acceptor(&self, chain: &Arc<Chain>) -> Option<Result<&Acceptor, &str>> {
        self.acceptors.get(&key(chain)).map(|a| a.as_ref().map_err(String::as_str))
    }
}

fn key(chain: &Arc<Chain>) -> usize {
    Arc::as_ptr(chain).addr()
}

impl Snapshot {
    /// The cluster, if there is one.
    pub fn cluster(&self, id: ClusterId) -> Option<&Arc<ClusterView>> {
        self.clusters.get(id.0 as usize)?.as_ref()
    }

    /// The cluster of that name.
    pub fn cluster_named(&self, name: &str) -> Option<&Arc<ClusterView>> {
        self.clusters.iter().flatten().find(|view| view.cluster.settings.name == name)
    }

    /// The cluster of that name, with its number.
    pub fn cluster_by_name(&self, name: &str) -> Option<(ClusterId, &Arc<ClusterView>)> {
        let place =
            self.clusters.iter().position(|c| c.as_ref().is_some_and(|c| c.cluster.settings.name == name))?;
        Some((ClusterId(u32::try_from(place).ok()?), self.clusters[place].as_ref()?))
    }

    /// All clusters.
    pub fn clusters(&self) -> impl Iterator<Item = &Arc<ClusterView>> {
        self.clusters.iter().flatten()
    }

    /// Puts a cluster in its place, or takes it away.
    pub fn set_cluster(&mut self, id: ClusterId, view: Option<Arc<ClusterView>>) {
        self.table.set_cluster(id, view.as_ref().map(|view| view.cluster.clone()));
        let place = id.0 as usize;
        if self.clusters.len() <= place {
            self.clusters.resize_with(place + 1, || None);
        }
        self.clusters[place] = view;
    }

    /// The listener of that name.
    pub fn listener(&self, name: &str) -> Option<&Arc<ListenerView>> {
        self.listeners.get(name)
    }

    /// The listener without a socket that stands for connections to `destination`: of exactly that address, or of its
    /// port at every address.
    pub fn standing_for(&self, destination: SocketAddr) -> Option<&Arc<str>> {
        let any: IpAddr = match destination {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let of_port = || self.standing.get(&SocketAddr::new(any, destination.port()));
        self.standing.get(&destination).or_else(of_port)
    }

    /// All listeners.
    pub fn listeners(&self) -> impl Iterator<Item = &Arc<ListenerView>> {
        self.listeners.values()
    }

    /// Puts a listener in its place, or takes it away.
    pub fn set_listener(&mut self, name: &str, view: Option<Arc<ListenerView>>) {
        self.table.set_listener(name, view.as_ref().map(|view| view.listener.clone()));
        let before = match view {
            Some(view) => self.listeners.insert(name.to_owned(), view),
            None => self.listeners.remove(name),
        };
        for address in before.iter().flat_map(|view| addresses(view)) {
            if self.standing.get(&address).is_some_and(|standing| **standing == *name) {
                self.standing.remove(&address);
            }
        }
        let unbound = self.listeners.get(name).filter(|view| !view.listener.settings.bind_to_port);
        let places: Vec<SocketAddr> = unbound.iter().flat_map(|view| addresses(view)).collect();
        if !places.is_empty() {
            let name: Arc<str> = name.into();
            self.standing.extend(places.into_iter().map(|place| (place, name.clone())));
        }
    }
}

fn addresses(view: &ListenerView) -> impl Iterator<Item = SocketAddr> + '_ {
    let settings = &view.listener.settings;
    std::iter::once(settings.address).chain(settings.additional_addresses.iter().copied())
}

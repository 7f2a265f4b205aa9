//! The configuration in force, as connections and requests read it: the compiled table, and beside each part what the
//! proxy itself adds to it (TLS ready for handshakes, what is remembered of endpoints). Published by one atomic store.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use weft_model::cluster::{self as settings, Discovery, TransportMatch};
use weft_model::endpoint::Address;
use weft_model::table::chain::Chain;
use weft_model::table::{Cluster, ClusterId, Listener, Table};
use weft_model::tls::{CertificateSource, Transport, UpstreamTls};
use weft_policy::health::Verdict;
use weft_policy::{breaker, outlier};
use weft_telemetry::{Peer, PeerMetadata, Service};

use crate::tls::client::{Connector, Offer};
use crate::tls::secrets::Secrets;
use crate::tls::server::Acceptor;
use crate::upstream::cluster::ClusterState;
use crate::upstream::connect::{CONNECT_TIMEOUT, Carrier, SocketSettings, TlsCarrier};
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
    /// The compiled cluster.
    pub cluster: Arc<Cluster>,
    /// In the order of the cluster's endpoints.
    pub endpoints: Vec<EndpointView>,
    /// What is remembered of it.
    pub state: Arc<ClusterState>,
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

/// What outlives configurations: endpoints by cluster and address, and pools by how they are carried.
#[derive(Debug)]
pub struct Memory {
    states: HashMap<(String, SocketAddr), Arc<EndpointState>>,
    clusters: HashMap<String, Arc<ClusterState>>,
    next_pool: u64,
    /// When so many are remembered, those that nobody holds are forgotten.
    prune_at: usize,
    /// Where connections leave from, unless their cluster says otherwise.
    source: Option<SocketAddr>,
    secrets: Secrets,
}

impl Memory {
    /// Remembers nothing yet.
    pub fn new(secrets: Secrets) -> Self {
        Self {
            states: HashMap::new(),
            clusters: HashMap::new(),
            next_pool: 1,
            prune_at: 10_000,
            source: None,
            secrets,
        }
    }

    /// Connections of outbound clusters leave from this address.
    pub fn leave_from(&mut self, source: IpAddr) {
        self.source = Some(SocketAddr::new(source, 0));
    }

    /// Makes the view of a cluster. Pools go on where neither the address nor its transport changed since `before`.
    pub fn view(&mut self, cluster: Arc<Cluster>, before: Option<&Arc<ClusterView>>) -> Arc<ClusterView> {
        let settings = cluster.settings.clone();
        let same_transport = before.filter(|b| {
            let old = &b.cluster.settings;
            old.transport == settings.transport
                && old.transport_matches == settings.transport_matches
                && old.http == settings.http
                && old.bind_address == settings.bind_address
        });
        let carriers = match same_transport {
            Some(_) => None,
            None => Some(Carriers::new(&settings, &self.secrets)),
        };
        let carrier = match (&carriers, same_transport) {
            (Some(carriers), _) => carriers.default.clone(),
            (None, Some(before)) => before.carrier.clone(),
            (None, None) => Arc::new(Carrier::Broken("no transport".into())),
        };
        let known: HashMap<SocketAddr, &EndpointView> =
            same_transport.iter().flat_map(|b| &b.endpoints).map(|e| (e.address, e)).collect();
        let mut endpoints = Vec::with_capacity(cluster.endpoints.endpoints.len());
        for endpoint in &cluster.endpoints.endpoints {
            let Address::Socket(address) = endpoint.settings.address else {
                // Names were resolved before; a pipe cannot be reached from here and keeps its place as broken.
                endpoints.push(self.unreachable(&settings.name, &endpoint.settings.address));
                continue;
            };
            let old = known.get(&address);
            let transport_same = old.is_some_and(|_| {
                before.is_some_and(|b| {
                    b.cluster.endpoints.endpoints.iter().any(|e| {
                        e.settings.address == endpoint.settings.address
                            && e.settings.transport_match == endpoint.settings.transport_match
                    })
                })
            });
            if let (Some(old), true) = (old, transport_same) {
                let told = PeerMetadata::from_endpoint(&endpoint.settings.workload);
                let same = *old.peer.metadata() == told;
                let peer = if same { old.peer.clone() } else { Arc::new(Peer::new(told, None)) };
                endpoints.push(EndpointView { peer, ..(*old).clone() });
                continue;
            }
            let fresh;
            let carriers = match &carriers {
                Some(carriers) => carriers,
                None => {
                    fresh = Carriers::new(&settings, &self.secrets);
                    &fresh
                }
            };
            endpoints.push(EndpointView {
                address,
                state: self.state(&settings.name, address),
                carrier: carriers.of(&endpoint.settings.transport_match),
                pool: self.pool(),
                peer: Arc::new(Peer::new(PeerMetadata::from_endpoint(&endpoint.settings.workload), None)),
            });
        }
        let pool_base = same_transport.map_or_else(|| self.pool().id, |b| b.pool_base);
        // Who goes where the connection was going has no choice.
        let detects = settings.outlier_detection.filter(|_| settings.discovery != Discovery::OriginalDst);
        let (state, limits) =
            (self.cluster(&settings.name), breaker::Limits::new(&settings.circuit_breakers));
        state.places.set_limit(limits.connections);
        Arc::new(ClusterView {
            state,
            limits,
            outlier: detects.as_ref().map(outlier::Settings::new),
            service: service(&settings),
            carrier,
            socket: SocketSettings {
                original_source: None,
                bind: settings.bind_address,
                leave_from: self.source.filter(|_| !settings.name.starts_with("inbound|")),
                keepalive: settings.tcp_keepalive,
            },
            connect_timeout: settings.connect_timeout.filter(|t| !t.is_zero()).unwrap_or(CONNECT_TIMEOUT),
            pool_base,
            endpoints,
            cluster,
        })
    }

    fn cluster(&mut self, name: &str) -> Arc<ClusterState> {
        if self.clusters.len() > self.prune_at {
            self.clusters.retain(|_, state| Arc::strong_count(state) > 1);
        }
        self.clusters.entry(name.to_owned()).or_default().clone()
    }

    /// What is remembered of an endpoint, new if need be.
    pub fn state(&mut self, cluster: &str, address: SocketAddr) -> Arc<EndpointState> {
        if self.states.len() > self.prune_at {
            self.states.retain(|_, state| Arc::strong_count(state) > 1);
            self.prune_at = 10_000.max(2 * self.states.len());
        }
        let state = self.states.entry((cluster.to_owned(), address));
        state.or_insert_with(|| Arc::new(EndpointState::new(address))).clone()
    }

    fn pool(&mut self) -> PoolKey {
        self.next_pool += 1;
        PoolKey { id: self.next_pool, address: 0 }
    }

    fn unreachable(&mut self, cluster: &str, address: &Address) -> EndpointView {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let why = format!("an endpoint of {cluster} has no address to connect to: {address:?}");
        EndpointView {
            address: nowhere,
            state: self.state(cluster, nowhere),
            carrier: Arc::new(Carrier::Broken(why.into())),
            pool: self.pool(),
            peer: Arc::new(Peer::unknown(None)),
        }
    }
}

fn service(settings: &settings::Cluster) -> Arc<Service> {
    Arc::new(match settings.istio.services.first() {
        Some(service) => Service::new(&service.host, &service.name, &service.namespace),
        None => Service::new("", &settings.name, ""),
    })
}

/// The transports of one cluster.
struct Carriers {
    default: Arc<Carrier>,
    matches: Vec<(TransportMatch, Arc<Carrier>)>,
}

impl Carriers {
    fn new(settings: &settings::Cluster, secrets: &Secrets) -> Self {
        let make = |transport: &Transport<UpstreamTls>| Arc::new(carrier(transport, settings, secrets));
        let matches = settings.transport_matches.iter().map(|m| (m.clone(), make(&m.transport))).collect();
        Self { default: make(&settings.transport), matches }
    }

    /// The first whose criteria the endpoint's metadata meets.
    fn of(&self, metadata: &BTreeMap<String, String>) -> Arc<Carrier> {
        let meets = |m: &TransportMatch| m.criteria.iter().all(|(k, v)| metadata.get(k) == Some(v));
        let found = self.matches.iter().find(|(m, _)| meets(m));
        found.map_or(&self.default, |(_, carrier)| carrier).clone()
    }
}

fn carrier(transport: &Transport<UpstreamTls>, settings: &settings::Cluster, secrets: &Secrets) -> Carrier {
    let tls = match transport {
        Transport::Raw => return Carrier::Raw,
        Transport::Tls(tls) => tls,
        Transport::Unknown(what) => return Carrier::Broken(format!("{what} is not honoured").into()),
    };
    let mut tls = tls.as_ref().clone();
    tls.auto_sni |= settings.http.auto_sni;
    tls.auto_san_validation |= settings.http.auto_san_validation;
    let istio = tls.common.alpn.iter().any(|p| p == "istio") && !settings.istio.keep_alpn;
    let offer = |offer| if istio { offer } else { Offer::AsConfigured };
    let connectors = || {
        Ok::<_, crate::tls::server::TlsError>(TlsCarrier {
            plain: Connector::new(&tls, Offer::AsConfigured, secrets)?,
            http1: Connector::new(&tls, offer(Offer::IstioHttp11), secrets)?,
            http2: Connector::new(&tls, offer(Offer::IstioH2), secrets)?,
            istio,
        })
    };
    match connectors() {
        Ok(tls) => Carrier::Tls(Box::new(tls)),
        Err(why) => Carrier::Broken(why.to_string().into()),
    }
}

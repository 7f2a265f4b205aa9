//! What outlives configurations: what is remembered of clusters and endpoints, and which pools are still of use.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use weft_model::cluster::{self as settings, Discovery, TransportMatch};
use weft_model::endpoint::Address;
use weft_model::table::{Cluster, ClusterRef};
use weft_model::tls::{Transport, UpstreamTls};
use weft_policy::{breaker, outlier};
use weft_telemetry::{Peer, PeerMetadata, Service};

use super::{ClusterView, EndpointView};
use crate::tls::client::{Connector, Offer};
use crate::tls::secrets::Secrets;
use crate::upstream::cluster::ClusterState;
use crate::upstream::connect::{CONNECT_TIMEOUT, Carrier, SocketSettings, TlsCarrier};
use crate::upstream::endpoint::EndpointState;
use crate::upstream::pool::PoolKey;

/// Endpoints by cluster and address, clusters by name, and pools by how they are carried.
#[derive(Debug)]
pub struct Memory {
    states: HashMap<(String, SocketAddr), Arc<EndpointState>>,
    clusters: HashMap<String, Arc<ClusterState>>,
    next_pool: u64,
    /// When so many endpoints, and clusters, are remembered, those that nobody holds are forgotten.
    prune_at: [usize; 2],
    /// Where connections leave from, unless their cluster says otherwise.
    source: Option<SocketAddr>,
    secrets: Secrets,
}

/// So many are remembered before anybody is forgotten: who went a moment ago may be back.
const FEW: usize = 1024;

/// Forgets what nobody holds once there are twice as many as the last time.
fn prune<K: Eq + std::hash::Hash, V>(all: &mut HashMap<K, Arc<V>>, at: &mut usize) {
    if all.len() >= *at {
        all.retain(|_, state| Arc::strong_count(state) > 1);
        *at = FEW.max(2 * all.len());
    }
}

impl Memory {
    /// Remembers nothing yet.
    pub fn new(secrets: Secrets) -> Self {
        Self {
            states: HashMap::new(),
            clusters: HashMap::new(),
            next_pool: 1,
            prune_at: [FEW; 2],
            source: None,
            secrets,
        }
    }

    /// Connections of outbound clusters leave from this address.
    pub fn leave_from(&mut self, source: IpAddr) {
        self.source = Some(SocketAddr::new(source, 0));
    }

    /// Makes the view of a cluster. Pools go on where neither the address nor its transport changed since `before`.
    pub fn view(
        &mut self,
        named: ClusterRef,
        cluster: Arc<Cluster>,
        before: Option<&Arc<ClusterView>>,
    ) -> Arc<ClusterView> {
        let settings = cluster.settings.clone();
        // Held while its endpoints are made, which count there when they come back.
        let state = self.cluster(&settings.name);
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
        let known: HashMap<SocketAddr, &Arc<EndpointView>> =
            same_transport.iter().flat_map(|b| &b.endpoints).map(|e| (e.address, e)).collect();
        let mut endpoints = Vec::with_capacity(cluster.endpoints.endpoints.len());
        for endpoint in &cluster.endpoints.endpoints {
            let Address::Socket(address) = endpoint.settings.address else {
                // Names were resolved before; a pipe cannot be reached from here and keeps its place as broken.
                endpoints.push(Arc::new(self.unreachable(&settings.name, &endpoint.settings.address)));
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
                endpoints.push(if *old.peer.metadata() == told {
                    Arc::clone(old)
                } else {
                    Arc::new(EndpointView { peer: Arc::new(Peer::new(told, None)), ..(***old).clone() })
                });
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
            endpoints.push(Arc::new(EndpointView {
                address,
                state: self.state(&settings.name, address),
                carrier: carriers.of(&endpoint.settings.transport_match),
                pool: self.pool(),
                peer: Arc::new(Peer::new(PeerMetadata::from_endpoint(&endpoint.settings.workload), None)),
            }));
        }
        let pool_base = same_transport.map_or_else(|| self.pool().id, |b| b.pool_base);
        // Who goes where the connection was going has no choice.
        let detects = settings.outlier_detection.filter(|_| settings.discovery != Discovery::OriginalDst);
        let limits = breaker::Limits::new(&settings.circuit_breakers);
        state.places.set_limit(limits.connections);
        Arc::new(ClusterView {
            named,
            // Endpoints may be new, and so may be what warming up means. Whoever still has the view before does not find out.
            made: state.newcomers.fetch_add(1, Ordering::Relaxed),
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
        prune(&mut self.clusters, &mut self.prune_at[1]);
        self.clusters.entry(name.to_owned()).or_default().clone()
    }

    /// What is remembered of an endpoint, new if need be.
    pub fn state(&mut self, cluster: &str, address: SocketAddr) -> Arc<EndpointState> {
        prune(&mut self.states, &mut self.prune_at[0]);
        let key = (cluster.to_owned(), address);
        if let Some(known) = self.states.get(&key) {
            return known.clone();
        }
        let newcomers = self.cluster(cluster).newcomers.clone();
        let state = Arc::new(EndpointState::new(address, newcomers));
        self.states.insert(key, state.clone());
        state
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

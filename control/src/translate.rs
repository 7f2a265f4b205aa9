//! From the world to one proxy's configuration. Pure: equal worlds and nodes give equal settings.

mod access_log;
pub mod authorization;
mod clusters;
mod endpoints;
pub(crate) mod gates;
mod http;
mod inbound_port;
pub mod jwt;
mod listeners;
mod locality;
mod name_table;
pub mod names;
mod routes;
pub(crate) mod traffic;
mod upstream_tls;
pub mod virtual_service;

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use weft_model::cluster::Cluster;
use weft_model::compile::{self, CompileError};
use weft_model::endpoint::{LoadAssignment, Locality};
use weft_model::listener::Listener;
use weft_model::names::NameTable;
use weft_model::node::{Interception, Node};
use weft_model::route::RouteConfiguration;
use weft_model::table::Names;

pub use self::inbound_port::InboundPort;
use crate::annotations;
use crate::resources::duration;
use crate::world::World;
use crate::world::destination_rules::MergedRule;
use crate::world::family::Family;
use crate::world::peer_authentication::MutualTlsModes;
use crate::world::scope::Scope;
use crate::world::service::Service;
use crate::world::topology::Topology;
use crate::world::workload::Workload;

/// Everything that one proxy is to have.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Configuration {
    /// CDS.
    pub clusters: Vec<Cluster>,
    /// EDS.
    pub endpoints: Vec<LoadAssignment>,
    /// LDS.
    pub listeners: Vec<Listener>,
    /// RDS.
    pub routes: Vec<RouteConfiguration>,
    /// NDS, for a proxy that answers its app's DNS.
    pub names: Option<NameTable>,
}

/// The annotation of a pod whose own side is not 127.0.0.1.
const LOCALHOST: &str = crate::annotations::LOCALHOST;

/// One proxy, seen from the world: what all of its configuration is made from.
pub struct Proxy<'a> {
    /// The world.
    pub world: &'a World,
    /// What it says of itself.
    pub node: &'a Node,
    /// Its workload, if the world has it.
    pub workload: Option<Arc<Workload>>,
    /// Its namespace.
    pub namespace: String,
    /// Its workload's labels, else those that it claims, with those of where it is.
    pub labels: BTreeMap<String, String>,
    /// Its workload's address, else the one that it claims.
    pub address: Option<IpAddr>,
    /// Where it stands.
    pub locality: Locality,
    /// Where its app listens.
    pub localhost: IpAddr,
    /// What it hears of.
    pub scope: Scope,
    /// What its ports ask of clients.
    pub modes: MutualTlsModes,
    /// Its app's ports.
    pub inbound: Vec<InboundPort>,
    rules: HashMap<(String, String), Arc<MergedRule>>,
}

impl<'a> Proxy<'a> {
    /// The proxy that introduces itself as `node`.
    pub fn new(world: &'a World, node: &'a Node) -> Self {
        let namespace = node.namespace().to_owned();
        let workload = Self::workload_of(world, node).cloned();
        let mut labels = workload.as_ref().map_or(&node.metadata.labels, |workload| &workload.labels).clone();
        let locality = workload.as_ref().map(|workload| workload.locality.clone());
        let locality =
            locality.filter(|at| *at != Locality::default()).unwrap_or_else(|| node.locality.clone());
        let runs_on = workload.as_ref().map(|workload| &*workload.node).filter(|name| !name.is_empty());
        let runs_on = runs_on.unwrap_or(&node.metadata.node_name);
        Topology { locality: &locality, node: runs_on, cluster: &node.metadata.cluster_id }.over(&mut labels);
        let address =
            workload.as_ref().and_then(|workload| workload.ip()).or_else(|| node.addresses().next());
        let mut scope = Scope::new(world, &namespace, &labels);
        if node.metadata.dns_capture {
            let v6 = node.addresses().any(|ip| ip.is_ipv6());
            scope.take_automatic_addresses(!v6 || node.addresses().any(|ip| ip.is_ipv4()), v6);
        }
        let rules = scope.services.iter().filter_map(|service| {
            let rule = world.destination_rule(&namespace, &labels, service)?;
            Some(((service.namespace.clone(), service.host.clone()), Arc::clone(rule)))
        });
        let mut rules: HashMap<_, _> = rules.collect();
        if node.metadata.interception == Interception::None {
            for [service, pod] in scope.add_named_pods() {
                // A pod is called by the rule for all of them.
                if let Some(rule) = rules.get(&service).cloned() {
                    rules.insert(pod, rule);
                }
            }
        }
        let modes = world.mutual_tls(&namespace, &labels);
        let interception = node.metadata.interception;
        let inbound = workload.as_ref().map(|workload| inbound_port::of(world, workload, interception));
        let mut proxy = Self {
            world,
            node,
            workload,
            namespace,
            labels,
            address,
            locality,
            localhost: Ipv4Addr::LOCALHOST.into(),
            scope,
            modes,
            inbound: inbound.unwrap_or_default(),
            rules,
        };
        if let Some(said) = proxy.annotation(LOCALHOST).and_then(|said| said.parse().ok()) {
            proxy.localhost = said;
        }
        proxy
    }

    /// The families of a service in which this proxy can call it; all, if it says nothing of its own addresses.
    pub fn families(&self, service: &Service) -> Vec<Family> {
        let has = |family: &Family| self.node.addresses().any(|ip| Family::of(ip) == *family);
        let known = self.node.addresses().next().is_some();
        service.families.iter().copied().filter(|family| !known || has(family)).collect()
    }

    /// The workload of `node`: the pod of its name, else what is at its address, in its namespace.
    pub fn workload_of(world: &'a World, node: &Node) -> Option<&'a Arc<Workload>> {
        let namespace = node.namespace();
        let named = node.name.strip_suffix(namespace).and_then(|name| name.strip_suffix('.'));
        let by_name = world.workload(namespace, named.unwrap_or(&node.metadata.name));
        let by_address = || node.addresses().find_map(|ip| world.workload_at(ip));
        by_name.or_else(by_address).filter(|workload| workload.namespace == namespace)
    }

    /// Whether it is weft's own.
    pub fn is_weft(&self) -> bool {
        self.node.agent.name == "weft"
    }

    /// Whether it serves HTTP/1.0, as weft's does unasked.
    pub fn takes_http_10(&self) -> bool {
        self.is_weft() || self.node.metadata.http_10
    }

    /// How long connections that it takes may be idle, as its `ISTIO_META_IDLE_TIMEOUT` has it; zero is for ever. What is no
    /// time says nothing, as in Istio.
    pub fn idle_timeout(&self) -> Option<Duration> {
        duration::parse(&self.node.metadata.idle_timeout).ok()
    }

    /// Whether it has Istio's own filters.
    pub fn istio_filters(&self) -> bool {
        self.node.agent.istio_filters
    }

    /// The DestinationRule by which it calls `service`; of what it does not hear of it knows no rule either.
    pub fn rule(&self, service: &Service) -> Option<&MergedRule> {
        self.rules.get(&(service.namespace.clone(), service.host.clone())).map(|rule| &**rule)
    }

    /// Whether a route that it hears of has a limit of its own.
    fn limits_routes(&self) -> bool {
        let mut services = self.scope.virtual_services.iter();
        services.any(|object| object.meta.annotations.contains_key(annotations::LOCAL_RATE_LIMIT))
    }

    fn annotation(&self, name: &str) -> Option<&str> {
        let of_workload = self.workload.as_ref().and_then(|workload| workload.annotations.get(name));
        of_workload.or_else(|| self.node.metadata.annotations.get(name)).map(String::as_str)
    }
}

/// What the proxy that introduces itself as `node` is to have.
pub fn translate(world: &World, node: &Node) -> Configuration {
    let proxy = Proxy::new(world, node);
    Configuration {
        clusters: clusters::all(&proxy),
        endpoints: endpoints::all(&proxy),
        listeners: listeners::all(&proxy),
        routes: routes::all(&proxy),
        names: name_table::of(&proxy),
    }
}

impl Configuration {
    /// Why a proxy would refuse some of it; nothing where it would take it all.
    ///
    /// # Errors
    /// Each refusal names its resource.
    pub fn verify(&self) -> Result<(), Vec<CompileError>> {
        let mut names = Names::default();
        let mut refusals = Vec::new();
        let clusters = self.clusters.iter();
        refusals.extend(clusters.filter_map(|of| compile::cluster(Arc::new(of.clone()), None).err()));
        let listeners = self.listeners.iter();
        refusals.extend(listeners.filter_map(|of| compile::listener(Arc::new(of.clone()), &mut names).err()));
        refusals.extend(self.routes.iter().filter_map(|of| compile::route_table(of, &mut names).err()));
        if refusals.is_empty() { Ok(()) } else { Err(refusals) }
    }
}

#[cfg(test)]
mod tests;

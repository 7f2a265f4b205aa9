//! What one proxy hears of: the services and VirtualServices that its namespace sees and its Sidecar lets in.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;

use super::service::{Registry, Service, Visibility};
use super::workload::selects;
use super::{SharedVirtualService, World};
use super::{host, named_pods};
use crate::resources::Object;
use crate::resources::destination_rule::ConnectionPool;
use crate::resources::mesh_config::OutboundMode;
use crate::resources::sidecar::Sidecar;
use crate::resources::virtual_service::VirtualService;

/// The scope of one proxy.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The services, one a host, sorted by host.
    pub services: Vec<Arc<Service>>,
    /// The VirtualServices, the oldest first.
    pub virtual_services: Vec<SharedVirtualService>,
    /// What happens to a destination that nothing names.
    pub outbound: OutboundMode,
    /// Where such traffic is sent instead, as a destination of the Sidecar's namespace.
    pub egress_proxy: Option<EgressProxy>,
    /// What the way to the app may carry, where the Sidecar says so.
    pub inbound_pool: Option<ConnectionPool>,
}

/// A service through which traffic to what nothing names leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressProxy {
    /// Its full name.
    pub host: String,
    /// Its subset; empty: all of it.
    pub subset: String,
    /// Its port.
    pub port: u16,
}

/// One line of a Sidecar's egress: whose hosts, and on which port (`None`: all).
struct Egress<'a> {
    namespace: &'a str,
    host: String,
    port: Option<u32>,
}

impl Scope {
    /// The scope of a proxy of `namespace` with these labels.
    pub fn new(world: &World, namespace: &str, labels: &BTreeMap<String, String>) -> Self {
        let sidecar = sidecar(world, namespace, labels);
        let policy = sidecar.and_then(|sidecar| sidecar.spec.outbound_traffic_policy.as_ref());
        let mut scope = Self {
            services: Vec::new(),
            virtual_services: Vec::new(),
            inbound_pool: sidecar.and_then(|sidecar| sidecar.spec.inbound_connection_pool.clone()),
            outbound: policy.map_or(world.mesh.outbound, |policy| policy.mode),
            egress_proxy: policy.and_then(|policy| policy.egress_proxy.as_ref()).and_then(|to| {
                let port = to.port.as_ref().and_then(|port| u16::try_from(port.number).ok())?;
                Some(EgressProxy { host: host::full(&to.host, namespace), subset: to.subset.clone(), port })
            }),
        };
        let lines = sidecar.map(|sidecar| lines(sidecar, namespace)).unwrap_or_default();
        // A Sidecar without egress says nothing of it.
        let everything = lines.is_empty();
        let admits = |owner: &str, name: &str| {
            everything || lines.iter().any(|line| line.admits(owner, namespace, name))
        };
        for object in &world.virtual_services {
            let visible = world.sees_virtual_service(object, namespace) && is_for_sidecars(&object.spec);
            let hosts = &object.spec.hosts;
            let owner = &object.meta.namespace;
            if visible && hosts.iter().any(|name| admits(owner, &host::full(name, owner))) {
                scope.virtual_services.push(Arc::clone(object));
            }
        }
        let mut found: BTreeMap<String, Arc<Service>> = BTreeMap::new();
        for service in world.services.iter().filter(|service| service.export_to.sees(namespace)) {
            let Some(service) = limited(service, &lines, namespace) else { continue };
            take(&mut found, service, namespace);
        }
        // Whatever a route leads to is heard of too, even if the Sidecar does not name it.
        let destinations = scope.virtual_services.iter().flat_map(|object| destinations(object));
        let destinations = destinations.chain(scope.egress_proxy.iter().map(|proxy| proxy.host.clone()));
        let needed: Vec<String> = destinations.filter(|name| !found.contains_key(name.as_str())).collect();
        for service in world.services.iter().filter(|service| service.export_to.sees(namespace)) {
            if needed.contains(&service.host) {
                take(&mut found, Arc::clone(service), namespace);
            }
        }
        scope.services = found.into_values().collect();
        scope
    }

    /// Makes a service of each pod that has a name of its own; tells which is of which, by namespace and host.
    pub(crate) fn add_named_pods(&mut self) -> Vec<[(String, String); 2]> {
        let key = |service: &Service| (service.namespace.clone(), service.host.clone());
        let mut added = Vec::new();
        let mut pods = Vec::new();
        for service in &self.services {
            for pod in named_pods::services(service) {
                added.push([key(service), key(&pod)]);
                pods.push(Arc::new(pod));
            }
        }
        self.services.extend(pods);
        // What is written down comes before what follows from something else.
        self.services.sort_by(|a, b| a.host.cmp(&b.host));
        self.services.dedup_by(|later, earlier| later.host == earlier.host);
        added
    }

    /// Services without addresses have the ones that they were given, of the families that the proxy has.
    pub fn take_automatic_addresses(&mut self, v4: bool, v6: bool) {
        for service in &mut self.services {
            let given = service.automatic.iter().filter(|ip| if ip.is_ipv4() { v4 } else { v6 });
            let given: Vec<IpNet> = given.copied().map(IpNet::from).collect();
            if !given.is_empty() && service.addresses.is_empty() {
                Arc::make_mut(service).addresses = given;
            }
        }
    }

    /// The service of that full name.
    pub fn service(&self, host: &str) -> Option<&Arc<Service>> {
        let place = self.services.binary_search_by(|service| service.host.as_str().cmp(host)).ok()?;
        self.services.get(place)
    }
}

/// Of two services of one host: the own namespace's before Kubernetes' before the older.
fn take(found: &mut BTreeMap<String, Arc<Service>>, service: Arc<Service>, namespace: &str) {
    let rank = |service: &Service| (service.namespace != namespace, service.registry != Registry::Kubernetes);
    match found.get(&service.host) {
        Some(known) if rank(known) <= rank(&service) => {}
        _ => {
            found.insert(service.host.clone(), service);
        }
    }
}

/// The service as the lines let it in: whole, with some of its ports, or not at all.
fn limited(service: &Arc<Service>, lines: &[Egress<'_>], client: &str) -> Option<Arc<Service>> {
    if lines.is_empty() {
        return Some(Arc::clone(service));
    }
    let admitting: Vec<&Egress<'_>> =
        lines.iter().filter(|line| line.admits(&service.namespace, client, &service.host)).collect();
    if admitting.is_empty() {
        return None;
    }
    if admitting.iter().any(|line| line.port.is_none()) {
        return Some(Arc::clone(service));
    }
    let mut part = Service::clone(service);
    part.keep_ports(|port| admitting.iter().any(|line| line.port == Some(u32::from(port.number))));
    (!part.ports.is_empty()).then(|| Arc::new(part))
}

impl Egress<'_> {
    fn admits(&self, owner: &str, client: &str, name: &str) -> bool {
        let whose = match self.namespace {
            "*" => true,
            "." => owner == client,
            "~" => false,
            other => owner == other,
        };
        whose && host::overlap(&self.host, name)
    }
}

fn lines<'a>(sidecar: &'a Object<Sidecar>, client: &str) -> Vec<Egress<'a>> {
    let mut lines = Vec::new();
    for listener in &sidecar.spec.egress {
        let port = listener.port.as_ref().map(|port| port.number).filter(|port| *port != 0);
        for written in &listener.hosts {
            let (namespace, name) = written.split_once('/').unwrap_or(("*", written));
            lines.push(Egress { namespace, host: host::full(name, client), port });
        }
    }
    lines
}

/// The Sidecar of a workload: one that selects it, the namespace's, the root namespace's; of each the oldest.
fn sidecar<'a>(
    world: &'a World,
    namespace: &str,
    labels: &BTreeMap<String, String>,
) -> Option<&'a Object<Sidecar>> {
    let selector = |object: &&'a Object<Sidecar>| object.spec.workload_selector.as_ref().map(|s| &s.labels);
    let oldest = |holds: &dyn Fn(&&'a Object<Sidecar>) -> bool| {
        world.resources.sidecars.iter().filter(holds).min_by_key(|object| object.meta.age)
    };
    let plain = |object: &&'a Object<Sidecar>| selector(object).is_none_or(BTreeMap::is_empty);
    oldest(&|object| {
        object.meta.namespace == namespace
            && !plain(object)
            && selector(object).is_some_and(|s| selects(s, labels))
    })
    .or_else(|| oldest(&|object| object.meta.namespace == namespace && plain(object)))
    .or_else(|| oldest(&|object| object.meta.namespace == world.mesh.root_namespace && plain(object)))
}

/// Whether sidecars have to do with it: gateways alone do not make them.
fn is_for_sidecars(spec: &VirtualService) -> bool {
    spec.gateways.is_empty() || spec.gateways.iter().any(|gateway| gateway == "mesh")
}

/// The full names of all hosts that its routes lead to.
fn destinations(object: &Object<VirtualService>) -> impl Iterator<Item = String> + '_ {
    let spec = &object.spec;
    let http = spec.http.iter().flat_map(|route| {
        let mirrors = route.mirrors.iter().map(|mirror| &mirror.destination).chain(&route.mirror);
        route.route.iter().map(|to| &to.destination).chain(mirrors)
    });
    let tcp = spec.tcp.iter().flat_map(|route| &route.route).map(|to| &to.destination);
    let tls = spec.tls.iter().flat_map(|route| &route.route).map(|to| &to.destination);
    http.chain(tcp).chain(tls).map(|to| host::full(&to.host, &object.meta.namespace))
}

impl World {
    /// Whether a proxy of `namespace` hears of it (`exportTo`).
    pub(crate) fn sees_virtual_service(&self, object: &Object<VirtualService>, namespace: &str) -> bool {
        let default = &self.mesh.config.default_virtual_service_export_to;
        Visibility::new(&object.spec.export_to, default, &object.meta.namespace).sees(namespace)
    }
}

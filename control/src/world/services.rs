//! Services from what was written down: Kubernetes Services and ServiceEntries, with the workloads behind them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use k8s_openapi::api::core::v1::ServiceSpec;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use weft_model::endpoint::Locality;

use super::automatic;
use super::family::Family;
use super::host;
use super::mesh::Mesh;
use super::peer_authentication::MutualTlsModes;
use super::pods::TLS_MODE;
use super::protocol::Protocol;
use super::service::{
    Distribution, Port, Registry, Resolution, Service, ServiceEndpoint, Target, Visibility,
};
use super::workload::{Workload, WorkloadAddress, selects};
use crate::resources::service_entry::{Location, ServiceEntry};
use crate::resources::workload_entry::WorkloadEntry;
use crate::resources::{Object, Resources, service_entry};

/// The label by which a ServiceEntry declines an address.
const AUTOMATIC: &str = "networking.istio.io/enable-autoallocate-ip";

/// All services of these resources, the oldest first.
pub(crate) fn all(resources: &Resources, mesh: &Mesh, workloads: &[Arc<Workload>]) -> Vec<Arc<Service>> {
    let mut services: Vec<Service> =
        resources.services.iter().map(|object| kubernetes(object, mesh, workloads)).collect();
    services.extend(resources.service_entries.iter().flat_map(|object| entry(object, mesh, workloads)));
    automatic::assign(&mut services);
    services.sort_by(|a, b| (a.age, &a.host).cmp(&(b.age, &b.host)));
    give_aliases(resources, &mut services);
    services.into_iter().map(Arc::new).collect()
}

/// An ExternalName that leads to a service that is here is one more name of that, as in Istio; any other is a name
/// outside.
fn give_aliases(resources: &Resources, services: &mut Vec<Service>) {
    /// Through as many names an alias may lead; a circle leads nowhere.
    const HOPS: usize = 10;
    let aliases: BTreeMap<String, String> = resources
        .services
        .iter()
        .filter(|object| object.spec.type_.as_deref() == Some("ExternalName"))
        .filter_map(|object| {
            let target = object.spec.external_name.as_deref()?.trim_end_matches('.').to_ascii_lowercase();
            Some((host::kubernetes(&object.meta.name, &object.meta.namespace), target))
        })
        .collect();
    for (alias, target) in &aliases {
        let mut target = target;
        for _ in 0..HOPS {
            target = aliases.get(target).unwrap_or(target);
        }
        let known =
            services.iter_mut().find(|service| service.host == *target && !aliases.contains_key(target));
        if let Some(known) = known {
            known.aliases.push(alias.clone());
            services.retain(|service| service.host != *alias || service.registry != Registry::Kubernetes);
        }
    }
}

fn kubernetes(object: &Object<ServiceSpec>, mesh: &Mesh, workloads: &[Arc<Workload>]) -> Service {
    let (meta, spec) = (&object.meta, &object.spec);
    let said = meta.annotations.get("networking.istio.io/exportTo");
    let export_to: Vec<String> =
        said.iter().flat_map(|said| said.split(',')).map(|to| to.trim().to_owned()).collect();
    let addresses = spec.cluster_ips.iter().flatten().chain(&spec.cluster_ip);
    let mut service = Service {
        host: host::kubernetes(&meta.name, &meta.namespace),
        name: meta.name.clone(),
        namespace: meta.namespace.clone(),
        registry: Registry::Kubernetes,
        external: false,
        resolution: Resolution::Static,
        addresses: unique(addresses.filter_map(|address| network(address))),
        families: Family::of_service(spec),
        annotations: meta.annotations.clone(),
        automatic: Vec::new(),
        opts_out_of_addresses: true,
        distribution: Distribution::of(spec.traffic_distribution.as_deref(), &meta.annotations),
        headless: spec.cluster_ip.as_deref() == Some("None"),
        ports: spec.ports.iter().flatten().filter_map(kubernetes_port).filter(is_carried).collect(),
        selector: spec.selector.clone().unwrap_or_default(),
        export_to: Visibility::new(&export_to, &mesh.config.default_service_export_to, &meta.namespace),
        subject_alt_names: Vec::new(),
        endpoints: Vec::new(),
        unready: Vec::new(),
        aliases: Vec::new(),
        age: meta.age,
        source: object.source.clone(),
    };
    if spec.type_.as_deref() == Some("ExternalName") {
        if let Some(name) = &spec.external_name {
            service.external = true;
            service.resolution = Resolution::Dns;
            let nowhere = Arc::new(outside(&name.to_ascii_lowercase()));
            service.endpoints.push(endpoint(&service.ports, &nowhere));
        }
        return service;
    }
    let selector = &service.selector;
    if !selector.is_empty() {
        let published = spec.publish_not_ready_addresses == Some(true);
        let behind = |workload: &&Arc<Workload>| {
            workload.namespace == meta.namespace && selects(selector, &workload.labels)
        };
        (service.endpoints, service.unready) = workloads
            .iter()
            .filter(behind)
            .map(|workload| endpoint(&service.ports, workload))
            .partition(|endpoint| endpoint.workload.ready || published);
    }
    service
}

/// Beside a UDP port there may be a TCP port of the same number, which is the one that counts.
const fn is_carried(port: &Port) -> bool {
    port.protocol.is_carried()
}

fn kubernetes_port(port: &k8s_openapi::api::core::v1::ServicePort) -> Option<Port> {
    let number = u16::try_from(port.port).ok().filter(|number| *number != 0)?;
    let target = match &port.target_port {
        Some(IntOrString::String(name)) => {
            name.parse().map_or_else(|_| Target::Name(name.clone()), Target::Number)
        }
        Some(IntOrString::Int(target)) if *target != 0 => Target::Number(u16::try_from(*target).ok()?),
        _ => Target::Number(number),
    };
    let (name, app) = (port.name.as_deref(), port.app_protocol.as_deref());
    let protocol = Protocol::declared(name, app, port.protocol.as_deref(), number);
    Some(Port { number, name: port.name.clone().unwrap_or_default(), protocol, target })
}

/// One service for each host of a ServiceEntry.
fn entry<'a>(
    object: &'a Object<ServiceEntry>,
    mesh: &'a Mesh,
    workloads: &'a [Arc<Workload>],
) -> impl Iterator<Item = Service> + 'a {
    let (meta, spec) = (&object.meta, &object.spec);
    let ports: Vec<Port> = spec.ports.iter().filter_map(entry_port).filter(is_carried).collect();
    let resolution = match spec.resolution {
        service_entry::Resolution::Static => Resolution::Static,
        service_entry::Resolution::Dns => Resolution::Dns,
        service_entry::Resolution::DnsRoundRobin => Resolution::DnsRoundRobin,
        service_entry::Resolution::None | service_entry::Resolution::DynamicDns => Resolution::Passthrough,
    };
    spec.hosts.iter().map(move |written| {
        let host = written.to_ascii_lowercase();
        let mut behind: Vec<Arc<Workload>> = spec
            .endpoints
            .iter()
            .map(|inline| Arc::new(of_entry(inline, &meta.name, &meta.namespace)))
            .collect();
        if let Some(selector) = spec.workload_selector.as_ref().filter(|selector| !selector.labels.is_empty())
        {
            behind.extend(
                workloads
                    .iter()
                    .filter(|w| {
                        w.ready && w.namespace == meta.namespace && selects(&selector.labels, &w.labels)
                    })
                    .cloned(),
            );
        }
        let by_name = matches!(resolution, Resolution::Dns | Resolution::DnsRoundRobin);
        if behind.is_empty() && spec.workload_selector.is_none() && by_name {
            behind.push(Arc::new(outside(&host)));
        }
        Service {
            name: host.clone(),
            host,
            namespace: meta.namespace.clone(),
            registry: Registry::External,
            external: spec.location == Location::MeshExternal,
            resolution,
            addresses: unique(spec.addresses.iter().filter_map(|address| network(address))),
            families: Vec::new(),
            annotations: meta.annotations.clone(),
            automatic: Vec::new(),
            opts_out_of_addresses: meta
                .labels
                .get(AUTOMATIC)
                .is_some_and(|wanted| wanted.eq_ignore_ascii_case("false")),
            distribution: Distribution::of(None, &meta.annotations),
            headless: false,
            export_to: Visibility::new(
                &spec.export_to,
                &mesh.config.default_service_export_to,
                &meta.namespace,
            ),
            subject_alt_names: spec.subject_alt_names.clone(),
            unready: Vec::new(),
            aliases: Vec::new(),
            endpoints: behind.iter().map(|workload| endpoint(&ports, workload)).collect(),
            ports: ports.clone(),
            selector: spec.workload_selector.as_ref().map(|s| s.labels.clone()).unwrap_or_default(),
            age: meta.age,
            source: object.source.clone(),
        }
    })
}

fn entry_port(port: &service_entry::ServicePort) -> Option<Port> {
    let number = u16::try_from(port.number).ok().filter(|number| *number != 0)?;
    let target = u16::try_from(port.target_port).ok().filter(|number| *number != 0).unwrap_or(number);
    let protocol = if port.protocol.is_empty() {
        Protocol::by_name(&port.name)
    } else {
        Protocol::by_word(&port.protocol)
    };
    Some(Port { number, name: port.name.clone(), protocol, target: Target::Number(target) })
}

fn endpoint(ports: &[Port], workload: &Arc<Workload>) -> ServiceEndpoint {
    let own = ports.iter().map(|port| port.of(workload));
    ServiceEndpoint { workload: Arc::clone(workload), ports: own.collect() }
}

/// The workload that an entry describes.
pub(crate) fn of_entry(entry: &WorkloadEntry, name: &str, namespace: &str) -> Workload {
    let address = match entry.address.strip_prefix("unix://") {
        Some(path) => WorkloadAddress::Pipe(path.to_owned()),
        None => match entry.address.parse::<IpAddr>() {
            Ok(ip) => WorkloadAddress::Ip(ip),
            Err(_) => WorkloadAddress::Name(entry.address.to_ascii_lowercase()),
        },
    };
    let mut places = entry.locality.splitn(3, '/').map(str::to_owned);
    let mut place = || places.next().unwrap_or_default();
    let locality = match entry.locality.as_str() {
        "" => super::workload::locality(&entry.labels),
        _ => Locality { region: place(), zone: place(), sub_zone: place() },
    };
    let mtls = match entry.labels.get(TLS_MODE) {
        Some(mode) => mode == "istio",
        None => !entry.service_account.is_empty(),
    };
    let ports = entry.ports.iter();
    Workload {
        name: name.to_owned(),
        namespace: namespace.to_owned(),
        labels: entry.labels.clone(),
        annotations: BTreeMap::new(),
        service_account: entry.service_account.clone(),
        address: Some(address).filter(|_| !entry.address.is_empty()),
        more: Vec::new(),
        locality,
        node: String::new(),
        weight: entry.weight.max(1),
        named_ports: ports
            .filter_map(|(name, port)| Some((name.clone(), u16::try_from(*port).ok()?)))
            .collect(),
        ports: Vec::new(),
        mtls,
        modes: MutualTlsModes::default(),
        ready: true,
        dns: None,
        owner: name.to_owned(),
        entry: true,
    }
}

/// A name outside, of which nothing else is known.
fn outside(name: &str) -> Workload {
    let entry = WorkloadEntry { address: name.to_owned(), ..WorkloadEntry::default() };
    Workload { mtls: false, ..of_entry(&entry, "", "") }
}

/// `10.0.0.1` or `10.0.0.0/8`.
fn network(text: &str) -> Option<IpNet> {
    text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok()
}

fn unique<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut kept = Vec::new();
    for value in values {
        if !kept.contains(&value) {
            kept.push(value);
        }
    }
    kept
}

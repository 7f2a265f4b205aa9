//! The plan of a mesh: every pod that runs, its addresses, its app's environment. Pure.
//!
//! What the control plane reads of it are the pods themselves, as Kubernetes writes them ([`Pod::resource`]),
//! with two annotations that only `weft up` sets:
//!
//! - `weft.dev/localhost`: where the app listens, and where the sidecar binds its outbound side (the HTTP proxy
//!   on 15007): the pod's own "localhost" of interception mode NONE;
//! - `weft.dev/tcp-addresses`: a JSON object from `service.namespace:port` (a host outside: `host:port`) to the
//!   address at which this pod's sidecar listens for it.

mod aliases;
mod hostname;
mod ports;
mod probers;
mod resource;
mod tcp;
mod turned;
mod variables;

use super::addresses::{self, Base, Block};
use super::environment::{self, Downward, Environment, Settings};
use super::named::{self, Named};
use super::only::LeftOut;
use super::podless::{self, Alias, Podless};
use super::pods::{self, Draft, Kind, Workload};
use super::protocol::Protocol;
use super::proxy::{self, Proxy};
use super::services::Service;
use super::update::Update;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use weft_control::resources::Job;
use weft_control::resources::mesh_config::ProxySettings;
use weft_control::world::family::Family;

/// The port of the sidecar's HTTP proxy, as Istio's `proxyHttpPort`.
pub(crate) const HTTP_PROXY_PORT: u16 = 15007;
/// The one node.
pub(crate) const NODE: &str = "weft";

/// What a plan is made from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Manifests {
    pub(crate) workloads: Vec<Workload>,
    pub(crate) services: Vec<Service>,
    /// Services of type ExternalName.
    pub(crate) aliases: Vec<Alias>,
    /// Jobs and CronJobs.
    pub(crate) jobs: Vec<Job>,
    pub(crate) settings: Settings,
    /// What the mesh asks of all proxies.
    pub(crate) proxies: ProxySettings,
    /// Labels of the namespaces that the files define.
    pub(crate) namespaces: BTreeMap<String, BTreeMap<String, String>>,
}

/// The plan of a mesh.
#[derive(Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Plan {
    pub(crate) base: Base,
    /// Counts the plans of a mesh, so that who waits for one to be in force can tell it.
    #[serde(default)]
    pub(crate) revision: u64,
    /// By namespace and name.
    pub(crate) pods: Vec<Pod>,
    /// What the user should know, one line each.
    pub(crate) notes: Vec<String>,
    /// In network namespaces: what names resolve to.
    #[serde(default)]
    pub(crate) named: Vec<Named>,
    /// Services that `--only` leaves without pods.
    #[serde(default)]
    pub(crate) left_out: Vec<LeftOut>,
    /// Names of the files that no pod answers to.
    #[serde(default)]
    pub(crate) podless: Vec<Podless>,
}

/// One pod that runs.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Pod {
    pub(crate) name: String,
    /// What it calls itself.
    #[serde(default)]
    pub(crate) hostname: String,
    pub(crate) namespace: String,
    pub(crate) kind: Kind,
    pub(crate) workload: String,
    pub(crate) service_account: String,
    /// Names that its template gives to addresses.
    #[serde(default)]
    pub(crate) aliases: Vec<aliases::Alias>,
    /// The node that it is said to run on.
    #[serde(default)]
    pub(crate) node: String,
    /// Names of the services that select it.
    pub(crate) services: Vec<String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    /// As others see it.
    pub(crate) address: Ipv4Addr,
    /// The same in IPv6, if it has that.
    #[serde(default)]
    pub(crate) six: Option<Ipv6Addr>,
    /// As it sees itself.
    pub(crate) localhost: Ipv4Addr,
    /// Its network namespace, if it has one of its own.
    #[serde(default)]
    pub(crate) netns: Option<String>,
    /// Whether it has a sidecar.
    pub(crate) sidecar: bool,
    /// What is asked of that.
    #[serde(default)]
    pub(crate) proxy: Proxy,
    /// What a kubelet would ask its app, as the sidecar takes it (`ISTIO_KUBE_APP_PROBERS`).
    #[serde(default)]
    pub(crate) probers: String,
    pub(crate) containers: Vec<String>,
    pub(crate) ports: Vec<Port>,
    /// `service.namespace:port` to the address of this pod that leads there.
    pub(crate) tcp: BTreeMap<String, Ipv4Addr>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) rewritten: Vec<Rewritten>,
    /// Whether it takes requests: not while one of its processes is being started again.
    pub(crate) ready: bool,
    /// Changes when the workload's template does: then the pod is replaced, as a rollout would.
    pub(crate) template: String,
    /// Its place among its workload's replicas: the first pod there has its name, one that replaces it may have
    /// another.
    #[serde(default)]
    pub(crate) place: String,
    /// How its workload's pods are replaced.
    #[serde(default)]
    pub(crate) update: Update,
    /// Its own name in the cluster's DNS, and the headless service below which that stands.
    #[serde(default)]
    pub(crate) dns: Option<(String, String)>,
}

/// A port of an app.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Port {
    pub(crate) name: Option<String>,
    pub(crate) number: u16,
    pub(crate) protocol: Protocol,
}

/// A variable whose value names a TCP service, and now its address.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Rewritten {
    pub(crate) variable: String,
    pub(crate) from: String,
    pub(crate) to: String,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum PlanError {
    #[error(
        "more than {} pods: one machine's loopback has no addresses for more; lower some replicas",
        addresses::MAX_PODS
    )]
    TooManyPods,
    #[error(
        "--only {name}: no Service, Deployment, StatefulSet, DaemonSet or Pod of that name; there are {known}"
    )]
    UnknownPart { name: String, known: String },
    #[error(
        "more than {} pods: one bridge has no ports for more; lower some replicas",
        crate::netns::network::MOST
    )]
    TooManyNamespaces,
    #[error("no Deployment, StatefulSet, DaemonSet or Pod in these files: there is nothing to run")]
    Nothing,
}

/// Plans the pods of `manifests`; `only` limits them to some services and whatever these call. What `runs` keeps its
/// addresses, wanted or not.
pub(crate) fn plan(
    manifests: &Manifests,
    base: Base,
    numbers: &mut BTreeMap<(String, String), u32>,
    only: &[String],
    runs: &[Pod],
) -> Result<Plan, PlanError> {
    let (mut drafts, too_many) = pods::drafts(&manifests.workloads, addresses::MAX_PODS as usize);
    if too_many {
        return Err(PlanError::TooManyPods);
    }
    if drafts.is_empty() {
        return Err(PlanError::Nothing);
    }
    let mut manifests = manifests.clone();
    manifests.services.extend(named_pods(&drafts, &manifests.services));
    let manifests = &manifests;
    let mut left_out = Vec::new();
    if !only.is_empty() {
        (drafts, left_out) = super::only::closure(drafts, manifests, only)?;
    }
    let keys: Vec<_> = drafts.iter().map(|draft| (draft.namespace.clone(), draft.pod_name(runs))).collect();
    let all: BTreeSet<_> = runs.iter().map(|pod| (pod.namespace.clone(), pod.name.clone())).collect();
    let all: Vec<_> = all.union(&keys.iter().cloned().collect()).cloned().collect();
    *numbers = addresses::number(&all, numbers).ok_or(PlanError::TooManyPods)?;
    let mut plan = Plan { base, ..Plan::default() };
    plan.notes.extend(super::only::note(&left_out));
    plan.left_out = left_out;
    for (draft, key) in drafts.iter().zip(&keys) {
        let number = numbers.get(key).copied().unwrap_or_default();
        let template = draft.fingerprint();
        let runs =
            runs.iter().find(|pod| (&pod.namespace, &pod.name, &pod.template) == (&key.0, &key.1, &template));
        let held = runs.map(|pod| &pod.tcp);
        let place = Placed { name: &key.1, block: base.block(number), six: base.six(number), base, held };
        let mut pod = pod(draft, &place, manifests, &mut plan.notes);
        pod.netns = base.namespace(number);
        plan.pods.push(pod);
    }
    plan.podless = podless::all(manifests, &plan.pods, &plan.left_out);
    if base.hub().is_some() {
        if plan.pods.len() > crate::netns::network::MOST {
            return Err(PlanError::TooManyNamespaces);
        }
        plan.named = named::all(&manifests.services, &plan.pods);
    }
    if base.hub().is_none() {
        let six = manifests.services.iter().filter(|service| service.families.contains(&Family::V6));
        plan.notes.extend(six.map(|service| {
            format!(
                "service {}/{} asks for IPv6 (ipFamilies, ipFamilyPolicy or clusterIP): pods on loopback have IPv4 alone, \
                 by which it is called here; `weft up --netns` gives both",
                service.namespace, service.name
            )
        }));
    }
    plan.notes.extend(
        proxy::unheeded_of_mesh(&manifests.proxies, base.hub().is_some())
            .map(|what| format!("the mesh's defaultConfig: {what}")),
    );
    for namespace in drafts.iter().map(|draft| draft.namespace.as_str()).collect::<BTreeSet<_>>() {
        let labels = manifests.namespaces.get(namespace);
        let injects = |labels: &BTreeMap<String, String>| {
            labels.contains_key("istio-injection") || labels.contains_key("istio.io/rev")
        };
        if labels.is_some_and(|labels| !injects(labels)) {
            plan.notes.push(format!(
                "namespace {namespace} has no label istio-injection: a cluster would give its pods no sidecars, weft does"
            ));
        }
    }
    Ok(plan)
}

/// Where a pod is to be.
struct Placed<'a> {
    name: &'a str,
    block: Block,
    /// For a pod whose connections are turned, or that has no sidecar at all.
    six: Option<Ipv6Addr>,
    base: Base,
    /// The addresses for TCP that it has, if it runs: its app has learned them.
    held: Option<&'a BTreeMap<String, Ipv4Addr>>,
}

fn pod(draft: &Draft, placed: &Placed<'_>, manifests: &Manifests, notes: &mut Vec<String>) -> Pod {
    let Placed { name, block, six, base, held } = *placed;
    let title = format!("{}/{name}", draft.namespace);
    let sidecar = draft.wants_sidecar(manifests.namespaces.get(&draft.namespace));
    let services = &manifests.services;
    let selecting: Vec<&Service> = services
        .iter()
        .filter(|service| !service.is_pod() && service.selects(&draft.namespace, &draft.labels))
        .collect();
    let own = block.is_own();
    let proxy = Proxy::of(&manifests.proxies, &draft.annotations);
    let bound = turned::will_be_bound(sidecar, block, &proxy);
    let six = six.filter(|_| !bound);
    let addresses = match bound {
        true => tcp::addresses(services, &draft.namespace, block, held),
        false => BTreeMap::new(),
    };
    let reached: BTreeSet<String> =
        services.iter().filter(|service| service.needs_address()).map(Service::host).collect();
    if bound && addresses.len() < reached.len() {
        notes.push(format!(
            "pod {title} can reach {} TCP services by address and has room for {}: {} are left out",
            reached.len(),
            addresses::MAX_TCP,
            reached.len() - addresses.len(),
        ));
    }
    let ports = ports::of(draft, &selecting, notes);
    let mut environment = Environment::default();
    let address = |service: &Service| addresses.get(&service.host()).copied();
    let virtual_addresses = if own && !bound { named::all(services, &[]) } else { Vec::new() };
    let reached = |service: &Service| {
        let host = service.host();
        let named = virtual_addresses.iter().find(|named| named.host == host);
        let first = named.and_then(|named| named.addresses.first().copied());
        first.or_else(|| address(service).map(IpAddr::from))
    };
    for (name, value) in environment::service_variables(services, &draft.namespace, reached) {
        environment.set(&name, value);
    }
    let downward = Downward {
        name: name.to_owned(),
        namespace: draft.namespace.clone(),
        service_account: draft.service_account(),
        node: draft.node(),
        address: block.pod().to_string(),
        addresses: std::iter::once(block.pod().to_string()).chain(six.map(|six| six.to_string())).collect(),
        node_address: base.control().to_string(),
        labels: draft.labels.clone(),
        annotations: draft.annotations.clone(),
    };
    for container in draft.containers() {
        environment.add_container(container, &manifests.settings, &downward);
    }
    notes.extend(
        environment.missing.iter().map(|missing| format!("pod {title}: {missing}; the variable is not set")),
    );
    let unheeded = proxy::unheeded(&draft.annotations, own).filter(|_| sidecar);
    notes.extend(unheeded.map(|what| format!("pod {title}: {what}")));
    let rewritten = variables::rewrite(&mut environment, &draft.namespace, services, address);
    if bound {
        variables::proxied(&mut environment, block, &addresses);
    }
    let listens = match own {
        _ if bound => block.localhost(),
        true => Ipv4Addr::UNSPECIFIED,
        false => block.pod(),
    };
    variables::own_address(&mut environment, listens, &ports);
    Pod {
        name: name.to_owned(),
        hostname: hostname::give(&mut environment, draft, name),
        namespace: draft.namespace.clone(),
        kind: draft.kind,
        workload: draft.workload.clone(),
        service_account: draft.service_account(),
        aliases: aliases::of(draft, &title, own, notes),
        node: draft.node(),
        services: selecting.iter().map(|service| service.name.clone()).collect(),
        labels: draft.labels.clone(),
        annotations: draft.annotations.clone(),
        address: block.pod(),
        six,
        localhost: block.localhost(),
        netns: None,
        sidecar,
        proxy,
        probers: probers::of(draft),
        containers: draft.containers().map(|container| container.name.clone()).collect(),
        ports,
        tcp: tcp::keys(services, &addresses),
        environment: environment.variables,
        rewritten,
        ready: true,
        template: draft.fingerprint(),
        place: draft.name.clone(),
        update: draft.update,
        dns: draft.dns.clone(),
    }
}

/// A service for each pod that has a name below a headless one: apps write `db-0.db` as they write `db`.
fn named_pods(drafts: &[Draft], services: &[Service]) -> Vec<Service> {
    let of = |draft: &Draft| {
        let (name, below) = draft.dns.as_ref()?;
        let service = services.iter().find(|service| {
            service.headless && service.name == *below && service.namespace == draft.namespace
        })?;
        let selector = draft.labels.clone();
        Some(Service { name: format!("{name}.{below}"), selector, ..service.clone() })
    };
    drafts.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests;

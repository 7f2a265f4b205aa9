//! A workload: a pod, or what a WorkloadEntry describes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use weft_model::endpoint::Locality;

use super::family::Family;
use super::peer_authentication::{MutualTls, MutualTlsModes};
use super::protocol::Protocol;

/// One workload.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// The pod's or the entry's name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Its service account; empty for an entry that names none.
    pub service_account: String,
    /// Where it is; `None` while nobody knows.
    pub address: Option<WorkloadAddress>,
    /// Where else: a pod of two families has an address of each.
    pub more: Vec<IpAddr>,
    /// Where it stands.
    pub locality: Locality,
    /// The node that it runs on; empty while nobody knows.
    pub node: String,
    /// Its share; 1 unless set.
    pub weight: u32,
    /// Its ports by name, as services refer to them.
    pub named_ports: BTreeMap<String, u16>,
    /// The ports that its containers declare.
    pub ports: Vec<ContainerPort>,
    /// It has a sidecar that speaks mTLS.
    pub mtls: bool,
    /// What its ports ask of those that connect.
    pub modes: MutualTlsModes,
    /// It takes new work.
    pub ready: bool,
    /// What made it (a Deployment's name); its own name where nothing did.
    pub owner: String,
    /// Its own name in the cluster's DNS, and the headless service below which that stands.
    pub dns: Option<(String, String)>,
    /// A WorkloadEntry rather than a pod: it names its ports by the service's names.
    pub entry: bool,
}

/// Where a workload is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkloadAddress {
    /// By address.
    Ip(IpAddr),
    /// By a name to be resolved.
    Name(String),
    /// A Unix domain socket.
    Pipe(String),
}

/// A port that a container declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerPort {
    /// Its number.
    pub number: u16,
    /// What is spoken, by its name.
    pub protocol: Protocol,
}

/// Where a pod's labels say that it stands, else those of the node that it runs on.
pub fn locality_on(labels: &BTreeMap<String, String>, node: Option<&BTreeMap<String, String>>) -> Locality {
    let own = locality(labels);
    if own == Locality::default() { node.map(locality).unwrap_or_default() } else { own }
}

/// Where labels say that their workload stands: `istio-locality` (with dots, since a label holds no slash), else the labels
/// that a node has, and a pod from its node.
pub fn locality(labels: &BTreeMap<String, String>) -> Locality {
    let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
    if let Some(said) = labels.get("istio-locality").filter(|said| !said.is_empty()) {
        let separator = if said.contains('/') { '/' } else { '.' };
        let mut places = said.splitn(3, separator).map(str::to_owned);
        let mut place = || places.next().unwrap_or_default();
        return Locality { region: place(), zone: place(), sub_zone: place() };
    }
    Locality {
        region: label("topology.kubernetes.io/region"),
        zone: label("topology.kubernetes.io/zone"),
        sub_zone: label("topology.istio.io/subzone"),
    }
}

impl Workload {
    /// Its IP address, if that is known.
    pub const fn ip(&self) -> Option<IpAddr> {
        match &self.address {
            Some(WorkloadAddress::Ip(ip)) => Some(*ip),
            _ => None,
        }
    }

    /// All its IP addresses.
    pub fn ips(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.ip().into_iter().chain(self.more.iter().copied())
    }

    /// Its addresses of these families, in their order; that which it has, if it has none of them.
    pub fn ips_of(&self, families: &[Family]) -> Vec<IpAddr> {
        let of = |family: &Family| self.ips().find(|ip| Family::of(*ip) == *family);
        let found: Vec<IpAddr> = families.iter().filter_map(of).collect();
        if found.is_empty() { self.ip().into_iter().collect() } else { found }
    }

    /// Whether it takes mTLS on this port of its own: it can, and no policy switches it off.
    pub fn takes_mtls(&self, port: u16) -> bool {
        self.mtls && self.modes.of(port) != MutualTls::Disable
    }

    /// Istio's metadata of an endpoint: `workload;namespace;canonical name;canonical revision;cluster`.
    pub fn metadata(&self, cluster: &str) -> String {
        let first = |names: &[&str]| names.iter().find_map(|name| self.labels.get(*name)).map(String::as_str);
        let name = first(&["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"]);
        let revision =
            first(&["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"]);
        format!(
            "{};{};{};{};{cluster}",
            self.owner,
            self.namespace,
            name.unwrap_or(&self.owner),
            revision.unwrap_or_default()
        )
    }
}

/// Whether all of `selector` stands in `labels`.
pub fn selects(selector: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> bool {
    selector.iter().all(|(name, value)| labels.get(name) == Some(value))
}

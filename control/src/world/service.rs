//! A service: what clients call, whatever registry it comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::family::Family;
use super::protocol::Protocol;
use super::workload::Workload;
use crate::resources::{Age, Source};

/// One service.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Its full name in lower case, or a wildcard.
    pub host: String,
    /// A Kubernetes Service's name; else the host.
    pub name: String,
    /// Where it is defined.
    pub namespace: String,
    /// Who knows it.
    pub registry: Registry,
    /// Outside the mesh (`MESH_EXTERNAL`).
    pub external: bool,
    /// Where its endpoints come from.
    pub resolution: Resolution,
    /// Its own addresses; none where it is headless or known by name alone.
    pub addresses: Vec<IpNet>,
    /// The families in which its endpoints are called, the first by name; none: in that which they have.
    pub families: Vec<Family>,
    /// Addresses that it is given because it has none, for proxies that answer their app's DNS.
    pub automatic: Vec<IpAddr>,
    /// Its writer wants it to be given none (`networking.istio.io/enable-autoallocate-ip: "false"`).
    pub opts_out_of_addresses: bool,
    /// A Kubernetes Service with `clusterIP: None`.
    pub headless: bool,
    /// Which of its endpoints it wants to be called.
    pub distribution: Distribution,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Its ports, without those that the mesh does not carry (UDP): of one number there is one.
    pub ports: Vec<Port>,
    /// Which workloads of its namespace are behind it; empty: none are by their labels.
    pub selector: BTreeMap<String, String>,
    /// Namespaces that see it.
    pub export_to: Visibility,
    /// Names that its certificates may carry besides its accounts' (`subjectAltNames`).
    pub subject_alt_names: Vec<String>,
    /// What its callers reach.
    pub endpoints: Vec<ServiceEndpoint>,
    /// What is behind it too, but takes no requests at present: its own proxies alone know it, so that a pod that
    /// leaves answers until the last caller has heard of it.
    pub unready: Vec<ServiceEndpoint>,
    /// Full names of Services of type ExternalName that mean this one.
    pub aliases: Vec<String>,
    /// The older of two wins.
    pub age: Age,
    /// Where it was written.
    pub source: Source,
}

/// Who knows a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Registry {
    /// A Kubernetes Service.
    Kubernetes,
    /// A ServiceEntry.
    External,
}

/// `trafficDistribution`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Distribution {
    /// All alike.
    #[default]
    Any,
    /// Those of the caller's zone first.
    SameZone,
    /// Those of the caller's node first.
    SameNode,
}

impl Distribution {
    /// The field's say, else that of the annotation which older clusters have.
    pub fn of(field: Option<&str>, annotations: &BTreeMap<String, String>) -> Self {
        let annotation = || annotations.get("networking.istio.io/traffic-distribution").map(String::as_str);
        match field.or_else(annotation).unwrap_or_default().to_ascii_lowercase().as_str() {
            "preferclose" | "prefersamezone" => Self::SameZone,
            "prefersamenode" => Self::SameNode,
            _ => Self::Any,
        }
    }
}

/// Where a service's endpoints come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// They are known.
    Static,
    /// All addresses of their names.
    Dns,
    /// One address of a name at a time.
    DnsRoundRobin,
    /// Wherever the client was going.
    Passthrough,
}

/// One port of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The number that clients use.
    pub number: u16,
    /// Its name.
    pub name: String,
    /// What is spoken.
    pub protocol: Protocol,
    /// The workload's port.
    pub target: Target,
}

/// A workload's port, as a service names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// By number.
    Number(u16),
    /// By the container port's name.
    Name(String),
}

/// Which namespaces see a resource (`exportTo`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visibility {
    /// All.
    All,
    /// These; `~` alone is none.
    Only(BTreeSet<String>),
}

/// One endpoint of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceEndpoint {
    /// The workload.
    pub workload: Arc<Workload>,
    /// For each port of the service, in its order, the workload's; `None` where it has none.
    pub ports: Vec<Option<u16>>,
}

impl Visibility {
    /// `exportTo` as `namespace` writes it; empty is `default`.
    pub fn new(export_to: &[String], default: &[String], namespace: &str) -> Self {
        let said = if export_to.is_empty() { default } else { export_to };
        if said.is_empty() || said.iter().any(|to| to == "*") {
            return Self::All;
        }
        let names = said.iter().filter(|to| *to != "~");
        Self::Only(names.map(|to| if to == "." { namespace.to_owned() } else { to.clone() }).collect())
    }

    /// Whether `namespace` sees it.
    pub fn sees(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(namespace),
        }
    }
}

impl Port {
    /// The port of `workload` that it leads to.
    pub fn of(&self, workload: &Workload) -> Option<u16> {
        if workload.entry
            && let Some(own) = workload.named_ports.get(&self.name)
        {
            return Some(*own);
        }
        match &self.target {
            Target::Number(number) => Some(*number),
            Target::Name(name) => workload.named_ports.get(name).copied(),
        }
    }
}

impl Service {
    /// Whether it is a Service of type ExternalName, which leads out of the mesh.
    pub fn is_external_name(&self) -> bool {
        self.registry == Registry::Kubernetes && self.external
    }

    /// The port of that number.
    pub fn port(&self, number: u16) -> Option<&Port> {
        self.ports.iter().find(|port| port.number == number)
    }

    /// Its endpoints' accounts, as `(namespace, service account)`, each once.
    pub fn accounts(&self) -> BTreeSet<(&str, &str)> {
        let named = self.endpoints.iter().map(|endpoint| &endpoint.workload);
        named
            .filter(|workload| !workload.service_account.is_empty())
            .map(|workload| (workload.namespace.as_str(), workload.service_account.as_str()))
            .collect()
    }

    /// Where `port` is, and at which place of its endpoints' ports.
    pub fn place(&self, port: u16) -> Option<usize> {
        self.ports.iter().position(|known| known.number == port)
    }

    /// Leaves out the other ports, of its endpoints too.
    pub fn keep_ports(&mut self, keeps: impl Fn(&Port) -> bool) {
        let kept: Vec<bool> = self.ports.iter().map(keeps).collect();
        let mut places = kept.iter();
        self.ports.retain(|_| places.next() == Some(&true));
        for endpoint in self.endpoints.iter_mut().chain(&mut self.unready) {
            let mut places = kept.iter();
            endpoint.ports.retain(|_| places.next() == Some(&true));
        }
    }

    /// How policies, traces and access logs of a client know it: `host:port`.
    pub fn at(&self, port: u16) -> String {
        format!("{}:{port}", self.host)
    }
}

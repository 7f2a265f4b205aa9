//! The services of a mesh, as a plan needs them: who they select, what their ports speak, how they are written.

use super::protocol::Protocol;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::BTreeMap;
use std::net::IpAddr;
use weft_control::world::family::Family;

/// A Kubernetes Service, or a host outside that a ServiceEntry names.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) selector: BTreeMap<String, String>,
    pub(crate) ports: Vec<Port>,
    /// It has no address of its own (`clusterIP: None`).
    pub(crate) headless: bool,
    /// From a ServiceEntry: `name` is the whole host.
    pub(crate) outside: bool,
    /// The addresses that its manifest gives to it.
    pub(crate) addresses: Vec<IpAddr>,
    /// The families in which it has addresses, in its order.
    pub(crate) families: Vec<Family>,
}

/// One port of a service.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Port {
    pub(crate) name: Option<String>,
    pub(crate) number: u16,
    pub(crate) target: Target,
    pub(crate) protocol: Protocol,
}

/// The container's port behind a service's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Number(u16),
    Name(String),
}

impl Service {
    /// Reads a Service; `None` for one that leads nowhere inside (ExternalName).
    pub(crate) fn read(name: &str, namespace: &str, spec: &core::ServiceSpec) -> Option<Self> {
        if spec.type_.as_deref() == Some("ExternalName") {
            return None;
        }
        let ports = spec.ports.iter().flatten().filter_map(|port| {
            let number = u16::try_from(port.port).ok().filter(|number| *number != 0)?;
            let target = match &port.target_port {
                Some(IntOrString::String(name)) => {
                    name.parse().map_or_else(|_| Target::Name(name.clone()), Target::Number)
                }
                Some(IntOrString::Int(target)) => Target::Number(u16::try_from(*target).unwrap_or(number)),
                None => Target::Number(number),
            };
            let (name, app) = (port.name.as_deref(), port.app_protocol.as_deref());
            let protocol = Protocol::declared(name, app, port.protocol.as_deref(), number);
            Some(Port { name: port.name.clone(), number, target, protocol })
        });
        let given = spec.cluster_ip.iter().chain(spec.cluster_ips.iter().flatten());
        let given = given.filter_map(|address| address.parse().ok());
        Some(Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            selector: spec.selector.clone().unwrap_or_default(),
            ports: ports.collect(),
            headless: spec.cluster_ip.as_deref() == Some("None"),
            outside: false,
            addresses: given.collect(),
            families: Some(Family::of_service(spec))
                .filter(|families| !families.is_empty())
                .unwrap_or_else(|| vec![Family::V4]),
        })
    }

    /// Whether it is one pod of a headless service: `db-0.db`.
    pub(crate) fn is_pod(&self) -> bool {
        !self.outside && self.name.contains('.')
    }

    /// Whether a pod of these labels is behind it.
    pub(crate) fn selects(&self, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
        self.namespace == namespace
            && !self.selector.is_empty()
            && self.selector.iter().all(|(name, value)| labels.get(name) == Some(value))
    }

    /// `name.namespace.svc.cluster.local`, or the host outside.
    pub(crate) fn host(&self) -> String {
        if self.outside {
            self.name.clone()
        } else {
            format!("{}.{}.svc.cluster.local", self.name, self.namespace)
        }
    }

    /// How `weft.dev/tcp-addresses` writes one of its ports: `postgres.selfmonitor:5432`.
    pub(crate) fn key(&self, port: u16) -> String {
        if self.outside {
            format!("{}:{port}", self.name)
        } else {
            format!("{}.{}:{port}", self.name, self.namespace)
        }
    }

    /// The port of that number, if the mesh carries it: beside it there may be a UDP port of the same.
    pub(crate) fn port(&self, number: u16) -> Option<&Port> {
        self.ports.iter().find(|port| port.number == number && port.protocol != Protocol::Udp)
    }

    /// Whether apps reach that port over an address of their own. Outside the mesh only plain TCP needs one:
    /// TLS to a host outside goes through the HTTP proxy, by name.
    pub(crate) fn has_address(&self, port: &Port) -> bool {
        if self.outside { port.protocol == Protocol::Tcp } else { port.protocol.has_address() }
    }

    /// Whether apps reach every port of it over an address of their own.
    pub(crate) fn is_all_tcp(&self) -> bool {
        !self.ports.is_empty() && self.ports.iter().all(|port| self.has_address(port))
    }

    /// Whether any port of it needs such an address.
    pub(crate) fn needs_address(&self) -> bool {
        self.ports.iter().any(|port| self.has_address(port))
    }
}

/// The service that `host` means in `namespace`: a short name, `name.namespace`, with `.svc`, or in full.
pub(crate) fn find<'a>(services: &'a [Service], host: &str, namespace: &str) -> Option<&'a Service> {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    if let Some(outside) = services.iter().find(|service| service.outside && service.name == host) {
        return Some(outside);
    }
    let is_named = |service: &&Service| {
        if !service.is_pod() {
            return false;
        }
        let forms = [
            service.name.clone(),
            format!("{}.{}", service.name, service.namespace),
            format!("{}.{}.svc", service.name, service.namespace),
            service.host(),
        ];
        // The shortest form is for its own namespace.
        let here = usize::from(service.namespace != namespace);
        forms.iter().skip(here).any(|form| *form == host)
    };
    let pod = services.iter().find(is_named);
    let mut labels = host.split('.');
    let name = labels.next()?;
    let namespace = labels.next().unwrap_or(namespace);
    let rest: Vec<&str> = labels.collect();
    let is_cluster = matches!(rest.as_slice(), [] | ["svc"] | ["svc", "cluster", "local"]);
    let whole = services.iter().find(|service| {
        is_cluster && !service.outside && service.name == name && service.namespace == namespace
    });
    whole.or(pod)
}

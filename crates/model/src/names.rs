//! The name table: what a sidecar's DNS answers by itself, `istio.networking.nds.v1.NameTable`.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// Every host of the mesh that has addresses, by its full name in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NameTable {
    /// The hosts.
    pub hosts: BTreeMap<String, NamedHost>,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NamedHost {
    /// Its addresses, both families; a headless service's are its endpoints'.
    pub ips: Vec<IpAddr>,
    /// The registry that knows it: `Kubernetes`, `External`.
    pub registry: String,
    /// The Kubernetes Service's name, which makes shorter forms of the name answerable.
    pub short_name: String,
    /// The Kubernetes Service's namespace.
    pub namespace: String,
}

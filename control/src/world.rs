//! The world: everything that configuration is made from, at one moment, with every relation worked out. Immutable.
//!
//! It comes from what was read and from the pods that run; [`crate::translate`] makes one proxy's configuration of it.

mod automatic;
pub mod destination_rules;
pub mod family;
pub mod host;
pub mod injection;
pub mod mesh;
pub mod named_pods;
pub mod peer_authentication;
mod pods;
pub mod protocol;
pub mod scope;
pub mod service;
mod services;
pub mod topology;
pub mod workload;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;

use crate::resources::virtual_service::VirtualService;
use crate::resources::{Object, Resources};
use destination_rules::{DestinationRules, MergedRule};
use mesh::Mesh;
use peer_authentication::MutualTlsModes;
use service::Service;
use workload::Workload;

/// A VirtualService, shared by the scopes that hold it.
pub type SharedVirtualService = Arc<Object<VirtualService>>;

/// The world at one moment.
#[derive(Debug, Clone)]
pub struct World {
    /// What was read; policies are looked up here.
    pub resources: Arc<Resources>,
    /// The mesh's settings.
    pub mesh: Mesh,
    /// Running pods and WorkloadEntries.
    pub workloads: Vec<Arc<Workload>>,
    /// Every service, the oldest first.
    pub services: Vec<Arc<Service>>,
    /// Every VirtualService, the oldest first.
    pub virtual_services: Vec<SharedVirtualService>,
    /// Every DestinationRule.
    pub destination_rules: DestinationRules,
    by_name: HashMap<(String, String), usize>,
    by_address: HashMap<IpAddr, usize>,
}

impl World {
    /// The world of these resources and the pods that run.
    pub fn new(resources: Arc<Resources>, pods: &[Pod]) -> Self {
        let mesh = Mesh::new(&resources);
        let entries = resources.workload_entries.iter();
        let entries =
            entries.map(|object| services::of_entry(&object.spec, &object.meta.name, &object.meta.namespace));
        let nodes = pods::nodes(&resources);
        let mut workloads: Vec<Arc<Workload>> = pods
            .iter()
            .filter_map(|pod| pods::running(pod, &nodes))
            .chain(entries)
            .map(|workload| {
                let modes = MutualTlsModes::new(&resources, &mesh, &workload.namespace, &workload.labels);
                Arc::new(Workload { modes, ..workload })
            })
            .collect();
        workloads.sort_by(|a, b| (&a.namespace, &a.name, a.entry).cmp(&(&b.namespace, &b.name, b.entry)));
        let services = services::all(&resources, &mesh, &workloads);
        let mut virtual_services: Vec<_> = resources.virtual_services.iter().cloned().map(Arc::new).collect();
        virtual_services.sort_by_key(|object| object.meta.age);
        let destination_rules = DestinationRules::new(&resources, &mesh);
        let mut by_name = HashMap::new();
        let mut by_address = HashMap::new();
        for (place, workload) in workloads.iter().enumerate() {
            by_name.entry((workload.namespace.clone(), workload.name.clone())).or_insert(place);
            for ip in workload.ips() {
                by_address.entry(ip).or_insert(place);
            }
        }
        Self {
            resources,
            mesh,
            workloads,
            services,
            virtual_services,
            destination_rules,
            by_name,
            by_address,
        }
    }

    /// The workload of that name.
    pub fn workload(&self, namespace: &str, name: &str) -> Option<&Arc<Workload>> {
        self.workloads.get(*self.by_name.get(&(namespace.to_owned(), name.to_owned()))?)
    }

    /// The workload at that address.
    pub fn workload_at(&self, address: IpAddr) -> Option<&Arc<Workload>> {
        self.workloads.get(*self.by_address.get(&address)?)
    }

    /// What the ports of a workload with these labels ask of those that connect.
    pub fn mutual_tls(&self, namespace: &str, labels: &BTreeMap<String, String>) -> MutualTlsModes {
        MutualTlsModes::new(&self.resources, &self.mesh, namespace, labels)
    }

    /// The DestinationRule that a client of `namespace` with these labels goes by.
    pub fn destination_rule(
        &self,
        namespace: &str,
        labels: &BTreeMap<String, String>,
        service: &Service,
    ) -> Option<&Arc<MergedRule>> {
        self.destination_rules.find(&self.mesh.root_namespace, namespace, labels, service)
    }

    /// Every workload there is or could be: those that run, and those that templates describe.
    pub(crate) fn described(&self) -> Vec<Workload> {
        let mut described = pods::templates(&self.resources);
        described.extend(self.workloads.iter().map(|workload| Workload::clone(workload)));
        described
    }

    /// Labels of a namespace that is written down.
    pub fn namespace_labels(&self, name: &str) -> Option<&BTreeMap<String, String>> {
        self.resources
            .namespaces
            .iter()
            .find(|object| object.meta.name == name)
            .map(|object| &object.meta.labels)
    }
}

#[cfg(test)]
mod tests;

//! The resources that the control plane works from, as their writers gave them: typed, checked for shape, not yet
//! related to each other.
//!
//! Kubernetes' own specs are `k8s-openapi`'s types. Istio's are written here, one file a kind, with every field of
//! Istio 1.29's API under its own name. As in protobuf, an empty string or list is a field that is not set; where a
//! field that is there and empty differs from one that is not there, it is an `Option`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{DaemonSetSpec, DeploymentSpec, StatefulSetSpec};
use k8s_openapi::api::core::v1::{PodSpec, ServiceSpec};

/// Defines messages of Istio's API: every field is optional on the wire, named in camelCase and documented there.
macro_rules! message {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)*
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        pub struct $name {
            $(
                #[doc = concat!("Istio's `", stringify!($field), "`.")]
                $(#[$field_meta])*
                pub $field: $type,
            )*
        }
    )*};
}

/// Defines enums of Istio's API, by their names on the wire; the first is the default.
macro_rules! choice {
    ($(
        $(#[$meta:meta])*
        pub enum $name:ident {
            $first:ident $(= $first_wire:literal)?,
            $($variant:ident $(= $wire:literal)?,)*
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Deserialize)]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        pub enum $name {
            #[doc = concat!("Istio's `", stringify!($first), "`.")]
            #[default]
            $(#[serde(rename = $first_wire)])?
            $first,
            $(
                #[doc = concat!("Istio's `", stringify!($variant), "`.")]
                $(#[serde(rename = $wire)])?
                $variant,
            )*
        }
    )*};
}

pub mod authorization_policy;
pub mod destination_rule;
pub mod duration;
pub mod gateway;
pub mod grpc_status;
pub mod istio_operator;
pub mod mesh_config;
pub mod peer_authentication;
pub mod proxy_config;
pub mod request_authentication;
pub mod selector;
pub mod service_entry;
pub mod sidecar;
pub mod telemetry;
pub mod virtual_service;
pub mod workload_entry;

/// One resource: who it is, what it says, and where that was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Object<S> {
    /// Name, namespace, labels, annotations, age.
    pub meta: Meta,
    /// What it says.
    pub spec: S,
    /// Where it was written.
    pub source: Source,
}

/// A resource's metadata, as far as a mesh cares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meta {
    /// Its name.
    pub name: String,
    /// Its namespace; empty for a Namespace, which has none.
    pub namespace: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Its age: where two resources contend, the older one wins.
    pub age: Age,
}

/// When a resource came to be. Older is less.
///
/// A cluster writes `metadata.creationTimestamp`; in files the order of reading stands in for it, after all that have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Age {
    /// Seconds since 1970; `i64::MAX` where nobody wrote it down.
    pub created: i64,
    /// The resource's place in the order of reading.
    pub order: u32,
}

impl Default for Age {
    fn default() -> Self {
        Self { created: i64::MAX, order: 0 }
    }
}

/// Where a resource was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file as it was named.
    pub file: Arc<str>,
    /// The line at which the resource begins.
    pub line: u32,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A Secret's values. They do not show in logs.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretData(pub BTreeMap<String, Vec<u8>>);

impl fmt::Debug for SecretData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

/// A Job or a CronJob, by name alone: no part of the mesh comes of it, but people ask for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// As a manifest writes it.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

/// All that was read, each kind in the order of reading. No two of a kind share namespace and name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resources {
    /// Namespaces; their labels decide about injection.
    pub namespaces: Vec<Object<()>>,
    /// Nodes; their labels say where the pods on them stand.
    pub nodes: Vec<Object<()>>,
    /// Pods written down by themselves.
    pub pods: Vec<Object<PodSpec>>,
    /// Deployments.
    pub deployments: Vec<Object<DeploymentSpec>>,
    /// StatefulSets.
    pub stateful_sets: Vec<Object<StatefulSetSpec>>,
    /// DaemonSets.
    pub daemon_sets: Vec<Object<DaemonSetSpec>>,
    /// Jobs and CronJobs, which nobody here runs.
    pub jobs: Vec<Job>,
    /// Services, headless ones too.
    pub services: Vec<Object<ServiceSpec>>,
    /// ServiceAccounts.
    pub service_accounts: Vec<Object<()>>,
    /// ConfigMaps' `data`.
    pub config_maps: Vec<Object<BTreeMap<String, String>>>,
    /// Secrets' `data`, with `stringData` over it.
    pub secrets: Vec<Object<SecretData>>,
    /// VirtualServices.
    pub virtual_services: Vec<Object<virtual_service::VirtualService>>,
    /// DestinationRules.
    pub destination_rules: Vec<Object<destination_rule::DestinationRule>>,
    /// ServiceEntries.
    pub service_entries: Vec<Object<service_entry::ServiceEntry>>,
    /// WorkloadEntries.
    pub workload_entries: Vec<Object<workload_entry::WorkloadEntry>>,
    /// WorkloadGroups.
    pub workload_groups: Vec<Object<workload_entry::WorkloadGroup>>,
    /// Sidecars.
    pub sidecars: Vec<Object<sidecar::Sidecar>>,
    /// Gateways.
    pub gateways: Vec<Object<gateway::Gateway>>,
    /// PeerAuthentications.
    pub peer_authentications: Vec<Object<peer_authentication::PeerAuthentication>>,
    /// AuthorizationPolicies.
    pub authorization_policies: Vec<Object<authorization_policy::AuthorizationPolicy>>,
    /// RequestAuthentications.
    pub request_authentications: Vec<Object<request_authentication::RequestAuthentication>>,
    /// Telemetries.
    pub telemetries: Vec<Object<telemetry::Telemetry>>,
    /// ProxyConfigs.
    pub proxy_configs: Vec<Object<proxy_config::ProxyConfig>>,
    /// The one MeshConfig, from wherever it came: an IstioOperator, the ConfigMap `istio`, or a document of its own.
    pub mesh: Option<Object<mesh_config::MeshConfig>>,
}

impl Resources {
    /// These and those.
    #[must_use]
    pub fn and(mut self, those: Self) -> Self {
        let Self {
            namespaces,
            nodes,
            pods,
            deployments,
            stateful_sets,
            daemon_sets,
            jobs,
            services,
            service_accounts,
            config_maps,
            secrets,
            virtual_services,
            destination_rules,
            service_entries,
            workload_entries,
            workload_groups,
            sidecars,
            gateways,
            peer_authentications,
            authorization_policies,
            request_authentications,
            telemetries,
            proxy_configs,
            mesh,
        } = those;
        self.namespaces.extend(namespaces);
        self.nodes.extend(nodes);
        self.pods.extend(pods);
        self.deployments.extend(deployments);
        self.stateful_sets.extend(stateful_sets);
        self.daemon_sets.extend(daemon_sets);
        self.jobs.extend(jobs);
        self.services.extend(services);
        self.service_accounts.extend(service_accounts);
        self.config_maps.extend(config_maps);
        self.secrets.extend(secrets);
        self.virtual_services.extend(virtual_services);
        self.destination_rules.extend(destination_rules);
        self.service_entries.extend(service_entries);
        self.workload_entries.extend(workload_entries);
        self.workload_groups.extend(workload_groups);
        self.sidecars.extend(sidecars);
        self.gateways.extend(gateways);
        self.peer_authentications.extend(peer_authentications);
        self.authorization_policies.extend(authorization_policies);
        self.request_authentications.extend(request_authentications);
        self.telemetries.extend(telemetries);
        self.proxy_configs.extend(proxy_configs);
        self.mesh = self.mesh.or(mesh);
        self
    }
}

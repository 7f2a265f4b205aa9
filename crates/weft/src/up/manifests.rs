//! What the control plane's reader gives, as a plan needs it.

use super::environment::Settings;
use super::plan::Manifests;
use super::podless::Alias;
use super::pods::{Kind, Workload};
use super::protocol::Protocol;
use super::services::{Port, Service, Target};
use super::update::Update;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use std::collections::BTreeMap;
use weft_control::resources::service_entry::ServiceEntry;
use weft_control::resources::{Meta, Object, Resources};
use weft_control::world::family::Family;

impl Manifests {
    /// The part of `resources` that makes pods.
    pub(crate) fn of(resources: &Resources) -> Self {
        let mut services: Vec<Service> = resources
            .services
            .iter()
            .filter_map(|service| Service::read(&service.meta.name, &service.meta.namespace, &service.spec))
            .collect();
        let aliases = resources.services.iter().filter_map(|service| {
            let of = service
                .spec
                .external_name
                .clone()
                .filter(|_| service.spec.type_.as_deref() == Some("ExternalName"))?;
            let (name, namespace) = (service.meta.name.clone(), service.meta.namespace.clone());
            Some(Alias { name, namespace, of })
        });
        services.extend(resources.service_entries.iter().flat_map(outside));
        let key = |meta: &Meta| (meta.namespace.clone(), meta.name.clone());
        let config_maps = resources.config_maps.iter().map(|map| (key(&map.meta), map.spec.clone()));
        // A value that is not text is left out: no variable can hold it.
        let text =
            |(name, value): (&String, &Vec<u8>)| Some((name.clone(), String::from_utf8(value.clone()).ok()?));
        let secrets = resources.secrets.iter().map(|secret| {
            let values: BTreeMap<_, _> = secret.spec.0.iter().filter_map(text).collect();
            (key(&secret.meta), values)
        });
        Self {
            workloads: workloads(resources),
            services,
            aliases: aliases.collect(),
            jobs: resources.jobs.clone(),
            proxies: resources
                .mesh
                .as_ref()
                .and_then(|mesh| mesh.spec.default_config.clone())
                .unwrap_or_default(),
            settings: Settings { config_maps: config_maps.collect(), secrets: secrets.collect() },
            namespaces: resources
                .namespaces
                .iter()
                .map(|namespace| (namespace.meta.name.clone(), namespace.meta.labels.clone()))
                .collect(),
        }
    }
}

fn workloads(resources: &Resources) -> Vec<Workload> {
    let mut workloads = Vec::new();
    for deployment in &resources.deployments {
        let replicas = replicas(deployment.spec.replicas);
        let update = Update::of_deployment(&deployment.spec, replicas);
        let template = &deployment.spec.template;
        workloads.extend(templated(Kind::Deployment, &deployment.meta, replicas, update, template));
    }
    for set in &resources.stateful_sets {
        let replicas = replicas(set.spec.replicas);
        let update = Update::of_stateful_set(&set.spec);
        let made = templated(Kind::StatefulSet, &set.meta, replicas, update, &set.spec.template);
        let service_name = set.spec.service_name.clone().filter(|name| !name.is_empty());
        workloads.extend(made.map(|made| Workload { service_name, ..made }));
    }
    for set in &resources.daemon_sets {
        // This machine is the one node there is.
        let update = Update::of_daemon_set(&set.spec);
        workloads.extend(templated(Kind::DaemonSet, &set.meta, 1, update, &set.spec.template));
    }
    for pod in &resources.pods {
        let (labels, annotations) = (pod.meta.labels.clone(), pod.meta.annotations.clone());
        workloads.push(Workload {
            kind: Kind::Pod,
            name: pod.meta.name.clone(),
            namespace: pod.meta.namespace.clone(),
            replicas: 1,
            update: Update::default(),
            service_name: None,
            labels,
            annotations,
            spec: pod.spec.clone(),
        });
    }
    workloads
}

fn replicas(asked: Option<i32>) -> u32 {
    u32::try_from(asked.unwrap_or(1)).unwrap_or(0)
}

fn templated(
    kind: Kind,
    meta: &Meta,
    replicas: u32,
    update: Update,
    template: &PodTemplateSpec,
) -> Option<Workload> {
    let of_pods = template.metadata.clone().unwrap_or_default();
    Some(Workload {
        kind,
        name: meta.name.clone(),
        namespace: meta.namespace.clone(),
        replicas,
        update,
        service_name: None,
        labels: of_pods.labels.unwrap_or_default(),
        annotations: of_pods.annotations.unwrap_or_default(),
        spec: template.spec.clone()?,
    })
}

/// The hosts of a ServiceEntry; a wildcard has no name that an environment could write.
fn outside(entry: &Object<ServiceEntry>) -> Vec<Service> {
    let ports: Vec<Port> = entry
        .spec
        .ports
        .iter()
        .filter_map(|port| {
            let number = u16::try_from(port.number).ok().filter(|number| *number != 0)?;
            let declared = Some(port.protocol.as_str()).filter(|protocol| !protocol.is_empty());
            let protocol = Protocol::declared(Some(&port.name), declared, None, number);
            Some(Port { name: Some(port.name.clone()), number, target: Target::Number(number), protocol })
        })
        .collect();
    let hosts = entry.spec.hosts.iter().filter(|host| !host.contains('*'));
    hosts
        .map(|host| Service {
            name: host.to_ascii_lowercase(),
            namespace: entry.meta.namespace.clone(),
            selector: BTreeMap::new(),
            ports: ports.clone(),
            headless: false,
            outside: true,
            addresses: entry.spec.addresses.iter().filter_map(|address| address.parse().ok()).collect(),
            families: vec![Family::V4],
        })
        .collect()
}

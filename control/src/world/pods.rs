//! Workloads from pods, running ones and those that a template would make.

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Pod, PodSpec, PodTemplateSpec};

use super::peer_authentication::MutualTlsModes;
use super::protocol::Protocol;
use super::workload::{ContainerPort, Workload, WorkloadAddress, locality_on};
use crate::resources::Resources;

/// The label by which the injector says that a pod speaks mTLS.
pub(crate) const TLS_MODE: &str = "security.istio.io/tlsMode";

/// Labels of nodes, by name.
pub(crate) type Nodes<'a> = BTreeMap<&'a str, &'a BTreeMap<String, String>>;

/// The labels of all nodes that are written down.
pub(crate) fn nodes(resources: &Resources) -> Nodes<'_> {
    resources.nodes.iter().map(|node| (&*node.meta.name, &node.meta.labels)).collect()
}

/// The workload of a running pod; `None` for one without a name, or one that has ended.
pub(crate) fn running(pod: &Pod, nodes: &Nodes<'_>) -> Option<Workload> {
    let status = pod.status.as_ref();
    let phase = status.and_then(|status| status.phase.as_deref()).unwrap_or_default();
    if matches!(phase, "Succeeded" | "Failed") {
        return None;
    }
    let ip: Option<IpAddr> =
        status.and_then(|status| status.pod_ip.as_deref()).and_then(|ip| ip.parse().ok());
    let all = status.and_then(|status| status.pod_ips.as_deref()).unwrap_or_default();
    let more = all.iter().filter_map(|of| of.ip.parse().ok()).filter(|other| Some(*other) != ip);
    let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready");
    let meta = &pod.metadata;
    let name = meta.name.clone().filter(|name| !name.is_empty())?;
    let owner = meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
    let owner = owner.map(|owner| deployment(&owner.kind, &owner.name, meta.labels.as_ref()));
    Some(Workload {
        address: ip.map(WorkloadAddress::Ip),
        more: more.collect(),
        ready: ready.is_none_or(|ready| ready.status == "True") && meta.deletion_timestamp.is_none(),
        owner: owner.unwrap_or_else(|| name.clone()),
        ..of_spec(
            name,
            meta.namespace.clone().unwrap_or_else(|| "default".to_owned()),
            meta.labels.clone().unwrap_or_default(),
            meta.annotations.clone().unwrap_or_default(),
            pod.spec.as_ref().unwrap_or(&PodSpec::default()),
            nodes,
        )
    })
}

/// The Deployment behind a ReplicaSet, which carries the template's hash in its name.
fn deployment(kind: &str, name: &str, labels: Option<&BTreeMap<String, String>>) -> String {
    let hash = labels.and_then(|labels| labels.get("pod-template-hash")).filter(|_| kind == "ReplicaSet");
    let stem = hash.and_then(|hash| name.strip_suffix(hash.as_str())).and_then(|name| name.strip_suffix('-'));
    stem.unwrap_or(name).to_owned()
}

/// One workload without address for each template of `resources`: what selectors are meant for, running or not.
pub(crate) fn templates(resources: &Resources) -> Vec<Workload> {
    let nodes = nodes(resources);
    let mut workloads = Vec::new();
    let mut add = |meta: &crate::resources::Meta, template: &PodTemplateSpec| {
        let of = template.metadata.clone().unwrap_or_default();
        let Some(spec) = &template.spec else { return };
        workloads.push(of_spec(
            meta.name.clone(),
            meta.namespace.clone(),
            of.labels.unwrap_or_default(),
            of.annotations.unwrap_or_default(),
            spec,
            &nodes,
        ));
    };
    resources.deployments.iter().for_each(|object| add(&object.meta, &object.spec.template));
    resources.stateful_sets.iter().for_each(|object| add(&object.meta, &object.spec.template));
    resources.daemon_sets.iter().for_each(|object| add(&object.meta, &object.spec.template));
    for pod in &resources.pods {
        let meta = pod.meta.clone();
        workloads.push(of_spec(meta.name, meta.namespace, meta.labels, meta.annotations, &pod.spec, &nodes));
    }
    workloads
}

fn of_spec(
    name: String,
    namespace: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    spec: &PodSpec,
    nodes: &Nodes<'_>,
) -> Workload {
    let account = spec.service_account_name.clone().or_else(|| spec.service_account.clone());
    let mut named_ports = BTreeMap::new();
    let mut ports: Vec<ContainerPort> = Vec::new();
    // A native sidecar's ports are a pod's ports too.
    let lasting = |container: &&k8s_openapi::api::core::v1::Container| {
        container.restart_policy.as_deref() == Some("Always")
    };
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten().filter(lasting));
    for port in
        containers.filter(|container| container.name != "istio-proxy").flat_map(|c| c.ports.iter().flatten())
    {
        let Some(number) = u16::try_from(port.container_port).ok().filter(|number| *number != 0) else {
            continue;
        };
        let protocol = Protocol::declared(port.name.as_deref(), None, port.protocol.as_deref(), number);
        if !protocol.is_carried() {
            continue;
        }
        if let Some(name) = &port.name {
            named_ports.entry(name.clone()).or_insert(number);
        }
        if !ports.iter().any(|known| known.number == number) {
            ports.push(ContainerPort { number, protocol });
        }
    }
    let node = spec.node_name.clone().unwrap_or_default();
    let locality = locality_on(&labels, nodes.get(&*node).copied());
    Workload {
        owner: name.clone(),
        name,
        namespace,
        mtls: labels.get(TLS_MODE).is_some_and(|mode| mode == "istio"),
        modes: MutualTlsModes::default(),
        labels,
        annotations,
        service_account: account.filter(|name| !name.is_empty()).unwrap_or_else(|| "default".to_owned()),
        address: None,
        more: Vec::new(),
        locality,
        node,
        weight: 1,
        named_ports,
        ports,
        ready: true,
        dns: spec.hostname.clone().zip(spec.subdomain.clone()),
        entry: false,
    }
}

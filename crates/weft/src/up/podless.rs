//! What the files name that no pod of the mesh answers to, and why not. Pure.

use super::only::LeftOut;
use super::plan::{Manifests, Pod};
use super::pods::Kind;
use super::services::Service;

/// A workload that runs nothing, a service that nothing is behind, or a host outside.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Podless {
    /// As a manifest writes it.
    pub(crate) kind: String,
    pub(crate) name: String,
    /// Empty for a host outside.
    pub(crate) namespace: String,
    pub(crate) why: String,
    /// The services that lead to it, by their names in full; itself, if it is one.
    pub(crate) hosts: Vec<String>,
}

/// All of them.
pub(super) fn all(manifests: &Manifests, pods: &[Pod], left_out: &[LeftOut]) -> Vec<Podless> {
    let Manifests { workloads, services, aliases, jobs, .. } = manifests;
    let runs = |kind: Kind, name: &str, namespace: &str| {
        pods.iter().any(|pod| pod.kind == kind && pod.workload == name && pod.namespace == namespace)
    };
    let resting = workloads.iter().filter(|of| !runs(of.kind, &of.name, &of.namespace)).map(|of| {
        let behind = services.iter().filter(|service| service.selects(&of.namespace, &of.labels));
        let why = if of.replicas == 0 { "replicas: 0" } else { "--only leaves it out" };
        Podless {
            kind: of.kind.name().to_owned(),
            name: of.name.clone(),
            namespace: of.namespace.clone(),
            why: why.to_owned(),
            hosts: behind.filter(|service| !service.is_pod()).map(Service::host).collect(),
        }
    });
    let has_pods = |service: &Service| {
        pods.iter().any(|pod| pod.namespace == service.namespace && pod.services.contains(&service.name))
    };
    let bare = services.iter().filter(|of| !of.is_pod() && (of.outside || !has_pods(of))).map(|of| {
        let is_left_out = left_out.iter().any(|left| left.name == of.name && left.namespace == of.namespace);
        let (kind, why) = match of {
            _ if of.outside => ("ServiceEntry", "it is a host outside"),
            _ if is_left_out => ("Service", "--only leaves them out"),
            _ if of.selector.is_empty() => ("Service", "it has no selector"),
            _ => ("Service", "its selector matches none that runs"),
        };
        Podless {
            kind: kind.to_owned(),
            name: of.name.clone(),
            namespace: if of.outside { String::new() } else { of.namespace.clone() },
            why: why.to_owned(),
            hosts: vec![of.host()],
        }
    });
    let aliases = aliases.iter().map(|alias| Podless {
        kind: "Service".to_owned(),
        name: alias.name.clone(),
        namespace: alias.namespace.clone(),
        why: format!("it is another name for {} (ExternalName)", alias.of),
        hosts: vec![format!("{}.{}.svc.cluster.local", alias.name, alias.namespace)],
    });
    let jobs = jobs.iter().map(|job| Podless {
        kind: job.kind.clone(),
        name: job.name.clone(),
        namespace: job.namespace.clone(),
        why: "`weft up` runs none of that kind; `weft exec WORKLOAD -- COMMAND` runs a command as a workload"
            .to_owned(),
        hosts: Vec::new(),
    });
    resting.chain(bare).chain(aliases).chain(jobs).collect()
}

/// A Service of type ExternalName.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Alias {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) of: String,
}

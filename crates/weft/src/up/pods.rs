//! The pods that the manifests ask for: each workload's template, as often as it has replicas.

use super::plan::Pod;
use super::update::Update;
use k8s_openapi::api::core::v1 as core;
use std::collections::{BTreeMap, BTreeSet};

/// What makes pods: a Deployment, StatefulSet, DaemonSet, or a Pod of its own.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Workload {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) replicas: u32,
    /// How its pods are replaced.
    pub(crate) update: Update,
    /// A StatefulSet's `serviceName`: the service below which its pods have names.
    pub(crate) service_name: Option<String>,
    /// The pods' labels.
    pub(crate) labels: BTreeMap<String, String>,
    /// The pods' annotations.
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) spec: core::PodSpec,
}

/// The kinds of workloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Kind {
    Deployment,
    StatefulSet,
    DaemonSet,
    Pod,
}

impl Kind {
    /// As a manifest writes it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::Pod => "Pod",
        }
    }
}

/// A pod that is to run, before it has an address.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) kind: Kind,
    /// The workload's name.
    pub(crate) workload: String,
    /// How the workload's pods are replaced.
    pub(crate) update: Update,
    /// Its name in the cluster's DNS, and the headless service below which that stands.
    pub(crate) dns: Option<(String, String)>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) spec: core::PodSpec,
}

impl Workload {
    fn pod_name(&self, replica: u32) -> String {
        match self.kind {
            Kind::Pod => self.name.clone(),
            Kind::StatefulSet => format!("{}-{replica}", self.name),
            Kind::Deployment | Kind::DaemonSet => format!("{}-{}", self.name, replica + 1),
        }
    }
}

/// All pods of `workloads`, sorted by namespace and name; at most `limit`, and whether that was too few.
pub(crate) fn drafts(workloads: &[Workload], limit: usize) -> (Vec<Draft>, bool) {
    let mut drafts = Vec::new();
    let mut names = BTreeSet::new();
    for workload in workloads {
        let namespace = &workload.namespace;
        for replica in 0..workload.replicas {
            if drafts.len() >= limit {
                return (drafts, true);
            }
            let mut name = workload.pod_name(replica);
            if !names.insert((namespace.clone(), name.clone())) {
                // Two workloads of one name, of different kinds: both run.
                name = format!("{name}-{}", workload.kind.name().to_ascii_lowercase());
                names.insert((namespace.clone(), name.clone()));
            }
            let mut labels = workload.labels.clone();
            if workload.kind == Kind::StatefulSet {
                labels.insert("statefulset.kubernetes.io/pod-name".into(), name.clone());
            }
            drafts.push(Draft {
                name,
                namespace: namespace.clone(),
                kind: workload.kind,
                workload: workload.name.clone(),
                update: workload.update,
                dns: match &workload.service_name {
                    Some(service) => Some((format!("{}-{replica}", workload.name), service.clone())),
                    None => workload.spec.hostname.clone().zip(workload.spec.subdomain.clone()),
                },
                labels,
                annotations: workload.annotations.clone(),
                spec: workload.spec.clone(),
            });
        }
    }
    drafts.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    (drafts, false)
}

impl Draft {
    /// The app's containers: not a sidecar that was injected into the manifest already.
    pub(crate) fn containers(&self) -> impl Iterator<Item = &core::Container> {
        self.spec.containers.iter().filter(|container| container.name != "istio-proxy")
    }

    /// A short text that differs when the template does.
    pub(crate) fn fingerprint(&self) -> String {
        let template = serde_json::json!([self.labels, self.annotations, self.spec]).to_string();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, template.as_bytes());
        digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Its pod's name: its place's, unless the pod of another template has that, beside which the new one starts. A
    /// pod that runs with this template keeps its name.
    pub(crate) fn pod_name(&self, runs: &[Pod]) -> String {
        let template = self.fingerprint();
        let here = |pod: &&Pod| {
            (pod.namespace.as_str(), pod.place.as_str(), pod.workload.as_str(), pod.kind)
                == (self.namespace.as_str(), self.name.as_str(), self.workload.as_str(), self.kind)
        };
        let mut here = runs.iter().filter(here).peekable();
        let in_place = here.peek().is_none() || !matches!(self.update, Update::Surge { .. });
        if let Some(same) = here.find(|pod| pod.template == template) {
            return same.name.clone();
        }
        if in_place {
            self.name.clone()
        } else {
            format!("{}-{}", self.name, template.get(..6).unwrap_or(&template))
        }
    }

    /// Its service account, `default` where none is named.
    pub(crate) fn service_account(&self) -> String {
        let named = self.spec.service_account_name.clone().or_else(|| self.spec.service_account.clone());
        named.filter(|name| !name.is_empty()).unwrap_or_else(|| "default".to_owned())
    }

    /// The node that its template names (a `Node` of that name says where that stands), this machine where none is named.
    pub(crate) fn node(&self) -> String {
        let named = self.spec.node_name.clone().filter(|name| !name.is_empty());
        named.unwrap_or_else(|| super::plan::NODE.to_owned())
    }

    /// Whether Istio would give it a sidecar: the label decides before the annotation, these before the
    /// namespace; the host's network has none.
    pub(crate) fn wants_sidecar(&self, namespace_labels: Option<&BTreeMap<String, String>>) -> bool {
        self.spec.host_network != Some(true)
            && weft_control::world::injection::is_wanted(&self.labels, &self.annotations, namespace_labels)
    }
}

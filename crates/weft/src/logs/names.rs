//! Addresses in an access log, and the pods whose they are.

use super::entry::{Entry, Side};
use crate::up::plan::{Plan, Pod};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The pods of a mesh, by address.
#[derive(Debug)]
pub(super) struct Names {
    pods: BTreeMap<IpAddr, String>,
    several_namespaces: bool,
}

impl Names {
    pub(super) fn of(plan: &Plan) -> Self {
        let namespaces: BTreeSet<&str> = plan.pods.iter().map(|pod| pod.namespace.as_str()).collect();
        let mut names = Self { pods: BTreeMap::new(), several_namespaces: namespaces.len() > 1 };
        for pod in &plan.pods {
            let name = names.pod(pod);
            names.pods.insert(pod.localhost.into(), name.clone());
            names.pods.extend(pod.six.map(|six| (six.into(), name.clone())));
            names.pods.insert(pod.address.into(), name);
        }
        names
    }

    /// A pod's name, with its namespace where there are several.
    pub(super) fn pod(&self, pod: &Pod) -> String {
        match self.several_namespaces {
            true => format!("{}/{}", pod.namespace, pod.name),
            false => pod.name.clone(),
        }
    }

    /// Who called whom, in an entry of `owner`'s sidecar.
    pub(super) fn ends(&self, owner: &str, side: Side, entry: &Entry) -> (String, String) {
        let known = |ip: Option<IpAddr>| ip.and_then(|ip| self.pods.get(&ip)).cloned();
        match side {
            Side::Caller => {
                let callee = known(entry.upstream())
                    .or_else(|| entry.destination_workload.clone())
                    .or_else(|| entry.authority.clone())
                    .or_else(|| entry.upstream_service().map(str::to_owned))
                    .or_else(|| entry.upstream().map(|ip| ip.to_string()));
                (owner.to_owned(), callee.unwrap_or_else(|| "?".to_owned()))
            }
            Side::Callee => {
                let caller = known(entry.remote())
                    .or_else(|| entry.source_workload.clone())
                    .or_else(|| entry.source_principal.clone())
                    .or_else(|| entry.remote().map(|ip| ip.to_string()));
                (caller.unwrap_or_else(|| "?".to_owned()), owner.to_owned())
            }
        }
    }
}

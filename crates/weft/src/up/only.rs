//! `--only a,b`: a part of the mesh, with whatever its apps' environments call. Pure.

use super::environment::{Downward, Environment};
use super::mention;
use super::plan::{Manifests, PlanError};
use super::pods::Draft;
use super::services::Service;
use std::collections::{BTreeMap, BTreeSet};

/// A service of the files that has no pods in this part of the mesh.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct LeftOut {
    pub(crate) name: String,
    pub(crate) namespace: String,
}

/// What is left out, in words.
pub(super) fn note(left_out: &[LeftOut]) -> Option<String> {
    /// Of a large mesh nobody reads them all.
    const NAMED: usize = 5;
    let names: Vec<String> = left_out
        .iter()
        .take(NAMED)
        .map(|service| format!("{}.{}", service.name, service.namespace))
        .collect();
    let more = match left_out.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more services"),
    };
    let names = names.join(", ");
    (!names.is_empty())
        .then(|| format!("--only leaves out {names}{more}: whoever calls them gets 503, no healthy upstream"))
}

/// The drafts that `names` (services or workloads) mean, and those that they call, and so on; and the services
/// that are left with none.
pub(super) fn closure(
    drafts: Vec<Draft>,
    manifests: &Manifests,
    names: &[String],
) -> Result<(Vec<Draft>, Vec<LeftOut>), PlanError> {
    let mut wanted = BTreeSet::new();
    let mut queue = Vec::new();
    for name in names {
        let named: Vec<usize> =
            (0..drafts.len()).filter(|at| is_named(&drafts[*at], manifests, name)).collect();
        if named.is_empty() {
            return Err(PlanError::UnknownPart { name: name.clone(), known: known(&drafts) });
        }
        queue.extend(named);
    }
    while let Some(at) = queue.pop() {
        if !wanted.insert(at) {
            continue;
        }
        for service in called(&drafts[at], manifests) {
            let behind = |at: &usize| {
                let draft: &Draft = &drafts[*at];
                service.selects(&draft.namespace, &draft.labels)
            };
            queue.extend((0..drafts.len()).filter(behind));
        }
    }
    let left_out = left_out(&drafts, &wanted, &manifests.services);
    let kept = drafts.into_iter().enumerate().filter(|(at, _)| wanted.contains(at));
    Ok((kept.map(|(_, draft)| draft).collect(), left_out))
}

fn left_out(drafts: &[Draft], wanted: &BTreeSet<usize>, services: &[Service]) -> Vec<LeftOut> {
    let without_pods = services.iter().filter(|service| {
        let mut behind = (0..drafts.len())
            .filter(|at| service.selects(&drafts[*at].namespace, &drafts[*at].labels))
            .peekable();
        !service.is_pod() && behind.peek().is_some() && behind.all(|at| !wanted.contains(&at))
    });
    without_pods
        .map(|service| LeftOut { name: service.name.clone(), namespace: service.namespace.clone() })
        .collect()
}

/// Whether `name` (or `name.namespace`, `namespace/name`) means this pod.
fn is_named(draft: &Draft, manifests: &Manifests, name: &str) -> bool {
    let means = |candidate: &str| {
        name == candidate
            || name == format!("{candidate}.{}", draft.namespace)
            || name == format!("{}/{candidate}", draft.namespace)
    };
    let selected_by =
        |service: &Service| means(&service.name) && service.selects(&draft.namespace, &draft.labels);
    means(&draft.workload) || means(&draft.name) || manifests.services.iter().any(selected_by)
}

/// The services whose names stand in the app's environment.
fn called<'a>(draft: &Draft, manifests: &'a Manifests) -> Vec<&'a Service> {
    let mut environment = Environment::default();
    let downward = Downward {
        name: draft.name.clone(),
        namespace: draft.namespace.clone(),
        labels: draft.labels.clone(),
        annotations: draft.annotations.clone(),
        ..Downward::default()
    };
    for container in draft.containers() {
        environment.add_container(container, &manifests.settings, &downward);
    }
    let mut called = BTreeMap::new();
    for (variable, value) in &environment.variables {
        for mention in mention::mentions(variable, value, &draft.namespace, &manifests.services) {
            called.insert(mention.service.host(), mention.service);
        }
    }
    called.into_values().collect()
}

fn known(drafts: &[Draft]) -> String {
    let names: BTreeSet<&str> = drafts.iter().map(|draft| draft.workload.as_str()).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

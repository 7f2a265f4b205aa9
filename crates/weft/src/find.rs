//! What the user means by a WORKLOAD: a Deployment (or its like), a Service, or one pod.

use crate::up::plan::{Plan, Pod};
use crate::up::podless::Podless;
use std::collections::BTreeSet;

/// Why a WORKLOAD means nothing, or too much.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum FindError {
    #[error("no Deployment, Service or pod is called {name:?} in this mesh{hint}")]
    Unknown { name: String, hint: String },
    #[error("{kind} {name}{of} has no pods: {why}")]
    NoPods { kind: String, name: String, of: String, why: String },
    #[error("{name:?} is in several namespaces ({namespaces}): write {name}.NAMESPACE")]
    Ambiguous { name: String, namespaces: String },
}

/// What a name means to those who look at calls.
#[derive(Debug)]
pub(crate) struct Meant<'a> {
    /// None, if nothing runs of it.
    pub(crate) pods: Vec<&'a Pod>,
    /// The services that lead to it, by their names in full.
    pub(crate) services: BTreeSet<String>,
}

/// What `name` means, whether a pod runs of it or not.
pub(crate) fn meant<'a>(plan: &'a Plan, name: &str) -> Result<Meant<'a>, FindError> {
    match pods(plan, name) {
        Ok(pods) => {
            let hosts = pods.iter().flat_map(|pod| {
                pod.services.iter().map(|service| format!("{service}.{}.svc.cluster.local", pod.namespace))
            });
            let services = hosts.collect();
            Ok(Meant { pods, services })
        }
        Err(error @ FindError::NoPods { .. }) => {
            let services: BTreeSet<String> =
                podless(plan, name).flat_map(|podless| podless.hosts.iter().cloned()).collect();
            // Nobody calls it, and it calls nobody.
            if services.is_empty() { Err(error) } else { Ok(Meant { pods: Vec::new(), services }) }
        }
        Err(error) => Err(error),
    }
}

/// The pods that `name` means: `cart`, `cart.shop`, `shop/cart`; one pod, all of a workload, all of a service.
pub(crate) fn pods<'a>(plan: &'a Plan, name: &str) -> Result<Vec<&'a Pod>, FindError> {
    let by = |of: &dyn Fn(&Pod, &str) -> bool| -> Vec<&'a Pod> {
        plan.pods
            .iter()
            .filter(|pod| spellings(&pod.namespace, name).into_iter().flatten().any(|name| of(pod, name)))
            .collect()
    };
    let found = [
        by(&|pod, name| pod.name == name),
        by(&|pod, name| pod.place == name),
        by(&|pod, name| pod.workload == name),
        by(&|pod, name| pod.services.iter().any(|service| service == name)),
    ];
    let found = found.into_iter().find(|pods| !pods.is_empty()).ok_or_else(|| without_pods(plan, name))?;
    match ambiguous(name, found.iter().map(|pod| pod.namespace.as_str())) {
        Some(error) => Err(error),
        None => Ok(found),
    }
}

fn ambiguous<'a>(name: &str, namespaces: impl Iterator<Item = &'a str>) -> Option<FindError> {
    let namespaces: BTreeSet<&str> = namespaces.collect();
    (namespaces.len() > 1).then(|| FindError::Ambiguous {
        name: name.to_owned(),
        namespaces: namespaces.into_iter().collect::<Vec<_>>().join(", "),
    })
}

/// What the files call `name` though no pod answers to it.
fn podless<'a>(plan: &'a Plan, name: &str) -> impl Iterator<Item = &'a Podless> {
    plan.podless
        .iter()
        .filter(move |of| spellings(&of.namespace, name).into_iter().flatten().any(|name| of.name == name))
}

fn without_pods(plan: &Plan, name: &str) -> FindError {
    let Some(first) = podless(plan, name).next() else { return unknown(plan, name) };
    ambiguous(name, podless(plan, name).map(|of| of.namespace.as_str())).unwrap_or_else(|| {
        let of = match first.namespace.as_str() {
            "" => String::new(),
            namespace => format!(" of namespace {namespace}"),
        };
        FindError::NoPods { kind: first.kind.clone(), name: first.name.clone(), of, why: first.why.clone() }
    })
}

/// The pod of those that `name` means in which something is to run: one that takes requests, where there is one. During a
/// rollout the first may be about to end.
pub(crate) fn one<'a>(plan: &'a Plan, name: &str) -> Result<&'a Pod, FindError> {
    let found = pods(plan, name)?;
    // What was found is never nothing.
    let one = found.iter().find(|pod| pod.ready).or(found.first()).copied();
    one.ok_or_else(|| without_pods(plan, name))
}

/// `name` without the namespace, for each way in which it may name what is in that.
fn spellings<'n>(namespace: &str, name: &'n str) -> [Option<&'n str>; 3] {
    let behind = name.strip_prefix(namespace).and_then(|rest| rest.strip_prefix('/'));
    let before = name.strip_suffix(namespace).and_then(|rest| rest.strip_suffix('.'));
    [Some(name), behind, before]
}

fn unknown(plan: &Plan, name: &str) -> FindError {
    let known: BTreeSet<&str> = plan.pods.iter().map(|pod| pod.workload.as_str()).collect();
    let podless = plan.podless.iter().map(|of| of.name.as_str());
    let near: BTreeSet<&str> =
        known.iter().copied().chain(podless).filter(|known| is_near(known, name)).collect();
    let hint = if near.is_empty() {
        format!("; there are {}", known.into_iter().collect::<Vec<_>>().join(", "))
    } else {
        format!("; did you mean {}?", near.into_iter().collect::<Vec<_>>().join(" or "))
    };
    FindError::Unknown { name: name.to_owned(), hint }
}

/// Shares a part, or differs in a letter or two.
fn is_near(known: &str, name: &str) -> bool {
    (name.len() > 2 && (known.contains(name) || name.contains(known)))
        || strsim::damerau_levenshtein(known, name) <= 2
}

#[cfg(test)]
mod tests;

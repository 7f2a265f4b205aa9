//! What the user means by a WORKLOAD: a Deployment (or its like), a Service, or one pod.

use crate::up::plan::{Plan, Pod};
use std::collections::BTreeSet;

/// Why a WORKLOAD means nothing, or too much.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum FindError {
    #[error("no Deployment, Service or pod is called {name:?} in this mesh{hint}")]
    Unknown { name: String, hint: String },
    #[error("{name:?} is in several namespaces ({namespaces}): write {name}.NAMESPACE")]
    Ambiguous { name: String, namespaces: String },
}

/// The pods that `name` means: `cart`, `cart.shop`, `shop/cart`; one pod, all of a workload, all of a service.
pub(crate) fn pods<'a>(plan: &'a Plan, name: &str) -> Result<Vec<&'a Pod>, FindError> {
    let by = |of: &dyn Fn(&Pod, &str) -> bool| -> Vec<&'a Pod> {
        plan.pods
            .iter()
            .filter(|pod| spellings(pod, name).into_iter().flatten().any(|name| of(pod, name)))
            .collect()
    };
    let found = [
        by(&|pod, name| pod.name == name),
        by(&|pod, name| pod.place == name),
        by(&|pod, name| pod.workload == name),
        by(&|pod, name| pod.services.iter().any(|service| service == name)),
    ];
    let found = found.into_iter().find(|pods| !pods.is_empty()).ok_or_else(|| unknown(plan, name))?;
    let namespaces: BTreeSet<&str> = found.iter().map(|pod| pod.namespace.as_str()).collect();
    if namespaces.len() > 1 {
        let namespaces = namespaces.into_iter().collect::<Vec<_>>().join(", ");
        return Err(FindError::Ambiguous { name: name.to_owned(), namespaces });
    }
    Ok(found)
}

/// The pod of those that `name` means in which something is to run: one that takes requests, where there is one. During a
/// rollout the first may be about to end.
pub(crate) fn one<'a>(plan: &'a Plan, name: &str) -> Result<&'a Pod, FindError> {
    let found = pods(plan, name)?;
    // What was found is never nothing.
    let one = found.iter().find(|pod| pod.ready).or(found.first()).copied();
    one.ok_or_else(|| unknown(plan, name))
}

/// `name` without the namespace, for each way in which it may name this pod's.
fn spellings<'n>(pod: &Pod, name: &'n str) -> [Option<&'n str>; 3] {
    let namespace = pod.namespace.as_str();
    let behind = name.strip_prefix(namespace).and_then(|rest| rest.strip_prefix('/'));
    let before = name.strip_suffix(namespace).and_then(|rest| rest.strip_suffix('.'));
    [Some(name), behind, before]
}

fn unknown(plan: &Plan, name: &str) -> FindError {
    let known: BTreeSet<&str> = plan.pods.iter().map(|pod| pod.workload.as_str()).collect();
    let near: Vec<&str> = known.iter().copied().filter(|known| is_near(known, name)).collect();
    let hint = if near.is_empty() {
        format!("; there are {}", known.into_iter().collect::<Vec<_>>().join(", "))
    } else {
        format!("; did you mean {}?", near.join(" or "))
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

//! What the mesh knows about a name that nobody answers for, and a sidecar does not. Pure.

use crate::up::plan::{Plan, Pod};
use http::StatusCode;
use std::collections::BTreeSet;

/// What may help whoever asked for `host` from `pod` and got `status`; `None` of it: no answer, for there is no such name.
pub(super) fn of(plan: &Plan, pod: &Pod, host: &str, status: Option<StatusCode>) -> Option<String> {
    if status.is_some_and(|status| !status.is_server_error()) {
        return None;
    }
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    if let Some(service) =
        plan.left_out.iter().find(|service| means(&host, &service.name, &service.namespace, &pod.namespace))
    {
        let of = &service.namespace;
        return Some(format!(
            "{} of namespace {of} is in the files, and --only leaves it out: name it there too",
            service.name
        ));
    }
    let mut known = plan.pods.iter().filter(|of| of.services.contains(&host)).peekable();
    known.peek()?;
    let namespaces: BTreeSet<&str> = known.map(|of| of.namespace.as_str()).collect();
    if namespaces.contains(pod.namespace.as_str()) {
        return None;
    }
    let there: Vec<String> = namespaces.into_iter().map(|namespace| format!("{host}.{namespace}")).collect();
    Some(format!("namespace {} has no service {host}; did you mean {}?", pod.namespace, there.join(" or ")))
}

/// What may help whoever speaks TLS with `host`, which does not.
pub(super) fn of_no_tls(plan: &Plan, pod: &Pod, host: &str) -> Option<String> {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let is_it =
        |of: &&Pod| of.services.iter().any(|service| means(&name, service, &of.namespace, &pod.namespace));
    plan.pods.iter().find(is_it).map(|_| {
        format!("{host} is a service of the mesh: write http://, and sidecars encrypt what is between them")
    })
}

/// Whether `host`, as it is written in the namespace `here`, is this service.
fn means(host: &str, name: &str, namespace: &str, here: &str) -> bool {
    let rest = host.strip_prefix(name).map(|rest| rest.strip_prefix('.').unwrap_or(rest));
    match rest {
        Some("") => host == name && namespace == here,
        Some(rest) => rest
            .strip_prefix(namespace)
            .is_some_and(|rest| ["", ".svc", ".svc.cluster.local"].contains(&rest)),
        None => false,
    }
}

#[cfg(test)]
mod tests;

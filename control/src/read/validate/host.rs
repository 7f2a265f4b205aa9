//! Host names, with Istio's wildcards.

use crate::read::finding::Findings;
use crate::read::node::short;
use crate::read::path::Path;

/// A name without wildcard: `reviews`, `reviews.prod.svc.cluster.local`.
pub(super) fn fqdn(host: &str) -> Result<(), String> {
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() <= 255 && name.split('.').all(is_label) {
        return Ok(());
    }
    let why = if host.is_empty() {
        "a host is missing".to_owned()
    } else if host.contains("://") {
        format!("{} is a URL; a host has no scheme", short(host))
    } else if host.contains(':') {
        format!("{} has a port; a host has none", short(host))
    } else if host.contains('/') {
        format!("{} has a slash; a host has none", short(host))
    } else {
        format!("{} is not a host name", short(host))
    };
    Err(why)
}

/// A name, `*.` before a name, or `*`.
pub(super) fn wildcard(host: &str) -> Result<(), String> {
    if host == "*" {
        return Ok(());
    }
    match host.strip_prefix("*.") {
        Some(rest) => fqdn(rest).map_err(|_| format!("{} is not a host name after its *.", short(host))),
        None if host.contains('*') => {
            Err(format!("{}: a wildcard is a whole label at the beginning (*.example.com)", short(host)))
        }
        None => fqdn(host),
    }
}

/// `namespace/host` or `host`, with `*`, `.` and `~` for the namespace.
pub(super) fn in_namespace(text: &str) -> Result<(), String> {
    match text.split_once('/') {
        Some((namespace, host)) => {
            if !matches!(namespace, "*" | "." | "~") {
                super::names::label(namespace)?;
            }
            wildcard(host)
        }
        None => wildcard(text),
    }
}

/// Where a resource is seen: namespaces, `*`, `.`, `~`.
pub(super) fn export_to(list: &[String], at: &Path<'_>, into: &mut Findings) {
    for (index, namespace) in list.iter().enumerate() {
        if !matches!(namespace.as_str(), "*" | "." | "~")
            && let Err(why) = super::names::label(namespace)
        {
            into.error(&at.index(index), why);
            into.hint("or * for all namespaces, . for this one, ~ for none");
        }
    }
    if list.len() > 1 && list.iter().any(|namespace| namespace == "*" || namespace == "~") {
        into.error(at, "* and ~ stand alone");
    }
}

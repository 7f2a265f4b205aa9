//! Host names as resources write them: short within a namespace, full, or with a wildcard in front.

/// The cluster's DNS domain.
pub const DOMAIN: &str = "cluster.local";

/// The full name that `host` means in `namespace`: a name without a dot is a Kubernetes Service of that namespace.
pub fn full(host: &str, namespace: &str) -> String {
    let host = host.to_ascii_lowercase();
    if host.contains('.') || host == "*" || host.is_empty() { host } else { kubernetes(&host, namespace) }
}

/// A Kubernetes Service's full name.
pub fn kubernetes(name: &str, namespace: &str) -> String {
    format!("{name}.{namespace}.svc.{DOMAIN}")
}

/// Whether `pattern` (a name, `*.suffix` or `*`) holds for `host`, which may be a pattern itself: then for all it holds for.
pub fn covers(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        None => pattern == host,
        Some(suffix) => match host.strip_prefix('*') {
            Some(of_host) => of_host.ends_with(suffix),
            None => host.len() > suffix.len() && host.ends_with(suffix),
        },
    }
}

/// Whether some host meets both patterns.
pub fn overlap(a: &str, b: &str) -> bool {
    covers(a, b) || covers(b, a)
}

/// The more specific a pattern, the greater: names before wildcards, longer suffixes before shorter ones.
pub fn specificity(pattern: &str) -> (bool, usize) {
    (!pattern.starts_with('*'), pattern.len())
}

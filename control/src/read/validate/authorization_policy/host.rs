//! Hosts that a caller gets around by writing a port behind them: `:authority` is compared as it was sent.

use crate::read::finding::Findings;
use crate::read::path::Path;
use crate::resources::authorization_policy::{Action, Rule};

/// Warns of hosts that would have to match with any port for the rule to hold: those that a rule stops, and those that
/// are kept from a rule that lets in. Elsewhere a port behind the host lets nobody do more.
pub(super) fn bypassed(action: Action, rule: &Rule, at: &Path<'_>, into: &mut Findings) {
    let consequence = match action {
        Action::Allow => "the rule lets it in",
        Action::Deny => "it is not denied",
        Action::Custom => "nobody is asked about it",
        Action::Audit => "it is not logged",
    };
    for (index, to) in rule.to.iter().enumerate() {
        let Some(operation) = &to.operation else { continue };
        let (field, hosts) = match action {
            Action::Allow => ("notHosts", &operation.not_hosts),
            Action::Deny | Action::Custom | Action::Audit => ("hosts", &operation.hosts),
        };
        let at = at.key("to");
        let at = at.index(index);
        let at = at.key("operation");
        let at = at.key(field);
        for (index, host) in hosts.iter().enumerate() {
            let Some(way_out) = without_port(host, hosts) else { continue };
            let asked = host.replacen('*', "any", 1);
            into.warning(
                &at.index(index),
                format!(
                    "a request for {asked:?} with a port ({asked}:80) is for another host: {consequence}"
                ),
            );
            into.hint(way_out);
        }
    }
}

/// What to write beside a host that stands there without its ports; `None` where it needs nothing.
fn without_port(host: &str, beside: &[String]) -> Option<String> {
    let has_port = host.contains(':') && !host.ends_with(']');
    if host.is_empty() || host.ends_with('*') || has_port {
        return None;
    }
    let with_port = format!("{host}:").to_ascii_lowercase();
    let covered = |other: &String| {
        let other = other.to_ascii_lowercase();
        let by_prefix = other.strip_suffix('*').is_some_and(|start| with_port.starts_with(start));
        by_prefix || (host.starts_with('*') && other.starts_with(&with_port))
    };
    if beside.iter().any(covered) {
        return None;
    }
    Some(match host.strip_prefix('*') {
        // A value has one star.
        Some(rest) => format!("add each port that callers may write: \"*{rest}:80\""),
        None => format!("add \"{host}:*\" beside it"),
    })
}

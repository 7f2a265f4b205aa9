//! The values that a rule matches: exact, `prefix*`, `*suffix`, or `*` for anything that is there.

use crate::read::finding::Findings;
use crate::read::path::Path;
use crate::read::validate::names;

/// Checks one value.
pub(super) type Check = fn(&str, &Path<'_>, &mut Findings);

/// Checks all values of a list.
pub(super) fn each(values: &[String], at: &Path<'_>, into: &mut Findings, check: Check) {
    for (index, value) in values.iter().enumerate() {
        let at = at.index(index);
        if value.is_empty() {
            into.error(&at, "an empty value");
        } else {
            check(value, &at, into);
        }
    }
}

/// Any string; a star stands at one of its ends.
pub(super) fn wildcard(text: &str, at: &Path<'_>, into: &mut Findings) {
    if has_inner_star(text) {
        into.warning(at, format!("the * inside {text:?} is a star and no wildcard: it matches nothing else"));
        into.hint("a wildcard stands at one end: prefix*, *suffix");
    }
}

/// A SPIFFE identity without its scheme: `cluster.local/ns/NAMESPACE/sa/ACCOUNT`.
pub(super) fn principal(text: &str, at: &Path<'_>, into: &mut Findings) {
    wildcard(text, at, into);
    if let Some(rest) = text.strip_prefix("spiffe://") {
        into.warning(at, "principals are written without spiffe://, so this never matches");
        into.hint(format!("write {rest}"));
        return;
    }
    if text.contains('*') {
        return;
    }
    let parts: Vec<&str> = text.split('/').collect();
    let is_workload = matches!(parts.as_slice(), [domain, "ns", _, "sa", _] if !domain.is_empty());
    if !is_workload {
        into.warning(
            at,
            format!("{text:?} is not TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT: no workload of the mesh is this"),
        );
        if let ["ns", _, "sa", _] = parts.as_slice() {
            into.hint(format!("write cluster.local/{text}"));
        }
    }
}

/// `ISSUER/SUBJECT` of a token.
pub(super) fn request_principal(text: &str, at: &Path<'_>, into: &mut Findings) {
    wildcard(text, at, into);
    if !text.contains('/') && !text.contains('*') {
        into.warning(at, format!("{text:?} is not ISSUER/SUBJECT, so this never matches"));
    }
}

/// `ACCOUNT` of the policy's namespace, or `NAMESPACE/ACCOUNT`.
pub(super) fn service_account(text: &str, at: &Path<'_>, into: &mut Findings) {
    let parts: Vec<&str> = text.split('/').collect();
    let is_good = match parts.as_slice() {
        [account] => names::subdomain(account).is_ok(),
        [namespace, account] => names::label(namespace).is_ok() && names::subdomain(account).is_ok(),
        _ => false,
    };
    if !is_good {
        into.error(
            at,
            format!("{text:?} is neither ACCOUNT nor NAMESPACE/ACCOUNT; wildcards are not for this"),
        );
    }
}

/// A port.
pub(super) fn port(text: &str, at: &Path<'_>, into: &mut Findings) {
    if !text.parse::<u16>().is_ok_and(|port| port > 0) {
        into.error(at, format!("{text:?} is not a port: 1 to 65535"));
    }
}

/// A method, which is matched with its case.
pub(super) fn method(text: &str, at: &Path<'_>, into: &mut Findings) {
    wildcard(text, at, into);
    if text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        into.warning(
            at,
            format!("methods are matched with their case: {text:?} is not {:?}", text.to_ascii_uppercase()),
        );
    }
}

/// A path, with Istio's templates `{*}` and `{**}`.
pub(super) fn path(text: &str, at: &Path<'_>, into: &mut Findings) {
    if text.contains('{') {
        template(text, at, into);
        return;
    }
    wildcard(text, at, into);
    if !text.starts_with(['/', '*']) {
        into.warning(at, format!("no path begins with {text:?}: paths begin with /"));
    }
    if text.contains(['?', '#']) {
        into.warning(at, "paths are matched without their query, so this never matches");
    }
}

/// Whole segments are `{*}` (one) or `{**}` (any number, the last), and nothing else has stars or braces.
fn template(text: &str, at: &Path<'_>, into: &mut Findings) {
    let Some(rest) = text.strip_prefix('/') else {
        into.error(at, format!("{text:?}: a path template begins with /"));
        return;
    };
    let segments: Vec<&str> = rest.split('/').collect();
    let mut after_rest = false;
    for segment in segments {
        match segment {
            "{*}" if after_rest => {
                into.error(at, format!("{text:?}: {{*}} cannot follow {{**}}"));
                return;
            }
            "{**}" if after_rest => {
                into.error(at, format!("{text:?}: {{**}} stands once"));
                return;
            }
            "{*}" => {}
            "{**}" => after_rest = true,
            literal if literal.contains(['{', '}', '*']) => {
                into.error(at, format!("{text:?}: a segment is {{*}}, {{**}} or plain, not {literal:?}"));
                return;
            }
            _ => {}
        }
    }
}

fn has_inner_star(text: &str) -> bool {
    let inner = text.strip_prefix('*').unwrap_or(text);
    let both_ends = inner.len() < text.len() && inner.ends_with('*');
    both_ends && text.len() > 1 || inner.strip_suffix('*').unwrap_or(inner).contains('*')
}

//! What is done: operations, and conditions on the connection's destination.

use weft_model::matcher::StringMatcher;
use weft_model::rbac::Permission;

use super::rule::{Scope, Unsaid};
use super::text;
use crate::resources::authorization_policy::Operation;

/// An attribute of what is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permit<'a> {
    /// The Host header.
    Host,
    /// The method.
    Method,
    /// The path without its query.
    Path,
    /// The destination's port.
    Port,
    /// The destination's address.
    DestinationIp,
    /// The TLS server name.
    Sni,
    /// What a filter noted, by filter and key.
    Filter(&'a str, &'a str),
}

/// All that an operation asks for.
pub(super) fn of(operation: &Operation, scope: &Scope<'_>) -> Result<Vec<Permission>, Unsaid> {
    let fields = [
        (Permit::Host, &operation.hosts, &operation.not_hosts),
        (Permit::Method, &operation.methods, &operation.not_methods),
        (Permit::Path, &operation.paths, &operation.not_paths),
        (Permit::Port, &operation.ports, &operation.not_ports),
    ];
    let mut all = Vec::new();
    for (permit, values, not_values) in fields {
        all.extend(parts(&permit, values, not_values, scope)?);
    }
    Ok(all)
}

/// Any of the values, and none of the others.
pub(super) fn parts(
    permit: &Permit<'_>,
    values: &[String],
    not_values: &[String],
    scope: &Scope<'_>,
) -> Result<Vec<Permission>, Unsaid> {
    let mut all = Vec::new();
    for (values, wanted) in [(values, true), (not_values, false)] {
        if values.is_empty() {
            continue;
        }
        match any(permit, values, scope) {
            Ok(any) if wanted => all.push(any),
            Ok(any) => all.push(Permission::Not(Box::new(any))),
            Err(unsaid) => scope.leave(unsaid)?,
        }
    }
    Ok(all)
}

/// Any of the values.
pub(super) fn any(permit: &Permit<'_>, values: &[String], scope: &Scope<'_>) -> Result<Permission, Unsaid> {
    if let Permit::Filter(filter, key) = permit {
        return Ok(Permission::Metadata(text::of_filter(filter, key, values)));
    }
    values.iter().map(|value| one(permit, value, scope)).collect::<Result<_, _>>().map(Permission::Or)
}

fn one(permit: &Permit<'_>, value: &str, scope: &Scope<'_>) -> Result<Permission, Unsaid> {
    Ok(match permit {
        Permit::Host => {
            scope.http("hosts")?;
            Permission::Header(text::host(value))
        }
        Permit::Method => {
            scope.http("methods")?;
            Permission::Header(text::header(":method", value))
        }
        Permit::Path => {
            scope.http("paths")?;
            path(value)
        }
        Permit::Port => {
            let port = value.parse().map_err(|_| Unsaid::Malformed(format!("{value:?} is no port")))?;
            Permission::DestinationPort(port)
        }
        Permit::DestinationIp => Permission::DestinationIp(super::principal::network(value)?),
        Permit::Sni => Permission::RequestedServerName(text::wildcard(value, "")),
        Permit::Filter(..) => {
            return Err(Unsaid::Malformed("a filter's values are taken together".to_owned()));
        }
    })
}

/// A path, or a template where it has `{*}` or `{**}`.
fn path(value: &str) -> Permission {
    if value.contains("{*}") || value.contains("{**}") {
        Permission::UriTemplate(value.replace("{*}", "*").replace("{**}", "**"))
    } else {
        let matcher: StringMatcher = text::wildcard(value, "");
        Permission::UrlPath(matcher)
    }
}

//! One rule: `from`, `to` and `when` as permissions and principals.
//!
//! RBAC asks for any of the permissions and any of the principals, so that each entry of `to` becomes a permission, each
//! of `from` a principal, and each condition of `when` a part of all of the one or all of the other.

use weft_model::rbac::{Action, Permission, Policy, Principal};

use super::permission::Permit;
use super::principal::Identify;
use super::trust::Trust;
use super::{Layer, permission, principal};
use crate::resources::authorization_policy::{Condition, Operation, Rule, Source};

/// For which filter a rule is translated.
pub(super) struct Scope<'a> {
    pub(super) action: Action,
    pub(super) layer: Layer,
    /// The policy's own.
    pub(super) namespace: &'a str,
    pub(super) trust: &'a Trust<'a>,
}

/// Why a condition cannot be said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unsaid {
    /// The layer has no requests.
    #[error("{0} is a matter of HTTP requests")]
    HttpOnly(&'static str),
    /// Nobody knows the attribute.
    #[error("{0:?} is no attribute")]
    Unknown(String),
    /// The attribute is known, its key or value is not of its form.
    #[error("{0}")]
    Malformed(String),
}

/// What a condition asks for: who, or what.
pub(super) enum Attribute<'a> {
    Who(Identify<'a>),
    What(Permit<'a>),
}

/// The rule as a policy.
///
/// # Errors
/// If it must not match, since it cannot be said: in an ALLOW policy.
pub(super) fn policy(rule: &Rule, scope: &Scope<'_>) -> Result<Policy, Unsaid> {
    let (mut who, mut what) = (Vec::new(), Vec::new());
    for condition in &rule.when {
        let (values, not_values) = (&condition.values, &condition.not_values);
        match attribute(condition) {
            Ok(Attribute::Who(identify)) => {
                who.extend(principal::parts(&identify, values, not_values, scope)?)
            }
            Ok(Attribute::What(permit)) => {
                what.extend(permission::parts(&permit, values, not_values, scope)?)
            }
            Err(unsaid) => scope.leave(unsaid)?,
        }
    }
    let nobody_named = Source::default();
    let mut sources: Vec<&Source> =
        rule.from.iter().map(|from| from.source.as_ref().unwrap_or(&nobody_named)).collect();
    if sources.is_empty() {
        sources.push(&nobody_named);
    }
    let nothing_named = Operation::default();
    let mut operations: Vec<&Operation> =
        rule.to.iter().map(|to| to.operation.as_ref().unwrap_or(&nothing_named)).collect();
    if operations.is_empty() {
        operations.push(&nothing_named);
    }
    let mut policy = Policy::default();
    for operation in operations {
        let mut all = permission::of(operation, scope)?;
        all.extend(what.iter().cloned());
        if all.is_empty() {
            all.push(Permission::Any);
        }
        policy.permissions.push(Permission::And(all));
    }
    for source in sources {
        let mut all = principal::of(source, scope)?;
        all.extend(who.iter().cloned());
        if all.is_empty() {
            all.push(Principal::Any);
        }
        policy.principals.push(Principal::And(all));
    }
    Ok(policy)
}

impl Scope<'_> {
    /// Leaves out what cannot be said: then a rule holds for more, which only an ALLOW must not.
    pub(super) fn leave(&self, unsaid: Unsaid) -> Result<(), Unsaid> {
        if self.action == Action::Allow { Err(unsaid) } else { Ok(()) }
    }

    /// What is known of requests alone.
    pub(super) fn http(&self, what: &'static str) -> Result<(), Unsaid> {
        if self.layer == Layer::Http { Ok(()) } else { Err(Unsaid::HttpOnly(what)) }
    }
}

/// What the key of a condition means.
///
/// # Errors
/// If it means nothing, or nothing is asked of it.
pub(super) fn attribute(condition: &Condition) -> Result<Attribute<'_>, Unsaid> {
    use Attribute::{What, Who};
    let key = condition.key.as_str();
    if condition.values.is_empty() && condition.not_values.is_empty() {
        return Err(Unsaid::Malformed(format!("{key} is asked for no value")));
    }
    Ok(match key {
        "source.ip" => Who(Identify::SourceIp),
        "remote.ip" => Who(Identify::RemoteIp),
        "source.namespace" => Who(Identify::Namespace),
        "source.principal" => Who(Identify::Principal),
        "source.serviceAccount" => Who(Identify::ServiceAccount),
        "source.trustDomain" => Who(Identify::TrustDomain),
        "request.auth.principal" => Who(Identify::RequestPrincipal),
        "request.auth.audiences" => Who(Identify::Claim("request.auth.audiences", vec!["aud".to_owned()])),
        "request.auth.presenter" => Who(Identify::Claim("request.auth.presenter", vec!["azp".to_owned()])),
        "destination.ip" => What(Permit::DestinationIp),
        "destination.port" => What(Permit::Port),
        "connection.sni" => What(Permit::Sni),
        _ => bracketed(key)?,
    })
}

/// Attributes with a name in brackets.
fn bracketed(key: &str) -> Result<Attribute<'_>, Unsaid> {
    let malformed = |form: &str| Unsaid::Malformed(format!("{key:?} is not of the form {form}"));
    if let Some(rest) = key.strip_prefix("request.headers") {
        let name = inside(rest).ok_or_else(|| malformed("request.headers[NAME]"))?;
        return Ok(Attribute::Who(Identify::Header(name)));
    }
    if let Some(rest) = key.strip_prefix("request.auth.claims") {
        let inner = inside(rest).ok_or_else(|| malformed("request.auth.claims[NAME]"))?;
        let names: Vec<String> = inner.split("][").map(str::to_owned).collect();
        if names.iter().any(|name| name.is_empty() || name.contains(['[', ']'])) {
            return Err(malformed("request.auth.claims[NAME][NAME]"));
        }
        return Ok(Attribute::Who(Identify::Claim("request.auth.claims", names)));
    }
    if key.starts_with("experimental.envoy.filters.") {
        let named = key.strip_prefix("experimental.").and_then(|rest| rest.split_once('['));
        let (filter, name) = named.ok_or_else(|| malformed("experimental.envoy.filters.FILTER[KEY]"))?;
        return Ok(Attribute::What(Permit::Filter(filter, name.strip_suffix(']').unwrap_or(name))));
    }
    Err(Unsaid::Unknown(key.to_owned()))
}

/// What stands in brackets.
fn inside(text: &str) -> Option<&str> {
    text.strip_prefix('[')?.strip_suffix(']').filter(|inside| !inside.is_empty())
}

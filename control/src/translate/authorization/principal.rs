//! Who does it: sources, and conditions on the caller and its token.

use std::net::IpAddr;

use ipnet::IpNet;
use weft_model::matcher::{Pattern, StringMatcher};
use weft_model::rbac::Principal;

use super::rule::{Scope, Unsaid};
use super::text;
use crate::resources::authorization_policy::Source;

/// An attribute of who does it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Identify<'a> {
    /// The caller's identity without `spiffe://`.
    Principal,
    /// `ISSUER/SUBJECT` of its token.
    RequestPrincipal,
    /// Its account: `ACCOUNT` of the policy's namespace, or `NAMESPACE/ACCOUNT`.
    ServiceAccount,
    /// Its namespace.
    Namespace,
    /// Its trust domain.
    TrustDomain,
    /// The client's address, by x-forwarded-for where that is trusted.
    RemoteIp,
    /// The address of the connection's other end.
    SourceIp,
    /// A request header.
    Header(&'a str),
    /// A claim of its token: the attribute, and the path of names.
    Claim(&'static str, Vec<String>),
}

/// All that a source asks for.
pub(super) fn of(source: &Source, scope: &Scope<'_>) -> Result<Vec<Principal>, Unsaid> {
    let fields = [
        (Identify::Principal, &source.principals, &source.not_principals),
        (Identify::RequestPrincipal, &source.request_principals, &source.not_request_principals),
        (Identify::ServiceAccount, &source.service_accounts, &source.not_service_accounts),
        (Identify::Namespace, &source.namespaces, &source.not_namespaces),
        (Identify::RemoteIp, &source.remote_ip_blocks, &source.not_remote_ip_blocks),
        (Identify::SourceIp, &source.ip_blocks, &source.not_ip_blocks),
    ];
    let mut all = Vec::new();
    for (identify, values, not_values) in fields {
        all.extend(parts(&identify, values, not_values, scope)?);
    }
    Ok(all)
}

/// Any of the values, and none of the others.
pub(super) fn parts(
    identify: &Identify<'_>,
    values: &[String],
    not_values: &[String],
    scope: &Scope<'_>,
) -> Result<Vec<Principal>, Unsaid> {
    let mut all = Vec::new();
    for (values, wanted) in [(values, true), (not_values, false)] {
        if values.is_empty() {
            continue;
        }
        match any(identify, values, scope) {
            Ok(any) if wanted => all.push(any),
            Ok(any) => all.push(Principal::Not(Box::new(any))),
            Err(unsaid) => scope.leave(unsaid)?,
        }
    }
    Ok(all)
}

/// Any of the values.
pub(super) fn any(
    identify: &Identify<'_>,
    values: &[String],
    scope: &Scope<'_>,
) -> Result<Principal, Unsaid> {
    match identify {
        Identify::RequestPrincipal => {
            scope.http("requestPrincipals")?;
            let mut any: Vec<Principal> = values.iter().map(|value| of_token(value)).collect();
            Ok(if any.len() == 1 { any.swap_remove(0) } else { Principal::Or(any) })
        }
        Identify::Claim(attribute, names) => {
            scope.http(attribute)?;
            Ok(Principal::Metadata(text::listed_claim(names.clone(), values)))
        }
        _ => {
            let mut any = Vec::new();
            for value in values {
                each(identify, value, scope, &mut any)?;
            }
            Ok(Principal::Or(any))
        }
    }
}

/// One value; it may stand for several principals.
fn each(
    identify: &Identify<'_>,
    value: &str,
    scope: &Scope<'_>,
    into: &mut Vec<Principal>,
) -> Result<(), Unsaid> {
    let authenticated = |matcher: StringMatcher| Principal::Authenticated(Some(matcher));
    match identify {
        Identify::Principal => {
            let principals = scope.trust.principals(value);
            into.extend(principals.iter().map(|of| authenticated(text::wildcard(of, "spiffe://"))));
        }
        Identify::TrustDomain => {
            into.extend(scope.trust.expand(value).iter().map(|of| authenticated(trust_domain(of))));
        }
        Identify::Namespace => {
            into.push(authenticated(Pattern::Regex(format!(".*/ns/{}/.*", segment(value))).into()));
        }
        Identify::ServiceAccount => into.push(authenticated(account(value, scope.namespace))),
        Identify::RemoteIp => into.push(Principal::RemoteIp(network(value)?)),
        Identify::SourceIp => into.push(Principal::DirectRemoteIp(network(value)?)),
        Identify::Header(name) => {
            scope.http("request.headers")?;
            into.push(Principal::Header(text::header(name, value)));
        }
        Identify::RequestPrincipal | Identify::Claim(..) => into.push(of_token(value)),
    }
    Ok(())
}

/// A part of an identity between two slashes. A star stands for no slash: else `*a` would hold for every namespace,
/// since what follows one is `/sa/`.
fn segment(value: &str) -> String {
    value.split('*').map(text::literal).collect::<Vec<_>>().join("[^/]*")
}

/// An account in a namespace, of any trust domain.
fn account(value: &str, own_namespace: &str) -> StringMatcher {
    let (namespace, account) = value.split_once('/').unwrap_or((own_namespace, value));
    let (namespace, account) = (text::literal(namespace), text::literal(account));
    Pattern::Regex(format!("spiffe://.+/ns/{namespace}/(.+/|)sa/{account}(/.+)?")).into()
}

fn trust_domain(value: &str) -> StringMatcher {
    if value.contains('*') {
        Pattern::Regex(format!(
            "spiffe://{}/.*",
            if value == "*" { "[^/]+".to_owned() } else { segment(value) }
        ))
        .into()
    } else {
        Pattern::Prefix(format!("spiffe://{value}/")).into()
    }
}

/// Istio's reading of `ISSUER/SUBJECT`: it is cut at the last slash, so that a subject never has one, and a star counts
/// at one end of the whole value alone.
fn of_token(value: &str) -> Principal {
    let (issuer, subject) = match (token_parts(value), value.strip_prefix('*'), value.strip_suffix('*')) {
        (_, Some(""), _) => (text::anything(), text::anything()),
        ((Some("*"), subject), Some(_), _) => (text::anything(), StringMatcher::exact(subject)),
        ((Some(issuer), subject), Some(_), _) => {
            (Pattern::Suffix(issuer[1..].to_owned()).into(), StringMatcher::exact(subject))
        }
        ((None, _), Some(suffix), _) => (text::anything(), Pattern::Suffix(suffix.to_owned()).into()),
        ((Some(issuer), "*"), _, _) => (StringMatcher::exact(issuer), text::anything()),
        ((Some(issuer), subject), _, Some(_)) => {
            let start = subject[..subject.len() - 1].to_owned();
            (StringMatcher::exact(issuer), Pattern::Prefix(start).into())
        }
        ((None, _), _, Some(start)) => (Pattern::Prefix(start.to_owned()).into(), text::anything()),
        ((Some(issuer), subject), None, None) => {
            (StringMatcher::exact(issuer), StringMatcher::exact(subject))
        }
        ((None, issuer), None, None) => (StringMatcher::exact(issuer), StringMatcher::exact("")),
    };
    Principal::And(vec![
        Principal::Metadata(text::claim("iss", issuer)),
        Principal::Metadata(text::claim("sub", subject)),
    ])
}

/// Issuer and subject, as Istio cuts them; the whole value without a slash.
pub(super) fn token_parts(value: &str) -> (Option<&str>, &str) {
    match value.rsplit_once('/') {
        Some((issuer, subject)) => (Some(issuer), subject),
        None => (None, value),
    }
}

/// An address or a range of addresses.
pub(super) fn network(value: &str) -> Result<IpNet, Unsaid> {
    let range = value.parse::<IpNet>().ok();
    let range = range.or_else(|| value.parse::<IpAddr>().ok().map(IpNet::from));
    range.ok_or_else(|| Unsaid::Malformed(format!("{value:?} is neither an address nor a range of them")))
}

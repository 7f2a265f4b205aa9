//! Tokens: from RequestAuthentications to the filter that verifies them. A request without a token passes, one with a
//! bad token does not.

use std::collections::BTreeSet;
use std::time::Duration;

use weft_model::http::{JwksSource, JwtAuthn, JwtProvider, JwtRequirement, JwtRule};
use weft_model::route::{PathMatch, RouteMatch};

use super::authorization::{Reach, Target};
use super::names;
use crate::read::{Diagnostic, Severity};
use crate::resources::Object;
use crate::resources::request_authentication::{self as resource, RequestAuthentication};

/// Claims that are lists in one string, whatever a policy says.
const SPACE_DELIMITED: [&str; 2] = ["permission", "scope"];
/// How long keys are awaited, and kept.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
const KEPT: Duration = Duration::from_secs(5 * 60);

/// The cluster of a host and port, if there is one: keys are fetched through it.
pub type ClusterOf<'a> = &'a dyn Fn(&str, u16) -> Option<String>;

/// The policies that are for a workload.
pub fn applying<'a>(
    policies: impl IntoIterator<Item = &'a Object<RequestAuthentication>>,
    target: &Target<'_>,
) -> Vec<&'a Object<RequestAuthentication>> {
    target.choose(policies, |policy| Reach {
        selector: policy.selector.as_ref(),
        references: policy.target_ref.iter().chain(&policy.target_refs).collect(),
    })
}

/// Every issuer that some policy names.
pub fn issuers<'a>(
    policies: impl IntoIterator<Item = &'a Object<RequestAuthentication>>,
) -> BTreeSet<&'a str> {
    policies.into_iter().flat_map(|policy| &policy.spec.jwt_rules).map(|rule| rule.issuer.as_str()).collect()
}

/// The filter that `policies`, which all are for one workload, make; none if they name no issuer.
pub fn filter(policies: &[&Object<RequestAuthentication>], cluster: ClusterOf<'_>) -> Option<JwtAuthn> {
    let mut rules: Vec<&resource::JwtRule> =
        policies.iter().flat_map(|policy| &policy.spec.jwt_rules).collect();
    rules.sort_by_key(|rule| rule.issuer.as_str());
    let numbered = rules.iter().enumerate();
    let mut providers: Vec<JwtProvider> =
        numbered.map(|(index, rule)| provider(format!("origins-{index}"), rule, cluster)).collect();
    let requires = requirement(&providers)?;
    providers.sort_by(|a, b| a.name.cmp(&b.name));
    let every =
        JwtRule { matches: RouteMatch::path(PathMatch::Prefix("/".to_owned())), requires: Some(requires) };
    Some(JwtAuthn { providers, rules: vec![every], bypass_cors_preflight: true })
}

/// A token, wherever some issuer looks for one, must be valid; issuers that look at the same place may share it.
fn requirement(providers: &[JwtProvider]) -> Option<JwtRequirement> {
    let token = |provider: &JwtProvider| JwtRequirement::Provider(provider.name.clone());
    let or_none = |provider| JwtRequirement::Any(vec![token(provider), JwtRequirement::AllowMissing]);
    match providers {
        [] => None,
        [only] => Some(or_none(only)),
        several => {
            let mut any: Vec<JwtRequirement> = several.iter().map(token).collect();
            any.push(JwtRequirement::All(several.iter().map(or_none).collect()));
            Some(JwtRequirement::Any(any))
        }
    }
}

fn provider(name: String, rule: &resource::JwtRule, cluster: ClusterOf<'_>) -> JwtProvider {
    let lists: BTreeSet<&str> =
        rule.space_delimited_claims.iter().map(String::as_str).chain(SPACE_DELIMITED).collect();
    let from_headers = rule.from_headers.iter();
    let to_headers = rule.output_claim_to_headers.iter();
    JwtProvider {
        name,
        issuer: rule.issuer.clone(),
        audiences: rule.audiences.clone(),
        keys: Some(keys(rule, cluster).unwrap_or_else(|_| nowhere(rule))),
        from_headers: from_headers.map(|from| (from.name.clone(), from.prefix.clone())).collect(),
        from_params: rule.from_params.clone(),
        from_cookies: rule.from_cookies.clone(),
        forward: rule.forward_original_token,
        forward_payload_header: rule.output_payload_to_header.clone(),
        payload_in_metadata: "payload".to_owned(),
        space_delimited_claims: lists.into_iter().map(str::to_owned).collect(),
        claim_to_headers: to_headers.map(|to| (to.header.clone(), to.claim.clone())).collect(),
        clock_skew_seconds: 0,
        require_expiration: false,
    }
}

/// Where the keys are; if there are none, no token is valid.
fn keys(rule: &resource::JwtRule, cluster: ClusterOf<'_>) -> Result<JwksSource, String> {
    if !rule.jwks.is_empty() {
        return Ok(JwksSource::Inline(rule.jwks.clone()));
    }
    if rule.jwks_uri.is_empty() {
        return Err("neither jwks nor jwksUri says where the keys are".to_owned());
    }
    let uri = &rule.jwks_uri;
    let (host, port) = host_and_port(uri).ok_or_else(|| format!("{uri:?} is not a URL with a host"))?;
    let cluster = cluster(&host, port).ok_or_else(|| {
        format!("no service is known for {host}:{port}, so that its keys cannot be fetched")
    })?;
    let timeout = rule.timeout.map_or(FETCH_TIMEOUT, |span| span.0);
    Ok(JwksSource::Remote { uri: uri.clone(), cluster, timeout, cache: Some(KEPT) })
}

/// Keys that never come, so that every token is refused. Envoy refuses all of a listener where a provider has none.
fn nowhere(rule: &resource::JwtRule) -> JwksSource {
    let uri = if rule.jwks_uri.is_empty() { "https://nowhere.invalid" } else { &rule.jwks_uri };
    JwksSource::Remote {
        uri: uri.to_owned(),
        cluster: names::BLACK_HOLE.to_owned(),
        timeout: FETCH_TIMEOUT,
        cache: Some(KEPT),
    }
}

fn host_and_port(uri: &str) -> Option<(String, u16)> {
    let (scheme, rest) = uri.split_once("://")?;
    let default = match scheme.to_ascii_lowercase().as_str() {
        "https" => 443,
        "http" => 80,
        _ => return None,
    };
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !authority.ends_with(']') => (host, port.parse().ok()?),
        _ => (authority, default),
    };
    (!host.is_empty()).then(|| (host.to_ascii_lowercase(), port))
}

/// Warnings about one policy: issuers without keys.
#[must_use]
pub fn check(policy: &Object<RequestAuthentication>, cluster: ClusterOf<'_>) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for (index, rule) in policy.spec.jwt_rules.iter().enumerate() {
        let Err(why) = keys(rule, cluster) else { continue };
        warnings.push(Diagnostic {
            severity: Severity::Warning,
            file: policy.source.file.clone(),
            line: policy.source.line,
            column: 1,
            resource: Some(format!("RequestAuthentication {}/{}", policy.meta.namespace, policy.meta.name)),
            path: format!("spec.jwtRules[{index}]"),
            message: format!("{why}: every token of {:?} is refused", rule.issuer),
            hint: Some("write the keys into jwks, or add a ServiceEntry for the host of jwksUri".to_owned()),
        });
    }
    warnings
}

#[cfg(test)]
mod tests;

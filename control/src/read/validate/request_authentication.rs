//! RequestAuthentication.

use crate::read::finding::Findings;
use crate::read::path::Path;
use crate::resources::request_authentication::{JwtRule, RequestAuthentication};

/// Checks a RequestAuthentication.
pub(in crate::read) fn check(policy: &RequestAuthentication, into: &mut Findings) {
    let root = Path::ROOT;
    let spec = root.key("spec");
    super::policy_target::check(
        policy.selector.as_ref(),
        policy.target_ref.as_ref(),
        &policy.target_refs,
        &spec,
        into,
    );
    for (index, item) in policy.jwt_rules.iter().enumerate() {
        rule(item, &spec.key("jwtRules").index(index), into);
    }
}

fn rule(rule: &JwtRule, at: &Path<'_>, into: &mut Findings) {
    if rule.issuer.is_empty() {
        into.error(at, "`issuer` is missing");
    }
    if !rule.jwks.is_empty() && !rule.jwks_uri.is_empty() {
        into.error(at, "only one of jwks and jwksUri can be set");
    }
    if !rule.jwks.is_empty() {
        let keys: Result<serde_json::Value, _> = serde_json::from_str(&rule.jwks);
        let has_keys = keys.is_ok_and(|keys| keys.get("keys").is_some_and(serde_json::Value::is_array));
        if !has_keys {
            into.error(&at.key("jwks"), "not a JSON Web Key Set: {\"keys\": [...]}");
        }
    }
    let is_url = ["https://", "http://"].iter().any(|scheme| {
        rule.jwks_uri.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
    });
    if !rule.jwks_uri.is_empty() && !is_url {
        into.error(&at.key("jwksUri"), format!("{:?} is not an http or https URL", rule.jwks_uri));
    }
    for (name, list) in [
        ("audiences", &rule.audiences),
        ("fromParams", &rule.from_params),
        ("fromCookies", &rule.from_cookies),
        ("spaceDelimitedClaims", &rule.space_delimited_claims),
    ] {
        for (index, value) in list.iter().enumerate() {
            if value.is_empty() {
                into.error(&at.key(name).index(index), "an empty value");
            }
        }
    }
    for (index, header) in rule.from_headers.iter().enumerate() {
        if header.name.is_empty() {
            into.error(&at.key("fromHeaders").index(index), "`name` is missing");
        }
    }
    for (index, copy) in rule.output_claim_to_headers.iter().enumerate() {
        if copy.header.is_empty() || copy.claim.is_empty() {
            into.error(&at.key("outputClaimToHeaders").index(index), "header and claim are both needed");
        }
    }
    super::time::at_least_a_millisecond(rule.timeout, &at.key("timeout"), into);
}

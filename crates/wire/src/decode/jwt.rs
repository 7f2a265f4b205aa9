//! Tokens: `JwtAuthentication`.

use std::collections::HashMap;

use weft_model::http::{JwksSource, JwtAuthn, JwtProvider, JwtRequirement, JwtRule};

use super::DEEPEST;
use super::at::{At, Decoded, unpack};
use super::route::route_match;
use super::value::duration;
use crate::pb::{core, jwt};

pub(super) fn jwt_authn(at: &At<'_>, value: jwt::JwtAuthentication) -> Decoded<JwtAuthn> {
    unpack!(at, value, jwt::JwtAuthentication {
        providers, rules, bypass_cors_preflight, requirement_map
    } else { filter_state_rules, strip_failure_response, stat_prefix });
    let mut decoded = Vec::with_capacity(providers.len());
    for (name, value) in providers {
        decoded.push(provider(&at.key("providers", &name), &name, value)?);
    }
    decoded.sort_by(|a, b| a.name.cmp(&b.name));
    let mut asked = Vec::with_capacity(rules.len());
    for (n, value) in rules.into_iter().enumerate() {
        asked.push(rule(&at.item("rules", n), value, &requirement_map)?);
    }
    Ok(JwtAuthn { providers: decoded, rules: asked, bypass_cors_preflight })
}

fn provider(at: &At<'_>, name: &str, value: jwt::JwtProvider) -> Decoded<JwtProvider> {
    unpack!(at, value, jwt::JwtProvider {
        issuer, audiences, forward, from_headers, from_params, from_cookies, forward_payload_header,
        payload_in_metadata, normalize_payload_in_metadata, clock_skew_seconds, claim_to_headers, require_expiration,
        subjects, jwks_source_specifier
    } else { max_lifetime, pad_forward_payload_header, header_in_metadata, failed_status_in_metadata, jwt_cache_config, clear_route_cache });
    if subjects.is_some() {
        return Err(at.field("subjects").fault("the subjects of tokens are not matched here"));
    }
    let from_headers = from_headers.into_iter().map(|header| (header.name, header.value_prefix));
    let mut to_headers = Vec::with_capacity(claim_to_headers.len());
    for (n, value) in claim_to_headers.into_iter().enumerate() {
        let at = at.item("claim_to_headers", n);
        at.left("claim_path", &value.claim_path);
        to_headers.push((value.header_name, value.claim_name));
    }
    Ok(JwtProvider {
        name: name.to_owned(),
        issuer,
        audiences,
        keys: keys(at, jwks_source_specifier)?,
        from_headers: from_headers.collect(),
        from_params,
        from_cookies,
        forward,
        forward_payload_header,
        payload_in_metadata,
        space_delimited_claims: normalize_payload_in_metadata.unwrap_or_default().space_delimited_claims,
        claim_to_headers: to_headers,
        clock_skew_seconds,
        require_expiration,
    })
}

fn keys(at: &At<'_>, value: Option<jwt::jwt_provider::JwksSourceSpecifier>) -> Decoded<Option<JwksSource>> {
    use jwt::jwt_provider::JwksSourceSpecifier as Is;
    match value {
        None => Ok(None),
        Some(Is::LocalJwks(source)) => match source.specifier {
            Some(core::data_source::Specifier::InlineString(keys)) => Ok(Some(JwksSource::Inline(keys))),
            Some(core::data_source::Specifier::InlineBytes(keys)) => match String::from_utf8(keys) {
                Ok(keys) => Ok(Some(JwksSource::Inline(keys))),
                Err(_) => Err(at.field("local_jwks").fault("it is no UTF-8 text")),
            },
            _ => {
                at.field("local_jwks").note("keys must stand in place: no token of this issuer is valid");
                Ok(None)
            }
        },
        Some(Is::RemoteJwks(value)) => remote(&at.field("remote_jwks"), value).map(Some),
    }
}

fn remote(at: &At<'_>, value: jwt::RemoteJwks) -> Decoded<JwksSource> {
    unpack!(at, value, jwt::RemoteJwks { http_uri, cache_duration } else { async_fetch, retry_policy });
    let here = at.field("http_uri");
    let http_uri = http_uri.ok_or_else(|| here.fault("it is missing"))?;
    let timeout = duration(&here, "timeout", http_uri.timeout)?;
    let Some(core::http_uri::HttpUpstreamType::Cluster(cluster)) = http_uri.http_upstream_type else {
        return Err(here.field("cluster").fault("it is missing"));
    };
    Ok(JwksSource::Remote {
        uri: http_uri.uri,
        cluster,
        timeout: timeout.ok_or_else(|| here.field("timeout").fault("it is missing"))?,
        cache: duration(at, "cache_duration", cache_duration)?,
    })
}

fn rule(
    at: &At<'_>,
    value: jwt::RequirementRule,
    named: &HashMap<String, jwt::JwtRequirement>,
) -> Decoded<JwtRule> {
    use jwt::requirement_rule::RequirementType as Is;
    let matches = value.r#match.ok_or_else(|| at.field("match").fault("it is missing"))?;
    let requires = match value.requirement_type {
        None => None,
        Some(Is::Requires(value)) => Some(requirement(&at.field("requires"), value, DEEPEST)?),
        Some(Is::RequirementName(name)) => match named.get(&name) {
            Some(value) => Some(requirement(&at.field("requirement_name"), value.clone(), DEEPEST)?),
            None => {
                return Err(at.field("requirement_name").fault(format!("there is no requirement {name:?}")));
            }
        },
    };
    Ok(JwtRule { matches: route_match(&at.field("match"), matches)?, requires })
}

fn requirement(at: &At<'_>, value: jwt::JwtRequirement, deepest: u8) -> Decoded<JwtRequirement> {
    use jwt::jwt_requirement::RequiresType as Is;
    let Some(deeper) = deepest.checked_sub(1) else { return Err(at.fault("nested too deep")) };
    let each = |field: &str, values: Vec<jwt::JwtRequirement>| -> Decoded<Vec<JwtRequirement>> {
        let at = at.field(field);
        let values = values.into_iter().enumerate();
        values.map(|(n, value)| requirement(&at.item("requirements", n), value, deeper)).collect()
    };
    Ok(match value.requires_type {
        Some(Is::ProviderName(name)) => JwtRequirement::Provider(name),
        Some(Is::ProviderAndAudiences(value)) => {
            JwtRequirement::ProviderAndAudiences(value.provider_name, value.audiences)
        }
        Some(Is::RequiresAny(list)) => JwtRequirement::Any(each("requires_any", list.requirements)?),
        Some(Is::RequiresAll(list)) => JwtRequirement::All(each("requires_all", list.requirements)?),
        Some(Is::AllowMissing(_)) => JwtRequirement::AllowMissing,
        Some(Is::AllowMissingOrFailed(_)) => JwtRequirement::AllowMissingOrFailed,
        Some(Is::ExtractOnlyWithoutValidation(_)) => {
            at.field("extract_only_without_validation")
                .note("tokens are never believed unseen: it is never met");
            JwtRequirement::Unknown("extract_only_without_validation".to_owned())
        }
        None => return Err(at.fault("it requires nothing that is known here")),
    })
}

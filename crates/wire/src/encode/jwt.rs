//! Tokens: `JwtAuthentication`.

use weft_model::http::{JwksSource, JwtAuthn, JwtProvider, JwtRequirement, JwtRule};

use super::route::route_match;
use super::value::{duration, inline, maybe_duration};
use crate::pb::{core, jwt};

pub(crate) fn jwt_authn(value: &JwtAuthn) -> jwt::JwtAuthentication {
    jwt::JwtAuthentication {
        providers: value.providers.iter().map(|value| (value.name.clone(), provider(value))).collect(),
        rules: value.rules.iter().map(rule).collect(),
        bypass_cors_preflight: value.bypass_cors_preflight,
        ..Default::default()
    }
}

fn provider(value: &JwtProvider) -> jwt::JwtProvider {
    use jwt::jwt_provider::{JwksSourceSpecifier, NormalizePayload};
    let keys = value.keys.as_ref().map(|keys| match keys {
        JwksSource::Inline(keys) => JwksSourceSpecifier::LocalJwks(inline(keys)),
        JwksSource::Remote { uri, cluster, timeout, cache } => {
            let http_uri = core::HttpUri {
                uri: uri.clone(),
                timeout: Some(duration(*timeout)),
                http_upstream_type: Some(core::http_uri::HttpUpstreamType::Cluster(cluster.clone())),
            };
            let cache_duration = maybe_duration(*cache);
            let remote = jwt::RemoteJwks { http_uri: Some(http_uri), cache_duration, ..Default::default() };
            JwksSourceSpecifier::RemoteJwks(remote)
        }
    });
    let from_headers = value.from_headers.iter();
    let from_headers = from_headers
        .map(|(name, prefix)| jwt::JwtHeader { name: name.clone(), value_prefix: prefix.clone() });
    let to_headers = value.claim_to_headers.iter().map(|(header, claim)| jwt::JwtClaimToHeader {
        header_name: header.clone(),
        claim_name: claim.clone(),
        claim_path: Vec::new(),
    });
    let split = NormalizePayload { space_delimited_claims: value.space_delimited_claims.clone() };
    jwt::JwtProvider {
        issuer: value.issuer.clone(),
        audiences: value.audiences.clone(),
        forward: value.forward,
        from_headers: from_headers.collect(),
        from_params: value.from_params.clone(),
        from_cookies: value.from_cookies.clone(),
        forward_payload_header: value.forward_payload_header.clone(),
        payload_in_metadata: value.payload_in_metadata.clone(),
        normalize_payload_in_metadata: (!value.space_delimited_claims.is_empty()).then_some(split),
        clock_skew_seconds: value.clock_skew_seconds,
        claim_to_headers: to_headers.collect(),
        require_expiration: value.require_expiration,
        jwks_source_specifier: keys,
        ..Default::default()
    }
}

fn rule(value: &JwtRule) -> jwt::RequirementRule {
    let requires = value.requires.as_ref().map(requirement);
    jwt::RequirementRule {
        r#match: Some(route_match(&value.matches)),
        requirement_type: requires.map(jwt::requirement_rule::RequirementType::Requires),
    }
}

fn requirement(value: &JwtRequirement) -> jwt::JwtRequirement {
    use jwt::jwt_requirement::RequiresType as Is;
    let each = |values: &[JwtRequirement]| values.iter().map(requirement).collect();
    let requires = match value {
        JwtRequirement::Provider(name) => Is::ProviderName(name.clone()),
        JwtRequirement::ProviderAndAudiences(name, audiences) => {
            Is::ProviderAndAudiences(jwt::ProviderWithAudiences {
                provider_name: name.clone(),
                audiences: audiences.clone(),
            })
        }
        JwtRequirement::Any(values) => {
            Is::RequiresAny(jwt::JwtRequirementOrList { requirements: each(values) })
        }
        JwtRequirement::All(values) => {
            Is::RequiresAll(jwt::JwtRequirementAndList { requirements: each(values) })
        }
        JwtRequirement::AllowMissing => Is::AllowMissing(Default::default()),
        JwtRequirement::AllowMissingOrFailed => Is::AllowMissingOrFailed(Default::default()),
        JwtRequirement::Unknown(_) => Is::ExtractOnlyWithoutValidation(Default::default()),
    };
    jwt::JwtRequirement { requires_type: Some(requires) }
}

//! Authorization policies: RBAC filters and their trees.
//!
//! What is not understood becomes `Unknown`, which the proxy never decides in a request's favour.

use std::collections::{BTreeMap, HashMap};

use weft_model::rbac::{Action, Permission, Policy, Principal, Rbac, RbacFilter};

use super::DEEPEST;
use super::at::{At, Decoded, unpack};
use super::matcher::{header, metadata, path, string};
use super::value::{cidr, port};
use crate::pb::{core, http_rbac, matcher, network_rbac, rbac, uri_template};

pub(super) fn http(at: &At<'_>, value: http_rbac::Rbac) -> Decoded<RbacFilter> {
    unpack!(at, value, http_rbac::Rbac {
        rules, matcher, shadow_rules, shadow_rules_stat_prefix
    } else {
        rules_stat_prefix, shadow_matcher, track_per_rule_stats
    });
    let rules = enforced(at, rules, matcher.is_some())?;
    let shadow_rules = shadow_rules.map(|rules| tree(&at.field("shadow_rules"), rules)).transpose()?;
    Ok(RbacFilter { rules, shadow_rules, shadow_rules_stat_prefix, stat_prefix: String::new() })
}

pub(super) fn network(at: &At<'_>, value: network_rbac::Rbac) -> Decoded<RbacFilter> {
    unpack!(at, value, network_rbac::Rbac {
        rules, matcher, shadow_rules, shadow_rules_stat_prefix, stat_prefix
    } else {
        shadow_matcher, enforcement_type, delay_deny
    });
    let rules = enforced(at, rules, matcher.is_some())?;
    let shadow_rules = shadow_rules.map(|rules| tree(&at.field("shadow_rules"), rules)).transpose()?;
    Ok(RbacFilter { rules, shadow_rules, shadow_rules_stat_prefix, stat_prefix })
}

/// Rules, or in place of a matching tree that nobody here can walk a rule that can only deny.
fn enforced(at: &At<'_>, rules: Option<rbac::Rbac>, has_matcher: bool) -> Decoded<Option<Rbac>> {
    if !has_matcher {
        return rules.map(|rules| tree(&at.field("rules"), rules)).transpose();
    }
    at.field("matcher").note("a matching tree is never decided: all is denied");
    let unknown = Policy {
        permissions: vec![Permission::Unknown("matcher".to_owned())],
        principals: vec![Principal::Any],
        has_condition: false,
    };
    Ok(Some(Rbac { action: Action::Deny, policies: BTreeMap::from([("matcher".to_owned(), unknown)]) }))
}

fn tree(at: &At<'_>, value: rbac::Rbac) -> Decoded<Rbac> {
    unpack!(at, value, rbac::Rbac { action, policies } else { audit_logging_options });
    let action = match rbac::rbac::Action::try_from(action) {
        Ok(rbac::rbac::Action::Allow) => Action::Allow,
        Ok(rbac::rbac::Action::Deny) => Action::Deny,
        Ok(rbac::rbac::Action::Log) => Action::Log,
        Err(_) => return Err(at.field("action").fault(format!("{action} is no action"))),
    };
    Ok(Rbac { action, policies: policies_by_name(at, policies)? })
}

fn policies_by_name(
    at: &At<'_>,
    policies: HashMap<String, rbac::Policy>,
) -> Decoded<BTreeMap<String, Policy>> {
    let policies = policies.into_iter().map(|(name, value)| {
        let policy = policy(&at.key("policies", &name), value)?;
        Ok((name, policy))
    });
    policies.collect()
}

fn policy(at: &At<'_>, value: rbac::Policy) -> Decoded<Policy> {
    unpack!(at, value, rbac::Policy { permissions, principals, condition, checked_condition, cel_config } else {});
    let has_condition = condition.is_some() || checked_condition.is_some() || cel_config.is_some();
    if has_condition {
        at.field("condition").note("a CEL condition is never decided: the policy fails closed");
    }
    Ok(Policy {
        permissions: each(at, "permissions", permissions, |at, value| permission(at, value, DEEPEST))?,
        principals: each(at, "principals", principals, |at, value| principal(at, value, DEEPEST))?,
        has_condition,
    })
}

fn each<T, U>(
    at: &At<'_>,
    field: &str,
    values: Vec<T>,
    decode: impl Fn(&At<'_>, T) -> Decoded<U>,
) -> Decoded<Vec<U>> {
    values.into_iter().enumerate().map(|(n, value)| decode(&at.item(field, n), value)).collect()
}

/// The description of a rule that is never decided.
fn unknown(at: &At<'_>, what: String) -> String {
    at.note("it is never decided: the policy fails closed");
    what
}

fn extension(value: core::TypedExtensionConfig) -> String {
    match value.typed_config {
        Some(any) => format!("{} ({})", value.name, any.type_url),
        None => value.name,
    }
}

#[allow(deprecated, reason = "istiod writes `metadata`, which `sourced_metadata` replaces")]
fn permission(at: &At<'_>, value: rbac::Permission, deepest: u8) -> Decoded<Permission> {
    use rbac::permission::Rule;
    let Some(deeper) = deepest.checked_sub(1) else { return Err(at.fault("nested too deep")) };
    Ok(match value.rule {
        Some(Rule::AndRules(set)) => {
            let at = at.field("and_rules");
            Permission::And(each(&at, "rules", set.rules, |at, value| permission(at, value, deeper))?)
        }
        Some(Rule::OrRules(set)) => {
            let at = at.field("or_rules");
            Permission::Or(each(&at, "rules", set.rules, |at, value| permission(at, value, deeper))?)
        }
        Some(Rule::NotRule(value)) => {
            Permission::Not(Box::new(permission(&at.field("not_rule"), *value, deeper)?))
        }
        Some(Rule::Any(true)) => Permission::Any,
        Some(Rule::Any(false)) => return Err(at.field("any").fault("it can only be true")),
        Some(Rule::Header(value)) => Permission::Header(header(&at.field("header"), value)?),
        Some(Rule::UrlPath(value)) => Permission::UrlPath(path(&at.field("url_path"), value)?),
        Some(Rule::DestinationIp(value)) => {
            Permission::DestinationIp(cidr(&at.field("destination_ip"), &value)?)
        }
        Some(Rule::DestinationPort(value)) => {
            Permission::DestinationPort(port(at, "destination_port", value)?)
        }
        Some(Rule::DestinationPortRange(range)) => port_range(&at.field("destination_port_range"), range)?,
        Some(Rule::Metadata(value)) => Permission::Metadata(metadata(&at.field("metadata"), value)?),
        Some(Rule::RequestedServerName(value)) => {
            Permission::RequestedServerName(string(&at.field("requested_server_name"), value)?)
        }
        Some(Rule::UriTemplate(value)) => template(&at.field("uri_template"), value)?,
        Some(Rule::SourcedMetadata(value)) => match sourced(&at.field("sourced_metadata"), value)? {
            Ok(matcher) => Permission::Metadata(metadata(&at.field("sourced_metadata"), matcher)?),
            Err(what) => Permission::Unknown(what),
        },
        Some(Rule::Matcher(value)) => Permission::Unknown(unknown(&at.field("matcher"), extension(value))),
        None => return Err(at.fault("it permits nothing that is known here")),
    })
}

fn port_range(at: &At<'_>, range: crate::pb::types::Int32Range) -> Decoded<Permission> {
    // Half open on the wire.
    let first = u16::try_from(range.start);
    let last = u16::try_from(i64::from(range.end) - 1);
    match (first, last) {
        (Ok(first), Ok(last)) if first <= last => Ok(Permission::DestinationPortRange(first, last)),
        _ => Err(at.fault(format!("{} to {} holds no ports", range.start, range.end))),
    }
}

fn template(at: &At<'_>, value: core::TypedExtensionConfig) -> Decoded<Permission> {
    use uri_template::r#match::uri_template::v3::UriTemplateMatchConfig;
    match super::value::extension::<UriTemplateMatchConfig>(at, value.typed_config.as_ref())? {
        Some(config) => Ok(Permission::UriTemplate(config.path_template)),
        None => Ok(Permission::Unknown(unknown(at, extension(value)))),
    }
}

/// Metadata of a request, or the name of another source.
fn sourced(at: &At<'_>, value: rbac::SourcedMetadata) -> Decoded<Result<matcher::MetadataMatcher, String>> {
    let matcher =
        value.metadata_matcher.ok_or_else(|| at.field("metadata_matcher").fault("it is missing"))?;
    if value.metadata_source == rbac::MetadataSource::Dynamic as i32 {
        Ok(Ok(matcher))
    } else {
        Ok(Err(unknown(at, "sourced_metadata".to_owned())))
    }
}

#[allow(deprecated, reason = "istiod writes `metadata`, which `sourced_metadata` replaces")]
fn principal(at: &At<'_>, value: rbac::Principal, deepest: u8) -> Decoded<Principal> {
    use rbac::principal::Identifier;
    let Some(deeper) = deepest.checked_sub(1) else { return Err(at.fault("nested too deep")) };
    Ok(match value.identifier {
        Some(Identifier::AndIds(set)) => {
            let at = at.field("and_ids");
            Principal::And(each(&at, "ids", set.ids, |at, value| principal(at, value, deeper))?)
        }
        Some(Identifier::OrIds(set)) => {
            let at = at.field("or_ids");
            Principal::Or(each(&at, "ids", set.ids, |at, value| principal(at, value, deeper))?)
        }
        Some(Identifier::NotId(value)) => {
            Principal::Not(Box::new(principal(&at.field("not_id"), *value, deeper)?))
        }
        Some(Identifier::Any(true)) => Principal::Any,
        Some(Identifier::Any(false)) => return Err(at.field("any").fault("it can only be true")),
        Some(Identifier::Authenticated(value)) => {
            let at = at.field("authenticated");
            let name = value.principal_name.map(|name| string(&at.field("principal_name"), name));
            Principal::Authenticated(name.transpose()?)
        }
        // Envoy reads both from the connection.
        Some(Identifier::SourceIp(value)) => Principal::DirectRemoteIp(cidr(&at.field("source_ip"), &value)?),
        Some(Identifier::DirectRemoteIp(value)) => {
            Principal::DirectRemoteIp(cidr(&at.field("direct_remote_ip"), &value)?)
        }
        Some(Identifier::RemoteIp(value)) => Principal::RemoteIp(cidr(&at.field("remote_ip"), &value)?),
        Some(Identifier::Header(value)) => Principal::Header(header(&at.field("header"), value)?),
        Some(Identifier::UrlPath(value)) => Principal::UrlPath(path(&at.field("url_path"), value)?),
        Some(Identifier::Metadata(value)) => Principal::Metadata(metadata(&at.field("metadata"), value)?),
        Some(Identifier::FilterState(value)) => filter_state(&at.field("filter_state"), value)?,
        Some(Identifier::SourcedMetadata(value)) => match sourced(&at.field("sourced_metadata"), value)? {
            Ok(matcher) => Principal::Metadata(metadata(&at.field("sourced_metadata"), matcher)?),
            Err(what) => Principal::Unknown(what),
        },
        Some(Identifier::Custom(value)) => Principal::Unknown(unknown(&at.field("custom"), extension(value))),
        None => return Err(at.fault("it names nobody that is known here")),
    })
}

fn filter_state(at: &At<'_>, value: matcher::FilterStateMatcher) -> Decoded<Principal> {
    use matcher::filter_state_matcher::Matcher;
    match value.matcher {
        Some(Matcher::StringMatch(matcher)) => {
            Ok(Principal::FilterState { key: value.key, value: string(&at.field("string_match"), matcher)? })
        }
        Some(Matcher::AddressMatch(_)) => {
            Ok(Principal::Unknown(unknown(at, format!("filter_state {} by address", value.key))))
        }
        None => Err(at.fault("it says nothing to match")),
    }
}

//! Authorization policies.

use weft_model::rbac::{Action, Permission, Policy, Principal, Rbac, RbacFilter};

use super::matcher::{header, metadata, path, string};
use super::value::{cidr, pack, typed};
use crate::pb::{core, http_rbac, matcher, network_rbac, rbac, types, uri_template};

pub(crate) fn http(value: &RbacFilter) -> http_rbac::Rbac {
    http_rbac::Rbac {
        rules: value.rules.as_ref().map(tree),
        shadow_rules: value.shadow_rules.as_ref().map(tree),
        shadow_rules_stat_prefix: value.shadow_rules_stat_prefix.clone(),
        ..Default::default()
    }
}

pub(crate) fn network(value: &RbacFilter) -> network_rbac::Rbac {
    network_rbac::Rbac {
        rules: value.rules.as_ref().map(tree),
        shadow_rules: value.shadow_rules.as_ref().map(tree),
        shadow_rules_stat_prefix: value.shadow_rules_stat_prefix.clone(),
        stat_prefix: value.stat_prefix.clone(),
        ..Default::default()
    }
}

fn tree(value: &Rbac) -> rbac::Rbac {
    let action = match value.action {
        Action::Allow => rbac::rbac::Action::Allow,
        Action::Deny => rbac::rbac::Action::Deny,
        Action::Log => rbac::rbac::Action::Log,
    };
    rbac::Rbac {
        action: action as i32,
        policies: value.policies.iter().map(|(name, value)| (name.clone(), policy(value))).collect(),
        audit_logging_options: None,
    }
}

fn policy(value: &Policy) -> rbac::Policy {
    rbac::Policy {
        permissions: value.permissions.iter().map(permission).collect(),
        principals: value.principals.iter().map(principal).collect(),
        condition: value.has_condition.then(Default::default),
        ..Default::default()
    }
}

/// An extension that nobody has: Envoy refuses it, and weft never decides it.
fn unknown(what: &str) -> core::TypedExtensionConfig {
    core::TypedExtensionConfig { name: what.to_owned(), typed_config: None }
}

#[allow(deprecated, reason = "istiod writes `metadata`, which every Envoy reads")]
fn permission(value: &Permission) -> rbac::Permission {
    use rbac::permission::{Rule, Set};
    let set = |values: &[Permission]| Set { rules: values.iter().map(permission).collect() };
    let rule = match value {
        Permission::And(values) => Rule::AndRules(set(values)),
        Permission::Or(values) => Rule::OrRules(set(values)),
        Permission::Not(value) => Rule::NotRule(Box::new(permission(value))),
        Permission::Any => Rule::Any(true),
        Permission::Header(value) => Rule::Header(header(value)),
        Permission::UrlPath(value) => Rule::UrlPath(path(value)),
        Permission::UriTemplate(template) => {
            // Istio's own spelling would end an Envoy.
            let template = template.replace("{**}", "**").replace("{*}", "*");
            let config =
                uri_template::r#match::uri_template::v3::UriTemplateMatchConfig { path_template: template };
            Rule::UriTemplate(typed("uri-template", pack(&config)))
        }
        Permission::DestinationIp(value) => Rule::DestinationIp(cidr(value)),
        Permission::DestinationPort(port) => Rule::DestinationPort((*port).into()),
        Permission::DestinationPortRange(first, last) => Rule::DestinationPortRange(types::Int32Range {
            start: (*first).into(),
            end: i32::from(*last) + 1,
        }),
        Permission::Metadata(value) => Rule::Metadata(metadata(value)),
        Permission::RequestedServerName(value) => Rule::RequestedServerName(string(value)),
        Permission::Unknown(what) => Rule::Matcher(unknown(what)),
    };
    rbac::Permission { rule: Some(rule) }
}

#[allow(deprecated, reason = "istiod writes `metadata`, which every Envoy reads")]
fn principal(value: &Principal) -> rbac::Principal {
    use rbac::principal::{Authenticated, Identifier, Set};
    let set = |values: &[Principal]| Set { ids: values.iter().map(principal).collect() };
    let identifier = match value {
        Principal::And(values) => Identifier::AndIds(set(values)),
        Principal::Or(values) => Identifier::OrIds(set(values)),
        Principal::Not(value) => Identifier::NotId(Box::new(principal(value))),
        Principal::Any => Identifier::Any(true),
        Principal::Authenticated(name) => {
            Identifier::Authenticated(Authenticated { principal_name: name.as_ref().map(string) })
        }
        Principal::DirectRemoteIp(value) => Identifier::DirectRemoteIp(cidr(value)),
        Principal::RemoteIp(value) => Identifier::RemoteIp(cidr(value)),
        Principal::Header(value) => Identifier::Header(header(value)),
        Principal::UrlPath(value) => Identifier::UrlPath(path(value)),
        Principal::Metadata(value) => Identifier::Metadata(metadata(value)),
        Principal::FilterState { key, value } => {
            let matcher = matcher::filter_state_matcher::Matcher::StringMatch(string(value));
            Identifier::FilterState(matcher::FilterStateMatcher { key: key.clone(), matcher: Some(matcher) })
        }
        Principal::Unknown(what) => Identifier::Custom(unknown(what)),
    };
    rbac::Principal { identifier: Some(identifier) }
}

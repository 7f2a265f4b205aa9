//! RBAC settings to rules.

use super::{Compiled, Notes};
use crate::matcher::{HeaderMatcher, StringMatcher};
use crate::rbac as settings;
use crate::table::header::HeaderMatch;
use crate::table::rbac::{Index, Policy, RbacFilter, Rule, Rules};
use crate::table::template::Template;
use crate::table::text::Text;

/// The filter state that holds the peer's principal, as Istio names it.
const PEER_PRINCIPAL: &str = "io.istio.peer_principal";

/// Compiles an RBAC filter of `resource`. It never fails: what cannot be compiled is undecidable, so it allows nobody and denies.
pub fn rbac_filter(filter: &settings::RbacFilter, resource: &str) -> Compiled<RbacFilter> {
    let mut notes = Notes::new(resource.to_owned());
    let part = compiled(filter, &mut notes, "");
    notes.done(part)
}

pub(super) fn compiled(filter: &settings::RbacFilter, notes: &mut Notes, field: &str) -> RbacFilter {
    RbacFilter {
        rules: filter.rules.as_ref().map(|rules| rule_set(rules, notes, &format!("{field}rules"))),
        shadow: filter
            .shadow_rules
            .as_ref()
            .map(|rules| rule_set(rules, notes, &format!("{field}shadow_rules"))),
        shadow_prefix: filter.shadow_rules_stat_prefix.as_str().into(),
        stat_prefix: filter.stat_prefix.as_str().into(),
    }
}

fn rule_set(rules: &settings::Rbac, notes: &mut Notes, field: &str) -> Rules {
    let mut policies = Vec::new();
    for (name, policy) in &rules.policies {
        let mut scope = Scope { notes, field: format!("{field}.policies[{name}]") };
        if policy.has_condition {
            scope.warn("a condition (CEL) is not evaluated: the policy allows nobody, and denies");
        }
        policies.push(Policy {
            name: name.as_str().into(),
            permission: Rule::Or(policy.permissions.iter().map(|of| permission(of, &mut scope)).collect()),
            principal: Rule::Or(policy.principals.iter().map(|of| principal(of, &mut scope)).collect()),
            undecidable: policy.has_condition,
        });
    }
    let index = Index::new(&policies);
    Rules { action: rules.action, policies, index }
}

struct Scope<'a> {
    notes: &'a mut Notes,
    field: String,
}

impl Scope<'_> {
    fn warn(&mut self, message: impl Into<String>) {
        self.notes.warn(self.field.clone(), message);
    }

    fn unknown(&mut self, what: String) -> Rule {
        self.warn(format!("{what}; it is undecidable, so it allows nobody, and denies"));
        Rule::Unknown(what.into())
    }

    fn text(&mut self, matcher: &StringMatcher, rule: impl Fn(Text) -> Rule) -> Rule {
        match Text::new(matcher) {
            Ok(text) => rule(text),
            Err(error) => self.unknown(error.to_string()),
        }
    }

    fn header(&mut self, matcher: &HeaderMatcher) -> Rule {
        let (compiled, error) = HeaderMatch::new(matcher);
        if let Some(error) = error {
            return self.unknown(format!("header {}: {error}", matcher.name));
        }
        Rule::Header(compiled)
    }
}

fn permission(permission: &settings::Permission, scope: &mut Scope<'_>) -> Rule {
    use settings::Permission as P;
    match permission {
        P::And(all) => Rule::And(all.iter().map(|of| self::permission(of, scope)).collect()),
        P::Or(any) => Rule::Or(any.iter().map(|of| self::permission(of, scope)).collect()),
        P::Not(inner) => Rule::Not(Box::new(self::permission(inner, scope))),
        P::Any => Rule::Any,
        P::Header(matcher) => scope.header(matcher),
        P::UrlPath(matcher) => scope.text(matcher, Rule::UrlPath),
        P::UriTemplate(template) => match Template::new(template) {
            Ok(compiled) => Rule::UriTemplate(Box::new(compiled)),
            Err(error) => scope.unknown(format!("path template: {error}")),
        },
        P::DestinationIp(range) => Rule::DestinationIp(*range),
        P::DestinationPort(port) => Rule::DestinationPort(*port, *port),
        P::DestinationPortRange(first, last) => Rule::DestinationPort(*first, *last),
        P::Metadata(metadata) => scope.unknown(format!("metadata of {} is not known", metadata.filter)),
        P::RequestedServerName(matcher) => scope.text(matcher, Rule::ServerName),
        P::Unknown(what) => scope.unknown(format!("a permission that is not known: {what}")),
    }
}

fn principal(principal: &settings::Principal, scope: &mut Scope<'_>) -> Rule {
    use settings::Principal as P;
    match principal {
        P::And(all) => Rule::And(all.iter().map(|of| self::principal(of, scope)).collect()),
        P::Or(any) => Rule::Or(any.iter().map(|of| self::principal(of, scope)).collect()),
        P::Not(inner) => Rule::Not(Box::new(self::principal(inner, scope))),
        P::Any => Rule::Any,
        P::Authenticated(None) => Rule::Authenticated(None),
        P::Authenticated(Some(matcher)) => scope.text(matcher, |text| Rule::Authenticated(Some(text))),
        P::DirectRemoteIp(range) => Rule::DirectRemoteIp(*range),
        P::RemoteIp(range) => Rule::RemoteIp(*range),
        P::Header(matcher) => scope.header(matcher),
        P::UrlPath(matcher) => scope.text(matcher, Rule::UrlPath),
        P::Metadata(metadata) => scope.unknown(format!("metadata of {} is not known", metadata.filter)),
        P::FilterState { key, value } if key == PEER_PRINCIPAL => {
            scope.text(value, |text| Rule::Authenticated(Some(text)))
        }
        P::FilterState { key, .. } => scope.unknown(format!("filter state {key} is not known")),
        P::Unknown(what) => scope.unknown(format!("a principal that is not known: {what}")),
    }
}

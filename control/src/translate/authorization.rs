//! Authorization: from AuthorizationPolicies to the filters that a proxy enforces, HTTP and TCP.
//!
//! Pure: policies in, filters out, in istiod's shapes. What cannot be said in them fails closed: in an ALLOW policy such
//! a rule matches nobody; in any other the condition is left out, so that the rule gets wider. [`check`] says so to the
//! policies' author, once and with its place.

mod check;
mod custom;
mod permission;
mod principal;
mod rule;
mod target;
mod text;
mod trust;

use std::collections::BTreeMap;

use weft_model::http::{ExtAuthz, HttpFilter};
use weft_model::listener::NetworkFilter;
use weft_model::rbac::{self, Permission, Principal, Rbac, RbacFilter};

pub use self::check::check;
pub use self::custom::{Authorizer, authorizer};
use self::rule::Scope;
pub(in crate::translate) use self::target::Reach;
pub use self::target::Target;
pub use self::trust::Trust;
use crate::resources::Object;
use crate::resources::authorization_policy::{Action, AuthorizationPolicy};

/// The annotation that makes a policy one that is only noted.
const DRY_RUN: &str = "istio.io/dry-run";

/// What a port's connections are judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// Requests, one by one.
    Http,
    /// Connections; nothing of a request is known.
    Tcp,
}

/// What policies are translated with.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Trust domains that count as one.
    pub trust: Trust<'a>,
    /// The external authorizer of that name, if the mesh has it (see [`authorizer`]).
    pub authorizer: &'a dyn Fn(&str) -> Option<Authorizer>,
}

/// One filter: HTTP and TCP have the same.
#[derive(Debug, Clone, PartialEq)]
pub enum Gate {
    /// Judges by itself.
    Rbac(RbacFilter),
    /// Asks somebody else.
    ExtAuthz(ExtAuthz),
}

/// The filters of one workload's ports of one layer, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gates {
    /// CUSTOM: before tokens are looked at (`jwt_authn`).
    pub custom: Vec<Gate>,
    /// AUDIT, DENY and ALLOW: after that.
    pub judges: Vec<Gate>,
}

impl From<Gate> for HttpFilter {
    fn from(gate: Gate) -> Self {
        match gate {
            Gate::Rbac(filter) => Self::Rbac(filter),
            Gate::ExtAuthz(question) => Self::ExtAuthz(question),
        }
    }
}

impl From<Gate> for NetworkFilter {
    fn from(gate: Gate) -> Self {
        match gate {
            Gate::Rbac(filter) => Self::Rbac(RbacFilter { stat_prefix: "tcp.".to_owned(), ..filter }),
            Gate::ExtAuthz(question) => Self::ExtAuthz(question),
        }
    }
}

/// The policies that are for a workload: those of the mesh, then those of its namespace, the older first.
pub fn applying<'a>(
    policies: impl IntoIterator<Item = &'a Object<AuthorizationPolicy>>,
    target: &Target<'_>,
) -> Vec<&'a Object<AuthorizationPolicy>> {
    target.choose(policies, |policy| Reach {
        selector: policy.selector.as_ref(),
        references: policy.target_ref.iter().chain(&policy.target_refs).collect(),
    })
}

/// The filters that `policies`, which all are for one workload, make of its ports of one layer.
pub fn gates(policies: &[&Object<AuthorizationPolicy>], layer: Layer, context: &Context<'_>) -> Gates {
    let of = |action: Action| -> Vec<&Object<AuthorizationPolicy>> {
        policies.iter().copied().filter(|policy| policy.spec.action == action).collect()
    };
    let judges = [
        (Action::Audit, rbac::Action::Log),
        (Action::Deny, rbac::Action::Deny),
        (Action::Allow, rbac::Action::Allow),
    ];
    let judges =
        judges.into_iter().filter_map(|(action, does)| judge(&of(action), does, layer, &context.trust));
    Gates {
        custom: custom::gates(&of(Action::Custom), layer, context),
        judges: judges.map(Gate::Rbac).collect(),
    }
}

/// One action's filter; none without a policy. A policy none of whose rules can match still stands there: an ALLOW
/// filter without policies lets nobody through, and that is what its author wrote.
fn judge(
    policies: &[&Object<AuthorizationPolicy>],
    action: rbac::Action,
    layer: Layer,
    trust: &Trust<'_>,
) -> Option<RbacFilter> {
    if policies.is_empty() {
        return None;
    }
    let (dry, enforced): (Vec<_>, Vec<_>) = policies.iter().partition(|policy| is_dry_run(policy));
    let tree = |policies: &[&Object<AuthorizationPolicy>]| {
        (!policies.is_empty()).then(|| tree(policies, action, layer, trust, ""))
    };
    let shadow_rules = tree(&dry);
    // Without shadow rules istiod writes the prefix of ALLOW, whatever the action.
    let prefix = match shadow_rules.as_ref().map(|rules| rules.action) {
        None | Some(rbac::Action::Allow) => "istio_dry_run_allow_",
        Some(rbac::Action::Deny) => "istio_dry_run_deny_",
        Some(rbac::Action::Log) => "",
    };
    Some(RbacFilter {
        rules: tree(&enforced),
        shadow_rules,
        shadow_rules_stat_prefix: prefix.to_owned(),
        stat_prefix: String::new(),
    })
}

/// The rules of some policies under their names.
fn tree(
    policies: &[&Object<AuthorizationPolicy>],
    action: rbac::Action,
    layer: Layer,
    trust: &Trust<'_>,
    prefix: &str,
) -> Rbac {
    let mut named = BTreeMap::new();
    for policy in policies {
        let (namespace, name) = (&policy.meta.namespace, &policy.meta.name);
        let of_rule = |index: usize| format!("{prefix}ns[{namespace}]-policy[{name}]-rule[{index}]");
        let scope = Scope { action, layer, namespace, trust };
        for (index, rule) in policy.spec.rules.iter().enumerate() {
            if let Ok(rule) = rule::policy(rule, &scope) {
                named.insert(of_rule(index), rule);
            }
        }
        if policy.spec.rules.is_empty() {
            named.insert(of_rule(0), never());
        }
    }
    Rbac { action, policies: named }
}

/// What a policy without rules is: there, and matching nothing.
fn never() -> rbac::Policy {
    rbac::Policy {
        permissions: vec![Permission::Not(Box::new(Permission::Any))],
        principals: vec![Principal::Not(Box::new(Principal::Any))],
        has_condition: false,
    }
}

/// What of a rule is a matter of requests, which a port that carries none does not have.
pub(crate) fn of_requests(
    rule: &crate::resources::authorization_policy::Rule,
    namespace: &str,
    trust: &Trust<'_>,
) -> Option<&'static str> {
    let scope = Scope { action: rbac::Action::Allow, layer: Layer::Tcp, namespace, trust };
    match rule::policy(rule, &scope) {
        Err(rule::Unsaid::HttpOnly(what)) => Some(what),
        _ => None,
    }
}

/// Whether a policy is only noted. What is neither true nor false is enforced, as in Istio.
fn is_dry_run(policy: &Object<AuthorizationPolicy>) -> bool {
    policy.meta.annotations.get(DRY_RUN).and_then(|value| truth(value)) == Some(true)
}

/// The words that Go reads as true or false.
fn truth(word: &str) -> Option<bool> {
    match word {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
pub(in crate::translate) mod tests;

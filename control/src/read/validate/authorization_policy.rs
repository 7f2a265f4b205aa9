//! AuthorizationPolicy. Policies fail without a sound, so what can never match is told here, too.

use crate::read::finding::Findings;
use crate::read::path::Path;
use crate::resources::authorization_policy::{
    Action, AuthorizationPolicy, Condition, Operation, Rule, Source,
};

mod condition;
mod host;
mod value;

/// Checks an AuthorizationPolicy.
pub(in crate::read) fn check(policy: &AuthorizationPolicy, into: &mut Findings) {
    let root = Path::ROOT;
    let spec = root.key("spec");
    super::policy_target::check(
        policy.selector.as_ref(),
        policy.target_ref.as_ref(),
        &policy.target_refs,
        &spec,
        into,
    );
    match (&policy.provider, policy.action) {
        (None, Action::Custom) => into.error(&spec, "action CUSTOM needs a provider"),
        (Some(provider), Action::Custom) if provider.name.is_empty() => {
            into.error(&spec.key("provider"), "`name` is missing");
        }
        (Some(_), Action::Allow | Action::Deny | Action::Audit) => {
            into.error(&spec.key("provider"), "only action CUSTOM has a provider");
        }
        _ => {}
    }
    if policy.rules.is_empty() && policy.action != Action::Allow {
        let action = format!("{:?}", policy.action).to_uppercase();
        into.error(&spec, format!("`rules` is missing: {action} without rules does nothing"));
        into.hint("`rules: [{}]` matches everything");
    }
    let at = spec.key("rules");
    for (index, item) in policy.rules.iter().enumerate() {
        let at = at.index(index);
        rule(item, &at, into);
        host::bypassed(policy.action, item, &at, into);
    }
    split(policy, &at, into);
}

/// Two rules where one was meant: `- from` and then `- to`, each with a dash of its own.
fn split(policy: &AuthorizationPolicy, at: &Path<'_>, into: &mut Findings) {
    let only_from = |rule: &Rule| !rule.from.is_empty() && rule.to.is_empty() && rule.when.is_empty();
    let no_from = |rule: &Rule| rule.from.is_empty() && (!rule.to.is_empty() || !rule.when.is_empty());
    for (index, pair) in policy.rules.windows(2).enumerate() {
        if !(only_from(&pair[0]) && no_from(&pair[1]) || no_from(&pair[0]) && only_from(&pair[1])) {
            continue;
        }
        let consequence = match policy.action {
            Action::Allow => "either of them lets a request in, so anybody may do this",
            Action::Deny | Action::Custom => "either of them stops a request, whoever sends it",
            Action::Audit => "either of them logs a request",
        };
        let what =
            if pair[1].from.is_empty() { "this rule has no `from`" } else { "the rule before has no `from`" };
        into.warning(
            &at.index(index + 1),
            format!("{what}, and stands beside one that has nothing else: {consequence}"),
        );
        into.hint("if both were to hold, write them as one list item: remove the `-` before the second");
    }
}

fn rule(rule: &Rule, at: &Path<'_>, into: &mut Findings) {
    for (index, from) in rule.from.iter().enumerate() {
        let list = at.key("from");
        let at = list.index(index);
        match &from.source {
            Some(from) if *from != Source::default() => source(from, &at.key("source"), into),
            Some(_) => {
                into.error(&at.key("source"), "an empty source: leave `from` out to match every caller")
            }
            None => into.error(&at, "`source` is missing"),
        }
    }
    for (index, to) in rule.to.iter().enumerate() {
        let list = at.key("to");
        let at = list.index(index);
        match &to.operation {
            Some(to) if *to != Operation::default() => operation(to, &at.key("operation"), into),
            Some(_) => {
                into.error(&at.key("operation"), "an empty operation: leave `to` out to match every one")
            }
            None => into.error(&at, "`operation` is missing"),
        }
    }
    for (index, when) in rule.when.iter().enumerate() {
        let list = at.key("when");
        self::when(when, &list.index(index), into);
    }
}

fn source(source: &Source, at: &Path<'_>, into: &mut Findings) {
    let accounts = !source.service_accounts.is_empty() || !source.not_service_accounts.is_empty();
    let others = [&source.principals, &source.not_principals, &source.namespaces, &source.not_namespaces];
    if accounts && others.iter().any(|list| !list.is_empty()) {
        into.error(at, "serviceAccounts cannot stand beside principals or namespaces");
    }
    value::each(&source.principals, &at.key("principals"), into, value::principal);
    value::each(&source.not_principals, &at.key("notPrincipals"), into, value::principal);
    value::each(&source.request_principals, &at.key("requestPrincipals"), into, value::request_principal);
    value::each(
        &source.not_request_principals,
        &at.key("notRequestPrincipals"),
        into,
        value::request_principal,
    );
    value::each(&source.namespaces, &at.key("namespaces"), into, value::wildcard);
    value::each(&source.not_namespaces, &at.key("notNamespaces"), into, value::wildcard);
    value::each(&source.service_accounts, &at.key("serviceAccounts"), into, value::service_account);
    value::each(&source.not_service_accounts, &at.key("notServiceAccounts"), into, value::service_account);
    super::network::networks(&source.ip_blocks, &at.key("ipBlocks"), into);
    super::network::networks(&source.not_ip_blocks, &at.key("notIpBlocks"), into);
    super::network::networks(&source.remote_ip_blocks, &at.key("remoteIpBlocks"), into);
    super::network::networks(&source.not_remote_ip_blocks, &at.key("notRemoteIpBlocks"), into);
}

fn operation(operation: &Operation, at: &Path<'_>, into: &mut Findings) {
    value::each(&operation.hosts, &at.key("hosts"), into, value::wildcard);
    value::each(&operation.not_hosts, &at.key("notHosts"), into, value::wildcard);
    value::each(&operation.ports, &at.key("ports"), into, value::port);
    value::each(&operation.not_ports, &at.key("notPorts"), into, value::port);
    value::each(&operation.methods, &at.key("methods"), into, value::method);
    value::each(&operation.not_methods, &at.key("notMethods"), into, value::method);
    value::each(&operation.paths, &at.key("paths"), into, value::path);
    value::each(&operation.not_paths, &at.key("notPaths"), into, value::path);
}

fn when(when: &Condition, at: &Path<'_>, into: &mut Findings) {
    if when.values.is_empty() && when.not_values.is_empty() {
        into.error(at, "one of values and notValues is needed");
    }
    if when.key.is_empty() {
        into.error(at, "`key` is missing");
        return;
    }
    condition::key(&when.key, &at.key("key"), into);
    let check = condition::values_of(&when.key);
    value::each(&when.values, &at.key("values"), into, check);
    value::each(&when.not_values, &at.key("notValues"), into, check);
}

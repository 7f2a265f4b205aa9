//! What a policy's author should know: what of it can never match, or matches otherwise than it reads.

use weft_model::rbac::Action as Does;

use super::principal::{self, Identify};
use super::rule::{self, Attribute, Scope, Unsaid};
use super::{Context, DRY_RUN, Layer, is_dry_run, permission, truth};
use crate::read::{Diagnostic, Severity};
use crate::resources::Object;
use crate::resources::authorization_policy::{Action, AuthorizationPolicy, Condition, Source};

/// Warnings about one policy. `issuers` are those that some RequestAuthentication names.
#[must_use]
pub fn check(
    policy: &Object<AuthorizationPolicy>,
    issuers: &[&str],
    context: &Context<'_>,
) -> Vec<Diagnostic> {
    let mut checked = Checked { policy, issuers, warnings: Vec::new() };
    checked.dry_run();
    checked.provider(context);
    // An ALLOW tells of everything that cannot be said.
    let namespace = &policy.meta.namespace;
    let scope = Scope { action: Does::Allow, layer: Layer::Http, namespace, trust: &context.trust };
    for (index, rule) in policy.spec.rules.iter().enumerate() {
        let at = format!("spec.rules[{index}]");
        for (index, from) in rule.from.iter().enumerate() {
            if let Some(source) = &from.source {
                checked.source(source, &scope, &format!("{at}.from[{index}].source"));
            }
        }
        for (index, to) in rule.to.iter().enumerate() {
            let unsaid = to.operation.as_ref().and_then(|operation| permission::of(operation, &scope).err());
            checked.unsaid(unsaid, &format!("{at}.to[{index}].operation"));
        }
        for (index, condition) in rule.when.iter().enumerate() {
            checked.condition(condition, &scope, &format!("{at}.when[{index}]"));
        }
    }
    checked.warnings
}

struct Checked<'a> {
    policy: &'a Object<AuthorizationPolicy>,
    issuers: &'a [&'a str],
    warnings: Vec<Diagnostic>,
}

impl Checked<'_> {
    fn warn(&mut self, path: &str, message: String, hint: Option<String>) {
        let (meta, source) = (&self.policy.meta, &self.policy.source);
        self.warnings.push(Diagnostic {
            severity: Severity::Warning,
            file: source.file.clone(),
            line: source.line,
            column: 1,
            resource: Some(format!("AuthorizationPolicy {}/{}", meta.namespace, meta.name)),
            path: path.to_owned(),
            message,
            hint,
        });
    }

    fn dry_run(&mut self) {
        let path = format!("metadata.annotations{{{DRY_RUN}}}");
        let Some(value) = self.policy.meta.annotations.get(DRY_RUN) else { return };
        if truth(value).is_none() {
            self.warn(&path, format!("{value:?} is neither true nor false: the policy is enforced"), None);
        } else if self.policy.spec.action == Action::Custom && is_dry_run(self.policy) {
            self.warn(&path, "a dry run of CUSTOM asks nobody, and nothing of it is noted".to_owned(), None);
        }
    }

    fn provider(&mut self, context: &Context<'_>) {
        if self.policy.spec.action != Action::Custom || is_dry_run(self.policy) {
            return;
        }
        let provider = self.policy.spec.provider.as_ref().map_or("", |provider| provider.name.as_str());
        if (context.authorizer)(provider).is_none() {
            self.warn(
                "spec.provider.name",
                format!("the mesh has no authorizer {provider:?} whose service exists: what the rules match is denied"),
                Some("name it in the mesh's extensionProviders".to_owned()),
            );
        }
    }

    fn source(&mut self, source: &Source, scope: &Scope<'_>, at: &str) {
        self.unsaid(principal::of(source, scope).err(), at);
        self.domains(&source.principals, scope, &format!("{at}.principals"));
        self.domains(&source.not_principals, scope, &format!("{at}.notPrincipals"));
        self.tokens(&source.request_principals, &format!("{at}.requestPrincipals"));
        self.tokens(&source.not_request_principals, &format!("{at}.notRequestPrincipals"));
    }

    fn condition(&mut self, condition: &Condition, scope: &Scope<'_>, at: &str) {
        let (values, not_values) = (&condition.values, &condition.not_values);
        let unsaid = match rule::attribute(condition) {
            Ok(Attribute::What(permit)) => permission::parts(&permit, values, not_values, scope).err(),
            Ok(Attribute::Who(identify)) => {
                if identify == Identify::RequestPrincipal {
                    self.tokens(values, &format!("{at}.values"));
                    self.tokens(not_values, &format!("{at}.notValues"));
                }
                if identify == Identify::Principal {
                    self.domains(values, scope, &format!("{at}.values"));
                    self.domains(not_values, scope, &format!("{at}.notValues"));
                }
                principal::parts(&identify, values, not_values, scope).err()
            }
            Err(unsaid) => Some(unsaid),
        };
        self.unsaid(unsaid, at);
    }

    fn unsaid(&mut self, unsaid: Option<Unsaid>, at: &str) {
        let Some(unsaid) = unsaid else { return };
        let consequence = match self.policy.spec.action {
            Action::Allow => "the rule lets nobody in",
            Action::Deny | Action::Custom => "the rule stops whatever else of it matches",
            Action::Audit => "the rule logs whatever else of it matches",
        };
        self.warn(at, format!("{unsaid}: {consequence}"), None);
    }

    /// `cluster.local` stands for the mesh's own domain in a whole principal, and not in the beginning of one.
    fn domains(&mut self, values: &[String], scope: &Scope<'_>, at: &str) {
        let ours = scope.trust.domain;
        for (index, value) in values.iter().enumerate() {
            let is_part = value.split('/').count() != 5;
            let Some(rest) = value.strip_prefix("cluster.local/").filter(|_| is_part) else { continue };
            if !scope.trust.counts("cluster.local") {
                let message = format!("{value:?} never matches: the mesh's trust domain is {ours}");
                self.warn(&format!("{at}[{index}]"), message, Some(format!("write {ours}/{rest}")));
            }
        }
    }

    /// `ISSUER/SUBJECT` is cut at its last slash, which is not where everybody reads it.
    fn tokens(&mut self, values: &[String], at: &str) {
        for (index, value) in values.iter().enumerate() {
            let (Some(issuer), subject) = principal::token_parts(value) else { continue };
            if value.starts_with('*') || self.issuers.contains(&issuer) {
                continue;
            }
            let meant = self.issuers.iter().filter(|known| value.starts_with(**known));
            let meant = meant.max_by_key(|known| known.len());
            let hint = match meant {
                Some(known) if known.ends_with('/') => {
                    format!("{known} ends with a slash itself: write {known}/{subject}")
                }
                Some(known) => format!(
                    "a subject with a slash cannot be named here: ask for the claims iss ({known}) and sub"
                ),
                None => "no RequestAuthentication names this issuer".to_owned(),
            };
            let message = format!(
                "{value:?} is cut at its last slash: it asks for the issuer {issuer:?}, which nobody is, so it never matches"
            );
            self.warn(&format!("{at}[{index}]"), message, Some(hint));
        }
    }
}

//! What policies mean, shown end to end: translated, compiled as a proxy would, and asked about requests.

pub(in crate::translate) mod captured;
mod checks;
mod plain;
mod random;
mod reach;
pub(in crate::translate) mod sample;
mod semantics;
mod tcp;
mod wildcards;

use weft_model::compile;
use weft_model::request::Peer;
use weft_model::table::rbac as table;
use weft_policy::authorize::{self, Denial, Note, Verdict};

use self::sample::{Request, connection, peer};
use super::*;
use crate::resources::authorization_policy::Rule;

/// The policies of a text; the reader has nothing against them.
fn read(text: &str) -> Vec<Object<AuthorizationPolicy>> {
    let reading = crate::read::read_str("t.yaml", text);
    assert_eq!(reading.errors().collect::<Vec<_>>(), Vec::<&crate::read::Diagnostic>::new());
    reading.resources.authorization_policies
}

/// One policy of the namespace `foo` by its spec.
fn policy(spec: &str) -> Vec<Object<AuthorizationPolicy>> {
    named("p", "", spec)
}

fn named(name: &str, metadata: &str, spec: &str) -> Vec<Object<AuthorizationPolicy>> {
    read(&format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: {name}, namespace: foo{metadata}}}\nspec: {spec}\n"
    ))
}

/// A policy that the reader would refuse, or that needs no text.
fn written(action: Action, rules: Vec<Rule>) -> Vec<Object<AuthorizationPolicy>> {
    let mut policies = policy("{}");
    policies[0].spec.action = action;
    policies[0].spec.rules = rules;
    policies
}

fn nobody(_: &str) -> Option<Authorizer> {
    None
}

const OURS: Trust<'_> = Trust { domain: "cluster.local", aliases: &[] };

fn translated(policies: &[Object<AuthorizationPolicy>], layer: Layer, trust: Trust<'_>) -> Gates {
    let all: Vec<_> = policies.iter().collect();
    gates(&all, layer, &Context { trust, authorizer: &nobody })
}

fn compiled(gates: &Gates) -> Vec<table::Gate> {
    let all = gates.custom.iter().chain(&gates.judges);
    all.map(|gate| match gate {
        Gate::Rbac(filter) => table::Gate::Rbac(Box::new(compile::rbac_filter(filter, "test").part)),
        Gate::ExtAuthz(question) => table::Gate::Custom { provider: question.provider.as_str().into() },
    })
    .collect()
}

/// Policies in force on one workload.
struct Enforced {
    http: Vec<table::Gate>,
    tcp: Vec<table::Gate>,
}

fn enforce(policies: &[Object<AuthorizationPolicy>]) -> Enforced {
    enforce_in(policies, OURS)
}

fn enforce_in(policies: &[Object<AuthorizationPolicy>], trust: Trust<'_>) -> Enforced {
    Enforced {
        http: compiled(&translated(policies, Layer::Http, trust)),
        tcp: compiled(&translated(policies, Layer::Tcp, trust)),
    }
}

/// An ALLOW and a DENY of the same rules.
fn both(rules: &str) -> (Enforced, Enforced) {
    let of = |action| enforce(&policy(&format!("{{action: {action}, rules: {rules}}}")));
    (of("ALLOW"), of("DENY"))
}

impl Enforced {
    /// `ok`, `ok by POLICY`, `denied by POLICY`, `undecided POLICY`, `none`, `asks PROVIDER`.
    fn says(&self, who: Option<&Peer>, request: &Request) -> String {
        said(authorize::request(&self.http, request, &connection(who)).verdict)
    }

    fn says_of_connection(&self, who: Option<&Peer>) -> String {
        said(authorize::connection(&self.tcp, &connection(who)).verdict)
    }

    fn lets(&self, who: Option<&Peer>, request: &Request) -> bool {
        self.says(who, request).starts_with("ok")
    }

    fn lets_connection(&self, who: Option<&Peer>) -> bool {
        self.says_of_connection(who).starts_with("ok")
    }

    fn notes(&self, who: Option<&Peer>, request: &Request) -> Vec<String> {
        let outcome = authorize::request(&self.http, request, &connection(who));
        let note = |note: &Note<'_>| match note {
            Note::Logged { policy } => format!("logged {policy}"),
            Note::Shadow { prefix, allowed, policy } => {
                format!(
                    "{prefix}{} {}",
                    if *allowed { "allowed" } else { "denied" },
                    policy.unwrap_or("none")
                )
            }
        };
        outcome.notes.iter().map(note).collect()
    }
}

fn said(verdict: Verdict<'_>) -> String {
    match verdict {
        Verdict::Allowed { policy: Some(policy) } => format!("ok by {policy}"),
        Verdict::Allowed { policy: None } => "ok".to_owned(),
        Verdict::Denied(Denial::Policy { policy }) => format!("denied by {policy}"),
        Verdict::Denied(Denial::Undecided { policy, .. }) => format!("undecided {policy}"),
        Verdict::Denied(Denial::NoneMatched { .. }) => "none".to_owned(),
        Verdict::Denied(Denial::Custom { provider }) => format!("asks {provider}"),
    }
}

fn get(path: &str) -> Request {
    Request::get("svc.foo", path)
}

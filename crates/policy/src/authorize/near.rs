//! How near something came that no ALLOW policy let pass: for whoever reads why.

use weft_model::request::{Connection, RequestView};
use weft_model::table::rbac::Policy;

use super::asked::Asked;
use super::evaluate::{Subject, Truth};

/// A rule that would have let it pass but for one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Near<'a> {
    /// `ns[foo]-policy[x]-rule[0]`.
    pub policy: &'a str,
    /// What that is.
    pub lacks: Lacks,
}

/// What a rule did not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lacks {
    /// It allows this caller, but something else than this request.
    Request,
    /// It allows this request, but to others.
    Caller,
}

/// No more rules are looked at: whoever is refused may ask often.
const MOST: usize = 64;

/// The first rule that allows the caller, else the first that allows the request.
pub fn near<'a>(
    asked: Asked<'a>,
    request: &impl RequestView,
    connection: &Connection<'_>,
) -> Option<Near<'a>> {
    let subject = Subject::of_request(request, connection);
    let first = |of: fn(&Policy) -> &weft_model::table::rbac::Rule, lacks| {
        let rules = asked.0.iter().take(MOST).filter(|policy| !policy.undecidable);
        let found = rules.into_iter().find(|policy| subject.rule(of(policy)) == Truth::Yes);
        found.map(|policy| Near { policy: &*policy.name, lacks })
    };
    first(|policy| &policy.principal, Lacks::Request)
        .or_else(|| first(|policy| &policy.permission, Lacks::Caller))
}

//! How near something came that no ALLOW policy let pass: for whoever reads why.

use weft_model::request::{Connection, RequestView};
use weft_model::table::rbac::{Policy, Rule};

use super::asked::Asked;
use super::evaluate::{Subject, Truth};

/// A rule of which one half holds and the other surely does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Near<'a> {
    /// `ns[foo]-policy[x]-rule[0]`.
    pub policy: &'a str,
    /// Which half does not.
    pub lacks: Lacks,
}

/// Half a rule. What Istio's `when` asks for is in one of them, by what it asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lacks {
    /// The permissions: what is done, and where.
    Permission,
    /// The principals: who does it.
    Principal,
}

/// No more rules are looked at: whoever is refused may ask often.
const MOST: usize = 16;

/// The first rule whose principals hold, else the first whose permissions do. One that holds for everybody, or for everything,
/// is near to all and tells nothing.
pub fn near<'a>(
    asked: Asked<'a>,
    request: &impl RequestView,
    connection: &Connection<'_>,
) -> Option<Near<'a>> {
    let subject = Subject::of_request(request, connection);
    let is_near = |holds: &Rule, not: &Rule| {
        !is_of_all(holds) && subject.rule(holds) == Truth::Yes && subject.rule(not) == Truth::No
    };
    let rules = || asked.0.iter().take(MOST).filter(|policy| !policy.undecidable);
    let found = |policy: &'a Policy, lacks| Near { policy: &policy.name, lacks };
    let caller = rules().find(|policy| is_near(&policy.principal, &policy.permission));
    let request = || rules().find(|policy| is_near(&policy.permission, &policy.principal));
    caller
        .map(|policy| found(policy, Lacks::Permission))
        .or_else(|| request().map(|policy| found(policy, Lacks::Principal)))
}

/// Whether a rule holds whoever and whatever comes.
fn is_of_all(rule: &Rule) -> bool {
    match rule {
        Rule::Any => true,
        Rule::And(all) => all.iter().all(is_of_all),
        Rule::Or(any) => any.iter().any(is_of_all),
        _ => false,
    }
}

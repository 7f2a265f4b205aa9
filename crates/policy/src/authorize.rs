//! Whether a request or a connection may pass: compiled RBAC, three-valued.
//!
//! What cannot be known (metadata of tokens, a header that is no UTF-8, a condition nobody evaluates) is neither true nor
//! false, and stays so through `not`, `and` and `or`. An undecided policy never allows and always denies.

mod asked;
mod evaluate;
mod near;

use smallvec::SmallVec;
use weft_model::rbac::Action;
use weft_model::request::{Connection, RequestView};
use weft_model::table::rbac::{Gate, RbacFilter, Rules};

pub use self::asked::Asked;
use self::evaluate::{NoRequest, Subject, Truth};
pub use self::near::{Lacks, Near, near};

/// What came of it, with what was only noted on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome<'a> {
    /// May it pass?
    pub verdict: Verdict<'a>,
    /// Matches of LOG policies and verdicts of shadow rules, in order.
    pub notes: SmallVec<[Note<'a>; 4]>,
}

/// May it pass?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It may; by this ALLOW policy, if there was any to ask.
    Allowed {
        /// `ns[foo]-policy[x]-rule[0]`.
        policy: Option<&'a str>,
    },
    /// It may not: `RBAC: access denied`.
    Denied(Denial<'a>),
}

/// Why something may not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denial<'a> {
    /// A DENY policy matches.
    #[error("denied by {policy}")]
    Policy {
        /// Its name.
        policy: &'a str,
    },
    /// Whether a DENY policy matches cannot be said.
    #[error("denied by {policy}, which cannot be decided: {why}")]
    Undecided {
        /// Its name.
        policy: &'a str,
        /// What is not known.
        why: &'a str,
    },
    /// There are ALLOW policies, and none matches.
    #[error("{policies}")]
    NoneMatched {
        /// Those that were asked.
        policies: Asked<'a>,
    },
    /// An external authorizer would have to be asked, which is not supported.
    #[error("a CUSTOM policy would ask {provider:?}, which is not supported: denied")]
    Custom {
        /// Who would be asked.
        provider: &'a str,
    },
}

/// Something noted that changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note<'a> {
    /// A LOG policy (AUDIT) matches.
    Logged {
        /// Its name.
        policy: &'a str,
    },
    /// What a filter's shadow rules (a dry run) would have done.
    Shadow {
        /// Whose shadow: `istio_dry_run_allow_`.
        prefix: &'a str,
        /// They would have let it pass.
        allowed: bool,
        /// The policy that matches.
        policy: Option<&'a str>,
    },
}

/// Judges a request.
pub fn request<'a>(
    gates: &'a [Gate],
    request: &impl RequestView,
    connection: &Connection<'_>,
) -> Outcome<'a> {
    judge(gates, &Subject::of_request(request, connection))
}

/// Judges a connection, before its first byte is read. Rules on requests see no header and no path, as in Envoy.
pub fn connection<'a>(gates: &'a [Gate], connection: &Connection<'_>) -> Outcome<'a> {
    judge(gates, &Subject::<NoRequest>::of_connection(connection))
}

fn judge<'a, R: RequestView>(gates: &'a [Gate], subject: &Subject<'_, R>) -> Outcome<'a> {
    let mut outcome = Outcome { verdict: Verdict::Allowed { policy: None }, notes: SmallVec::new() };
    for gate in gates {
        let denial = match gate {
            Gate::Rbac(filter) => through(filter, subject, &mut outcome),
            Gate::Custom { provider } => {
                asks(provider, &outcome.notes).then_some(Denial::Custom { provider })
            }
        };
        if let Some(denial) = denial {
            outcome.verdict = Verdict::Denied(denial);
            break;
        }
    }
    outcome
}

fn through<'a, R: RequestView>(
    filter: &'a RbacFilter,
    subject: &Subject<'_, R>,
    outcome: &mut Outcome<'a>,
) -> Option<Denial<'a>> {
    if let Some(shadow) = &filter.shadow {
        let (denial, policy) = verdict(shadow, subject);
        outcome.notes.push(Note::Shadow { prefix: &filter.shadow_prefix, allowed: denial.is_none(), policy });
    }
    let rules = filter.rules.as_ref()?;
    let (denial, policy) = verdict(rules, subject);
    match (rules.action, policy) {
        (Action::Log, Some(policy)) => outcome.notes.push(Note::Logged { policy }),
        (Action::Allow, Some(_)) => outcome.verdict = Verdict::Allowed { policy },
        _ => {}
    }
    denial
}

/// What one rule set says, and the policy that made it.
fn verdict<'a, R: RequestView>(
    rules: &'a Rules,
    subject: &Subject<'_, R>,
) -> (Option<Denial<'a>>, Option<&'a str>) {
    for place in rules.index.candidates(subject) {
        let policy = &rules.policies[place];
        let name = &*policy.name;
        match (rules.action, subject.policy(policy)) {
            (_, Truth::No) | (Action::Allow | Action::Log, Truth::Unknown) => {}
            (Action::Allow | Action::Log, Truth::Yes) => return (None, Some(name)),
            (Action::Deny, Truth::Yes) => return (Some(Denial::Policy { policy: name }), Some(name)),
            (Action::Deny, Truth::Unknown) => {
                let why = evaluate::unknown_in(policy);
                return (Some(Denial::Undecided { policy: name, why }), Some(name));
            }
        }
    }
    let denial =
        (rules.action == Action::Allow).then_some(Denial::NoneMatched { policies: Asked(&rules.policies) });
    (denial, None)
}

/// Whether an external authorizer would be asked: always, or where its shadow rules before it picked the request. (They
/// are DENY rules, so that undecided ones pick too.) Without such rules nothing says whom the question is for: everybody.
fn asks(provider: &str, notes: &[Note<'_>]) -> bool {
    let mut picks = notes.iter().filter_map(|note| match note {
        Note::Shadow { prefix, policy, .. } if prefix.contains("ext_authz") => Some(policy.is_some()),
        _ => None,
    });
    let first = picks.next();
    provider.is_empty() || first.is_none_or(|picked| picked) || picks.any(|picked| picked)
}

#[cfg(test)]
mod tests;

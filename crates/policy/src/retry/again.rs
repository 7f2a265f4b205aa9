//! Whether a request goes again: what its route's policy asks for, and what is safe without being asked for.

use weft_model::request::{RequestView, Written};
use weft_model::table::retry::Retry;

use super::{Outcome, allows};

/// A request is tried at so many endpoints at most for what its route does not ask for.
pub const MOST_UNASKED: usize = 4;

/// A request, as far as another try of it goes.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// The route's policy.
    pub policy: Option<&'a Retry>,
    /// So many tries there were.
    pub attempts: u32,
    /// So many of them came to an endpoint.
    pub tried: usize,
    /// The cluster has so many.
    pub endpoints: usize,
    /// What there is of a body can be sent once more.
    pub replayable: bool,
    /// Once or several times is the same (RFC 9110 9.2.2).
    pub idempotent: bool,
    /// The last try's connection ended before a byte of an answer.
    pub lost: Option<Lost>,
}

/// A connection that ended before a byte of an answer, by what it had been used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// It had been idle: the server was closing it as the request was on its way, the keep-alive race.
    Idle,
    /// It was new, or others were under way on it: the server has died, be it of this very request.
    Busy,
}

/// Whether there is to be another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// It is not asked for, or cannot be.
    No,
    /// There were as many as there may be.
    Exhausted,
    /// It is.
    Yes,
}

/// What the route's policy says to another try.
pub fn wanted(of: &Standing<'_>, outcome: Outcome, response: Option<&impl RequestView>) -> Wanted {
    let Some(policy) = of.policy.filter(|_| of.replayable) else { return Wanted::No };
    if !allows(policy, outcome, response) {
        Wanted::No
    } else if of.attempts > policy.times {
        Wanted::Exhausted
    } else {
        Wanted::Yes
    }
}

/// The same of a try that was not answered, which may be safe to repeat without being asked for.
pub fn elsewhere(of: &Standing<'_>, outcome: Outcome) -> Wanted {
    let asked = wanted(of, outcome, None::<&Written>);
    if asked == Wanted::Yes || !of.replayable || of.tried >= MOST_UNASKED {
        return asked;
    }
    let untried = of.tried < of.endpoints.min(MOST_UNASKED - 1);
    let safe = match outcome {
        // Nothing was sent; but only to endpoints that were not tried yet.
        Outcome::ConnectFailure => untried,
        // Nothing was sent, or the peer said that it did nothing with it: once more, be it there again on another connection;
        // beyond that to others, but never where the route's own count is used up.
        Outcome::RefusedStream | Outcome::Reset { sent: false } => {
            asked == Wanted::No && (untried || of.tried < 2)
        }
        // What is idempotent may go again.
        Outcome::Reset { sent: true } => of.idempotent && may_be_repeated(of, asked, untried),
        Outcome::PerTryTimeout | Outcome::Response { .. } => false,
    };
    if safe { Wanted::Yes } else { asked }
}

/// Whether to ask again what an app may have executed, where twice is the same as once and no byte of an answer has come.
fn may_be_repeated(of: &Standing<'_>, asked: Wanted, untried: bool) -> bool {
    match of.lost {
        Some(Lost::Idle) => true,
        // Once, at another endpoint, and never against a route that wants no second try: what an app dies of is not to end
        // one after the other.
        Some(Lost::Busy) => {
            let retries = of.policy.is_some_and(|policy| policy.times > 0);
            retries && asked == Wanted::No && untried && of.tried < 2
        }
        None => false,
    }
}

#[cfg(test)]
mod tests;

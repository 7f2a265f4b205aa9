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
    /// The last try's connection had been idle and ended before a byte of an answer: the keep-alive race.
    pub raced: bool,
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
        // The connection was closed as the request was on its way; what is idempotent may go again.
        Outcome::Reset { sent: true } => of.raced && of.idempotent,
        Outcome::PerTryTimeout | Outcome::Response { .. } => false,
    };
    if safe { Wanted::Yes } else { asked }
}

#[cfg(test)]
mod tests;

//! Whether a request is tried again, and after what pause.
//!
//! Pure: what happened and how often comes in, a verdict goes out. Budgets and breakers are asked elsewhere, after this.

mod again;

use std::time::Duration;

use rand::{Rng, RngExt};
use weft_model::request::RequestView;
use weft_model::table::retry::{Retry, Word};

pub use self::again::{Lost, MOST_UNASKED, Standing, Wanted, elsewhere, wanted};
use crate::route::header_matches;

/// What became of one try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// No connection came about: nothing of the request was sent.
    ConnectFailure,
    /// The peer refused the stream before looking at it (REFUSED_STREAM, or a GOAWAY that leaves it out).
    RefusedStream,
    /// The connection ended before an answer.
    Reset {
        /// Something of the request was sent: an app may have seen it.
        sent: bool,
    },
    /// The try's own time limit was over.
    PerTryTimeout,
    /// An answer's head came.
    Response {
        /// Its status.
        status: u16,
        /// Its `grpc-status`, if it is gRPC and its head says so.
        grpc_status: Option<u32>,
        /// It carries `x-envoy-ratelimited`.
        rate_limited: bool,
    },
}

/// Whether the policy's words allow another try after this outcome, however many there were.
pub fn allows(policy: &Retry, outcome: Outcome, response: Option<&impl RequestView>) -> bool {
    let has = |word| policy.on.has(word);
    let any_reset = has(Word::Reset) || has(Word::Any5xx) || has(Word::GatewayError);
    match outcome {
        Outcome::ConnectFailure => has(Word::ConnectFailure) || has(Word::ResetBeforeRequest) || any_reset,
        Outcome::RefusedStream => has(Word::RefusedStream) || any_reset,
        Outcome::Reset { sent: false } => has(Word::ResetBeforeRequest) || any_reset,
        Outcome::Reset { sent: true } => any_reset,
        Outcome::PerTryTimeout => any_reset,
        Outcome::Response { status, grpc_status, rate_limited } => {
            if rate_limited && !has(Word::RateLimited) {
                return false;
            }
            let by_status = (has(Word::Any5xx) && (500..600).contains(&status))
                || (has(Word::GatewayError) && (502..=504).contains(&status))
                || (has(Word::Retriable4xx) && status == 409)
                || (has(Word::StatusCodes) && policy.status_codes.contains(&status));
            let by_grpc = grpc_status.and_then(grpc_word).is_some_and(has);
            let by_header = || {
                let asked = has(Word::Headers).then_some(response).flatten();
                asked.is_some_and(|head| {
                    policy.headers.iter().any(|of| header_matches(of, head) == Some(true))
                })
            };
            by_status || by_grpc || rate_limited || by_header()
        }
    }
}

fn grpc_word(status: u32) -> Option<Word> {
    match status {
        1 => Some(Word::GrpcCancelled),
        4 => Some(Word::GrpcDeadlineExceeded),
        8 => Some(Word::GrpcResourceExhausted),
        13 => Some(Word::GrpcInternal),
        14 => Some(Word::GrpcUnavailable),
        _ => None,
    }
}

/// The pause before try number `attempts + 1`: anything from nothing to the base doubled each time, up to the maximum.
/// Full jitter, so that clients whose server came back do not come back all at once.
pub fn back_off(policy: &Retry, attempts: u32, rng: &mut impl Rng) -> Duration {
    let doublings = attempts.saturating_sub(1).min(31);
    let longest = policy.back_off_base.saturating_mul(1 << doublings).min(policy.back_off_max);
    let nanos = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(rng.random_range(0..nanos.max(1)))
}

#[cfg(test)]
mod tests;

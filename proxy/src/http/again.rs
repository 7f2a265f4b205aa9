//! Whether a request goes again: what its route's policy asks for, what is safe without being asked for, and whether the
//! cluster has room for one more retry.

use std::sync::atomic::Ordering;

use weft_policy::retry::{self, Outcome};
use weft_telemetry::ResponseFlag;

use super::attempt::Failure;
use super::call::{Answered, Call, Ledger};
use super::plan::Plan;
use super::relay::Upload;
use crate::upstream::cluster::Retrying;

/// A request whose route asks for no retry is tried so often at most, and only where nothing was sent before.
const MOST_UNSENT: usize = 4;

/// Is it worth another try? A failure to connect is safe to try elsewhere even where the route asks for no retry:
/// nothing was sent; but only on endpoints that were not tried yet.
pub(super) fn elsewhere(
    plan: &Plan,
    outcome: Outcome,
    failure: &Failure,
    call: &Call,
    upload: &Upload,
    tried: &[usize],
) -> Wanted {
    let asked = wanted(plan, outcome, call, upload);
    if asked == Wanted::Yes {
        return asked;
    }
    let untried = tried.len() < plan.cluster.endpoints.len().min(MOST_UNSENT - 1);
    let safe = match failure {
        Failure::Connect(_) => untried,
        // Nothing was sent, or the peer said that it did nothing with it: once more, be it there again on another connection;
        // beyond that on others, but never where the route's own count is used up.
        Failure::Reset { broken, sent, .. } if !sent || broken.is_refused_stream() => {
            asked == Wanted::No && (untried || tried.len() < 2)
        }
        // The keep-alive race: the connection was closed as the request was on its way; what is idempotent may go again.
        Failure::Reset { .. } => failure.is_race() && is_idempotent(call.request.method()),
        _ => false,
    };
    if safe && tried.len() < MOST_UNSENT && upload.can_replay() { Wanted::Yes } else { asked }
}

/// RFC 9110 9.2.2.
fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
}

/// What the route's policy says to another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// It is not asked for, or cannot be.
    No,
    /// There were as many as there may be.
    Exhausted,
    /// It is.
    Yes,
}

pub(super) fn wanted(plan: &Plan, outcome: Outcome, call: &Call, upload: &Upload) -> Wanted {
    let Some(policy) = plan.retry.as_deref().filter(|_| upload.can_replay()) else { return Wanted::No };
    if !retry::allows(policy, outcome, Some(&Answered(&call.response))) {
        Wanted::No
    } else if call.ledger.attempts > policy.times {
        Wanted::Exhausted
    } else {
        Wanted::Yes
    }
}

/// Is there room for another try among the cluster's retries? What it is kept from is written down.
pub(super) fn may_go_again(
    plan: &Plan,
    wanted: Wanted,
    retrying: &mut Option<Retrying>,
    ledger: &mut Ledger,
) -> bool {
    let (state, limits) = (&plan.cluster.state, &plan.cluster.limits);
    match wanted {
        Wanted::No => return false,
        Wanted::Exhausted => {
            ledger.flags.insert(ResponseFlag::UpstreamRetryLimitExceeded);
            return false;
        }
        Wanted::Yes => {}
    }
    // The retry before is over.
    drop(retrying.take());
    match state.retry(limits) {
        Ok(counted) => {
            *retrying = Some(counted);
            state.retried.fetch_add(1, Ordering::Relaxed);
            true
        }
        Err(full) => {
            ledger.flags.insert(ResponseFlag::UpstreamOverflow);
            ledger.reason = format!("not tried again: {full}").into();
            false
        }
    }
}

/// An answer's head, as the policy looks at it.
pub(super) fn answered(call: &Call) -> Outcome {
    let grpc = call.response.headers.text("grpc-status").and_then(|v| v.parse().ok());
    let rate_limited = call.response.headers.contains("x-envoy-ratelimited");
    Outcome::Response { status: call.response.status, grpc_status: grpc, rate_limited }
}

//! Whether a request goes again: as `policy::retry` decides, if the cluster has room for one more retry.

use std::sync::atomic::Ordering;

use weft_policy::retry::{self, Outcome, Standing, Wanted};
use weft_telemetry::ResponseFlag;

use super::attempt::Failure;
use super::call::{Answered, Call, Ledger};
use super::plan::Plan;
use super::relay::{REPLAY, Upload};
use crate::upstream::cluster::Retrying;

/// After a try that was not answered.
pub(super) fn elsewhere(
    plan: &Plan,
    failure: &Failure,
    call: &mut Call,
    upload: &Upload,
    tried: &[usize],
) -> Wanted {
    let Some(outcome) = failure.outcome() else { return Wanted::No };
    let of = Standing { tried: tried.len(), lost: failure.lost(), ..standing(plan, call, upload) };
    if !of.replayable {
        too_large(&of, outcome, call);
    }
    retry::elsewhere(&of, outcome)
}

/// After an answer.
pub(super) fn wanted(plan: &Plan, call: &mut Call, upload: &Upload) -> Wanted {
    let (of, outcome) = (standing(plan, call, upload), answered(call));
    if !of.replayable {
        too_large(&of, outcome, call);
    }
    retry::wanted(&of, outcome, Some(&Answered(&call.response)))
}

/// Writes down that it would go again, were its body not too large to be kept.
fn too_large(of: &Standing<'_>, outcome: Outcome, call: &mut Call) {
    let kept = Standing { replayable: true, ..*of };
    if retry::wanted(&kept, outcome, Some(&Answered(&call.response))) == Wanted::Yes {
        let most = REPLAY / 1024;
        call.ledger.reason =
            format!("not tried again: of its body more had come than the {most} KiB that are kept").into();
    }
}

fn standing<'a>(plan: &'a Plan, call: &Call, upload: &Upload) -> Standing<'a> {
    Standing {
        policy: plan.retry.as_deref().map(|retry| &**retry),
        attempts: call.ledger.attempts,
        tried: 0,
        endpoints: plan.cluster.endpoints.len(),
        replayable: upload.can_replay(),
        idempotent: is_idempotent(call.request.method()),
        lost: None,
    }
}

/// Once or several times is the same (RFC 9110 9.2.2).
pub(super) fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
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
fn answered(call: &Call) -> Outcome {
    let grpc = call.response.headers.text("grpc-status").and_then(|v| v.parse().ok());
    let rate_limited = call.response.headers.contains("x-envoy-ratelimited");
    Outcome::Response { status: call.response.status, grpc_status: grpc, rate_limited }
}

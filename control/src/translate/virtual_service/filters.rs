//! What filters are told by a route: faults, CORS, and copies.

use weft_model::route::{Cors, Fault, FaultAbort, Fraction};

use super::string;
use crate::resources::grpc_status;
use crate::resources::virtual_service::{
    self as resource, Abort, CorsPolicy, Delay, Percent, StringMatch, UnmatchedPreflights,
};

/// Faults; `None` where nothing is left of them.
pub(super) fn fault(written: &resource::Fault) -> Option<Fault> {
    // Without a percentage nothing is delayed, and nothing aborted: that is how Istio means it.
    let nobody = percent(0);
    let delay = written
        .delay
        .as_ref()
        .and_then(|delay| Some((delay.fixed_delay?.0, delayed(delay).unwrap_or(nobody))));
    let abort =
        written.abort.as_ref().and_then(|abort| Some((answer(abort)?, aborted(abort).unwrap_or(nobody))));
    (delay.is_some() || abort.is_some()).then_some(Fault { delay, abort })
}

/// How many requests are delayed, if that is said.
pub(super) fn delayed(delay: &Delay) -> Option<Fraction> {
    let whole = || u32::try_from(delay.percent).ok().filter(|percent| *percent > 0).map(percent);
    delay.percentage.as_ref().map(million).or_else(whole)
}

/// How many requests are aborted, if that is said.
pub(super) fn aborted(abort: &Abort) -> Option<Fraction> {
    abort.percentage.as_ref().map(million)
}

fn answer(abort: &Abort) -> Option<FaultAbort> {
    if let Some(status) = abort.http_status {
        return u16::try_from(status).ok().map(FaultAbort::Http);
    }
    grpc_status::number(abort.grpc_status.as_deref()?).map(FaultAbort::Grpc)
}

/// CORS.
pub(super) fn cors(written: &CorsPolicy) -> Cors {
    let exact: Vec<StringMatch> = written.allow_origin.iter().cloned().map(StringMatch::Exact).collect();
    let origins = if written.allow_origins.is_empty() { &exact } else { &written.allow_origins };
    Cors {
        allow_origins: origins.iter().filter_map(string).collect(),
        allow_methods: written.allow_methods.join(","),
        allow_headers: written.allow_headers.join(","),
        expose_headers: written.expose_headers.join(","),
        max_age: written.max_age.map(|age| age.0.as_secs().to_string()).unwrap_or_default(),
        allow_credentials: written.allow_credentials,
        forward_not_matching_preflights: Some(written.unmatched_preflights != UnmatchedPreflights::Ignore),
    }
}

/// How many requests are copied: all, unless it is said; `None`: none.
pub(super) fn copied(percentage: Option<&Percent>, whole: Option<u32>) -> Option<Fraction> {
    match (percentage, whole) {
        (Some(percentage), _) => (percentage.value > 0.0).then(|| million(percentage)),
        (None, Some(whole)) => (whole > 0).then(|| percent(whole)),
        (None, None) => Some(percent(100)),
    }
}

/// A share out of a million.
fn million(percentage: &Percent) -> Fraction {
    // Not a number is none, and what does not fit is all that fits: the cast saturates.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share is cut to whole millionths"
    )]
    let numerator = (percentage.value * 10_000.0) as u32;
    Fraction { numerator, denominator: 1_000_000 }
}

fn percent(numerator: u32) -> Fraction {
    Fraction { numerator, denominator: 100 }
}

//! What an upstream is told of the time that is left: it need not work on what nobody waits for any more.

use std::time::Duration;

use super::call::Call;
use super::clock::{Clock, grpc_timeout};
use super::hop::EXPECTED;

/// gRPC's own deadline.
const GRPC: &str = "grpc-timeout";

/// Writes down how long this try may take: what is left of the limits of time, as the clock counts them. A client's gRPC
/// deadline is shortened by what has passed since it came and by what the route allows, and never made longer; where a call has
/// a limit of the route's alone, that becomes its deadline.
pub(super) fn tell(clock: &Clock, call: &mut Call) {
    let limit = clock.left(call.ledger.tried.into());
    if limit.is_none() && !call.ledger.grpc {
        return;
    }
    let headers = &mut call.request.headers;
    if let Some(limit) = limit {
        // Zero would mean no limit; the millisecond that has begun counts whole.
        let begun = u64::from(limit.subsec_micros().div_ceil(1000));
        let milliseconds = limit.as_secs().saturating_mul(1000).saturating_add(begun).max(1);
        let _ = headers.set_number(EXPECTED, milliseconds);
    }
    if !call.ledger.grpc {
        return;
    }
    let asked = || match headers.text(GRPC) {
        Some(text) => grpc_timeout(text),
        None => limit.map(|_| Duration::MAX),
    };
    let Some(asked) = *call.ledger.deadline.get_or_insert_with(asked) else { return };
    let passed = call.ledger.tried.saturating_duration_since(call.ledger.start);
    let left = limit.map_or(asked, |limit| limit.min(asked)).min(asked.saturating_sub(passed));
    let _ = headers.set(GRPC, written(left));
}

/// As gRPC writes it: at most eight digits and a unit, as fine as fits.
fn written(span: Duration) -> String {
    const MOST: u128 = 99_999_999;
    let units = [(span.as_nanos(), "n"), (span.as_micros(), "u"), (span.as_millis(), "m")];
    let fits = units.into_iter().find(|(count, _)| *count <= MOST);
    let (count, unit) = fits.unwrap_or((u128::from(span.as_secs()).min(MOST), "S"));
    format!("{}{unit}", count.max(1))
}

#[cfg(test)]
mod tests;

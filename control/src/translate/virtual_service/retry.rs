//! When a request is tried again.

use weft_model::route::RetryPolicy;

use crate::resources::virtual_service::Retries;

/// What is tried again where nobody says otherwise: what cannot have reached the app, whatever its method.
///
/// Istio's own default adds `unavailable` and `cancelled`, gRPC statuses that an app gives after it may have done its work;
/// each gRPC call is a POST. Here they are tried again where the YAML says so in so many words.
const RETRY_ON: &str = "connect-failure,refused-stream,retriable-status-codes";

/// The policy that is written, with Istio's defaults for what it leaves out; `None`: never. By a consistent hash the
/// same endpoint is tried again, unless it is said otherwise.
pub fn policy(written: Option<&Retries>, consistent_hash: bool) -> Option<RetryPolicy> {
    let mut policy = RetryPolicy {
        retry_on: RETRY_ON.to_owned(),
        num_retries: Some(2),
        avoid_previous_hosts: !consistent_hash,
        host_selection_max_attempts: Some(5),
        ..RetryPolicy::default()
    };
    let Some(written) = written else { return Some(policy) };
    let attempts = u32::try_from(written.attempts).ok().filter(|attempts| *attempts > 0)?;
    policy.num_retries = Some(attempts);
    if !written.retry_on.is_empty() {
        reasons(&written.retry_on, &mut policy);
    }
    policy.per_try_timeout = written.per_try_timeout.map(|span| span.0);
    policy.avoid_previous_hosts = written.retry_ignore_previous_hosts.unwrap_or(policy.avoid_previous_hosts);
    // As istiod has it: two tries where the first would go, before others are looked for.
    policy.avoid_previous_priorities = (written.retry_remote_localities == Some(true)).then_some(2);
    policy.back_off_base = written.backoff.map(|span| span.0);
    Some(policy)
}

/// Reasons stay, numbers become statuses.
fn reasons(written: &str, policy: &mut RetryPolicy) {
    let mut reasons = Vec::new();
    for part in written.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        match part.parse() {
            Ok(status) if is_status(status) => policy.retriable_status_codes.push(status),
            _ => reasons.push(part),
        }
    }
    let by_status = "retriable-status-codes";
    if !policy.retriable_status_codes.is_empty() && !reasons.contains(&by_status) {
        reasons.push(by_status);
    }
    policy.retry_on = reasons.join(",");
}

/// The statuses that have a name; another number is no status, as in Istio.
fn is_status(status: u16) -> bool {
    matches!(status, 100..=103 | 200..=208 | 226 | 300..=305 | 307 | 308 | 400..=418 | 421..=426 | 428 | 429
        | 431 | 451 | 500..=508 | 510 | 511)
}

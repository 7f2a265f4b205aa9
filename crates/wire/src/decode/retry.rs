//! When a request is tried again: `RetryPolicy`.

use weft_model::route::RetryPolicy;

use super::at::{At, Decoded, unpack};
use super::matcher::headers;
use super::value::{Packed, duration, message, packed, status};
use crate::pb::route::retry_policy::{retry_host_predicate, retry_priority};
use crate::pb::{previous_priorities, route};

pub(super) fn retry(at: &At<'_>, value: route::RetryPolicy) -> Decoded<RetryPolicy> {
    unpack!(at, value, route::RetryPolicy {
        retry_on, num_retries, per_try_timeout, retry_priority, retry_host_predicate,
        host_selection_retry_max_attempts, retriable_status_codes, retry_back_off, retriable_headers
    } else { per_try_idle_timeout, retry_options_predicates, rate_limited_retry_back_off, retriable_request_headers, refresh_cluster_on_retry });
    let statuses = retriable_status_codes.into_iter().enumerate();
    let statuses = statuses.map(|(n, value)| status(&at.item("retriable_status_codes", n), "", value));
    let mut policy = RetryPolicy {
        retry_on,
        num_retries: num_retries.map(|value| value.value),
        per_try_timeout: duration(at, "per_try_timeout", per_try_timeout)?,
        retriable_status_codes: statuses.collect::<Decoded<_>>()?,
        retriable_headers: headers(at, "retriable_headers", retriable_headers)?,
        avoid_previous_hosts: previous_hosts(at, retry_host_predicate)?,
        avoid_previous_priorities: previous_priority(&at.field("retry_priority"), retry_priority)?,
        host_selection_max_attempts: attempts(at, host_selection_retry_max_attempts)?,
        back_off_base: None,
        back_off_max: None,
    };
    if let Some(value) = retry_back_off {
        let at = at.field("retry_back_off");
        policy.back_off_base = duration(&at, "base_interval", value.base_interval)?;
        policy.back_off_max = duration(&at, "max_interval", value.max_interval)?;
    }
    Ok(policy)
}

/// Zero is unset, as in Envoy.
fn attempts(at: &At<'_>, value: i64) -> Decoded<Option<u32>> {
    match u32::try_from(value) {
        Ok(0) => Ok(None),
        Ok(attempts) => Ok(Some(attempts)),
        Err(_) => {
            Err(at.field("host_selection_retry_max_attempts").fault(format!("{value} is no number of tries")))
        }
    }
}

fn previous_hosts(at: &At<'_>, values: Vec<route::retry_policy::RetryHostPredicate>) -> Decoded<bool> {
    let mut avoid = false;
    for (n, value) in values.into_iter().enumerate() {
        let at = at.item("retry_host_predicate", n);
        let known = match &value.config_type {
            Some(retry_host_predicate::ConfigType::TypedConfig(any)) => matches!(
                packed(&at.field("typed_config"), any)?,
                Packed::Message("envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate", _)
            ),
            None => value.name == "envoy.retry_host_predicates.previous_hosts",
        };
        avoid |= known;
        if !known {
            at.note("endpoints are not left out by it");
        }
    }
    Ok(avoid)
}

/// How often a retry's priority is chosen anew: `update_frequency`.
fn previous_priority(at: &At<'_>, value: Option<route::retry_policy::RetryPriority>) -> Decoded<Option<u32>> {
    const CONFIG: &str = "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig";
    let Some(value) = value else { return Ok(None) };
    if let Some(retry_priority::ConfigType::TypedConfig(any)) = &value.config_type {
        let at = at.field("typed_config");
        if let Packed::Message(CONFIG, bytes) = packed(&at, any)? {
            let config: previous_priorities::PreviousPrioritiesConfig = message(&at, bytes)?;
            // Envoy takes none below 1.
            return Ok(Some(u32::try_from(config.update_frequency).unwrap_or(1).max(1)));
        }
    } else if value.name == "envoy.retry_priorities.previous_priorities" {
        return Ok(Some(1));
    }
    at.note("priorities are not changed by it");
    Ok(None)
}

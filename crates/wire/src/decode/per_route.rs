//! What filters are told by a route: faults, CORS and limits.

use std::collections::HashMap;

use weft_model::limit::LocalRateLimit;
use weft_model::route::{Cors, Fault, FaultAbort};

use super::at::{At, Decoded, unpack};
use super::limit;
use super::matcher::strings;
use super::value::{Packed, duration, fraction, message, packed, runtime_fraction, status};
use crate::encode;
use crate::pb::{Any, common_fault, cors, fault};

#[derive(Default)]
pub(super) struct PerRoute {
    pub(super) fault: Option<Fault>,
    pub(super) cors: Option<Cors>,
    pub(super) limit: Option<LocalRateLimit>,
}

pub(super) fn filters(at: &At<'_>, configs: HashMap<String, Any>) -> Decoded<PerRoute> {
    let mut all = PerRoute::default();
    for (name, any) in configs {
        let at = at.key("typed_per_filter_config", &name);
        match packed(&at, &any)? {
            Packed::Message("envoy.extensions.filters.http.fault.v3.HTTPFault", bytes) => {
                all.fault = Some(fault(&at, message(&at, bytes)?)?);
            }
            Packed::Message("envoy.extensions.filters.http.cors.v3.CorsPolicy", bytes) => {
                all.cors = Some(cors(&at, message(&at, bytes)?)?);
            }
            Packed::Message("envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit", bytes) => {
                all.limit = Some(limit::limit(&at, message(&at, bytes)?)?);
            }
            _ => at.note("it has no effect"),
        }
    }
    Ok(all)
}

pub(super) fn fault(at: &At<'_>, value: fault::HttpFault) -> Decoded<Fault> {
    unpack!(at, value, fault::HttpFault { delay, abort } else { upstream_cluster, headers, downstream_nodes, max_active_faults, response_rate_limit, delay_percent_runtime, abort_percent_runtime, delay_duration_runtime, abort_http_status_runtime, max_active_faults_runtime, response_rate_limit_percent_runtime, abort_grpc_status_runtime, disable_downstream_cluster_stats, filter_metadata });
    Ok(Fault {
        delay: delay.map(|value| self::delay(&at.field("delay"), value)).transpose()?.flatten(),
        abort: abort.map(|value| self::abort(&at.field("abort"), value)).transpose()?.flatten(),
    })
}

type Share = weft_model::route::Fraction;

fn delay(at: &At<'_>, value: common_fault::FaultDelay) -> Decoded<Option<(std::time::Duration, Share)>> {
    use common_fault::fault_delay::FaultDelaySecifier as Is;
    let share = fraction(at, "percentage", value.percentage.unwrap_or_default())?;
    match value.fault_delay_secifier {
        Some(Is::FixedDelay(value)) => {
            let delay = duration(at, "fixed_delay", Some(value))?.unwrap_or_default();
            Ok(Some((delay, share)))
        }
        Some(Is::HeaderDelay(_)) => {
            at.note("clients cannot ask for delays");
            Ok(None)
        }
        None => Err(at.fault("it says no delay")),
    }
}

fn abort(at: &At<'_>, value: fault::FaultAbort) -> Decoded<Option<(FaultAbort, Share)>> {
    use fault::fault_abort::ErrorType as Is;
    at.left("response_body", &value.response_body);
    let share = fraction(at, "percentage", value.percentage.unwrap_or_default())?;
    match value.error_type {
        Some(Is::HttpStatus(value)) => Ok(Some((FaultAbort::Http(status(at, "http_status", value)?), share))),
        Some(Is::GrpcStatus(value)) => Ok(Some((FaultAbort::Grpc(value), share))),
        Some(Is::HeaderAbort(_)) => {
            at.note("clients cannot ask for aborts");
            Ok(None)
        }
        None => Err(at.fault("it says no status")),
    }
}

fn cors(at: &At<'_>, value: cors::CorsPolicy) -> Decoded<Cors> {
    unpack!(at, value, cors::CorsPolicy {
        allow_origin_string_match, allow_methods, allow_headers, expose_headers, max_age, allow_credentials,
        filter_enabled, forward_not_matching_preflights
    } else { shadow_enabled, allow_private_network_access });
    let enabled = runtime_fraction(at, "filter_enabled", filter_enabled)?;
    if enabled.is_some_and(|share| share != encode::per_route::ALWAYS) {
        at.field("filter_enabled").note("CORS applies to every request of the route");
    }
    Ok(Cors {
        allow_origins: strings(at, "allow_origin_string_match", allow_origin_string_match)?,
        allow_methods,
        allow_headers,
        expose_headers,
        max_age,
        allow_credentials: allow_credentials.map(|value| value.value),
        forward_not_matching_preflights: forward_not_matching_preflights.map(|value| value.value),
    })
}

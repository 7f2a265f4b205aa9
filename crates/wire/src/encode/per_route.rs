//! What filters are told by a route: faults, CORS and limits.

use std::collections::HashMap;

use weft_model::route::{Cors, Fault, FaultAbort, Fraction, Route};

use super::limit;
use super::matcher::string;
use super::value::{duration, fraction, pack, runtime_fraction};
use crate::pb::{Any, BoolValue, common_fault, cors, fault};

/// All of a hundred.
pub(crate) const ALWAYS: Fraction = Fraction { numerator: 100, denominator: 100 };

pub(crate) fn filters(of: &Route) -> HashMap<String, Any> {
    let mut configs = HashMap::new();
    if let Some(value) = &of.fault {
        configs.insert("envoy.filters.http.fault".to_owned(), pack(&fault(value)));
    }
    if let Some(value) = &of.cors {
        configs.insert("envoy.filters.http.cors".to_owned(), pack(&cors(value)));
    }
    if let Some(value) = &of.limit {
        configs.insert("envoy.filters.http.local_ratelimit".to_owned(), pack(&limit::limit(value)));
    }
    configs
}

fn fault(value: &Fault) -> fault::HttpFault {
    use common_fault::fault_delay::FaultDelaySecifier;
    use fault::fault_abort::ErrorType;
    let delay = value.delay.map(|(delay, share)| common_fault::FaultDelay {
        percentage: Some(fraction(share)),
        fault_delay_secifier: Some(FaultDelaySecifier::FixedDelay(duration(delay))),
    });
    let abort = value.abort.map(|(abort, share)| fault::FaultAbort {
        percentage: Some(fraction(share)),
        response_body: String::new(),
        error_type: Some(match abort {
            FaultAbort::Http(status) => ErrorType::HttpStatus(status.into()),
            FaultAbort::Grpc(status) => ErrorType::GrpcStatus(status),
        }),
    });
    fault::HttpFault { delay, abort, ..Default::default() }
}

fn cors(value: &Cors) -> cors::CorsPolicy {
    let flag = |value: Option<bool>| value.map(|value| BoolValue { value });
    cors::CorsPolicy {
        allow_origin_string_match: value.allow_origins.iter().map(string).collect(),
        allow_methods: value.allow_methods.clone(),
        allow_headers: value.allow_headers.clone(),
        expose_headers: value.expose_headers.clone(),
        max_age: value.max_age.clone(),
        allow_credentials: flag(value.allow_credentials),
        filter_enabled: Some(runtime_fraction(ALWAYS)),
        forward_not_matching_preflights: flag(value.forward_not_matching_preflights),
        ..Default::default()
    }
}

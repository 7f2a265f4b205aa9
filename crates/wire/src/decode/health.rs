//! Active health checks.

use weft_model::health::{HealthCheck, Probe};

use super::at::{At, Decoded, unpack};
use super::value::duration;
use crate::pb::core;

/// The length of a service's name is one byte in what is asked.
const LONGEST_SERVICE: usize = 120;

#[allow(deprecated, reason = "what older control planes write is noted too")]
pub(super) fn check(at: &At<'_>, value: core::HealthCheck) -> Decoded<HealthCheck> {
    unpack!(at, value, core::HealthCheck {
        timeout, interval, no_traffic_interval, interval_jitter_percent, unhealthy_threshold, healthy_threshold, health_checker
    } else { initial_jitter, interval_jitter, alt_port, reuse_connection, no_traffic_healthy_interval, unhealthy_interval, unhealthy_edge_interval, healthy_edge_interval, event_log_path, event_logger, event_service, always_log_health_check_failures, always_log_health_check_success, tls_options, transport_socket_match_criteria });
    let above_zero = |field: &str, value| -> Decoded<std::time::Duration> {
        let found = duration(at, field, value)?.filter(|time| !time.is_zero());
        found.ok_or_else(|| at.field(field).fault("it is missing or 0"))
    };
    let threshold = |field: &str, value: Option<crate::pb::UInt32Value>| -> Decoded<u32> {
        value.map(|value| value.value).ok_or_else(|| at.field(field).fault("it is missing"))
    };
    let interval = above_zero("interval", interval)?;
    // Traffic or none, probes come at one pace.
    if duration(at, "no_traffic_interval", no_traffic_interval)?.is_some_and(|other| other != interval) {
        at.field("no_traffic_interval")
            .note("no_traffic_interval has no effect where it is not the interval");
    }
    Ok(HealthCheck {
        probe: probe(at, health_checker)?,
        interval,
        jitter_percent: interval_jitter_percent,
        timeout: above_zero("timeout", timeout)?,
        unhealthy_threshold: threshold("unhealthy_threshold", unhealthy_threshold)?,
        healthy_threshold: threshold("healthy_threshold", healthy_threshold)?,
    })
}

fn probe(at: &At<'_>, value: Option<core::health_check::HealthChecker>) -> Decoded<Probe> {
    use core::health_check::{GrpcHealthCheck, HealthChecker as Is, HttpHealthCheck, TcpHealthCheck};
    Ok(match value {
        Some(Is::HttpHealthCheck(value)) => {
            let at = at.field("http_health_check");
            unpack!(at, value, HttpHealthCheck {
                host, path, retriable_statuses
            } else { send, receive, response_buffer_size, request_headers_to_add, request_headers_to_remove, expected_statuses, codec_client_type, service_name_matcher, method });
            if !path.starts_with('/') {
                return Err(at.field("path").fault(format!("{path:?} is no path")));
            }
            Probe::Http { path, host, patient: !retriable_statuses.is_empty() }
        }
        Some(Is::GrpcHealthCheck(value)) => {
            let at = at.field("grpc_health_check");
            unpack!(at, value, GrpcHealthCheck { service_name, authority } else { initial_metadata });
            if service_name.len() > LONGEST_SERVICE {
                return Err(at
                    .field("service_name")
                    .fault(format!("it is longer than {LONGEST_SERVICE} bytes")));
            }
            Probe::Grpc { service: service_name, authority }
        }
        Some(Is::TcpHealthCheck(value)) => {
            let at = at.field("tcp_health_check");
            unpack!(at, value, TcpHealthCheck {} else { send, receive, proxy_protocol_config });
            Probe::Tcp
        }
        Some(Is::CustomHealthCheck(value)) => {
            return Err(at.field("custom_health_check").fault(format!("{:?} is not known here", value.name)));
        }
        None => return Err(at.fault("it says not what is asked")),
    })
}

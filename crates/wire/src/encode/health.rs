//! Active health checks.

use weft_model::health::{HealthCheck, Probe};

use super::value::{duration, number};
use crate::pb::{core, types};

pub(crate) fn check(value: &HealthCheck) -> core::HealthCheck {
    use core::health_check::{GrpcHealthCheck, HealthChecker, HttpHealthCheck, TcpHealthCheck};
    let checker = match &value.probe {
        Probe::Http { path, host, patient } => HealthChecker::HttpHealthCheck(HttpHealthCheck {
            host: host.clone(),
            path: path.clone(),
            retriable_statuses: if *patient {
                vec![types::Int64Range { start: 100, end: 600 }]
            } else {
                Vec::new()
            },
            ..Default::default()
        }),
        Probe::Grpc { service, authority } => HealthChecker::GrpcHealthCheck(GrpcHealthCheck {
            service_name: service.clone(),
            authority: authority.clone(),
            ..Default::default()
        }),
        Probe::Tcp => HealthChecker::TcpHealthCheck(TcpHealthCheck::default()),
    };
    core::HealthCheck {
        timeout: Some(duration(value.timeout)),
        interval: Some(duration(value.interval)),
        // Envoy would ask once a minute only, until there was a first connection.
        no_traffic_interval: Some(duration(value.interval)),
        interval_jitter_percent: value.jitter_percent,
        unhealthy_threshold: number(Some(value.unhealthy_threshold)),
        healthy_threshold: number(Some(value.healthy_threshold)),
        health_checker: Some(checker),
        ..Default::default()
    }
}

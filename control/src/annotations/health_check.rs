//! `weft.dev/health-check`: how callers ask a service's endpoints whether they are well.

use std::time::Duration;

use weft_model::health::{HealthCheck, Probe};

use super::pairs::Pairs;

const KNOWN: &str =
    "protocol, path, host, service, interval, timeout, unhealthy_threshold, healthy_threshold";

pub(super) fn parse(text: &str) -> Result<HealthCheck, String> {
    let mut pairs = Pairs::of(text)?;
    let probe = match pairs.take("protocol").unwrap_or("http") {
        "http" => {
            let path = pairs.take("path").unwrap_or("/").to_owned();
            if !path.starts_with('/') {
                return Err(format!("path: {path:?} does not begin with a slash"));
            }
            Probe::Http { path, host: pairs.take("host").unwrap_or_default().to_owned(), patient: true }
        }
        "grpc" => Probe::Grpc {
            service: pairs.take("service").unwrap_or_default().to_owned(),
            authority: String::new(),
        },
        "tcp" => Probe::Tcp,
        other => return Err(format!("protocol: {other:?} is none of http, grpc and tcp")),
    };
    let above_zero = |name: &str, time: Option<Duration>, default: u64| match time
        .unwrap_or(Duration::from_secs(default))
    {
        Duration::ZERO => Err(format!("{name} is 0")),
        time => Ok(time),
    };
    let interval = above_zero("interval", pairs.duration("interval")?, 5)?;
    let timeout = above_zero("timeout", pairs.duration("timeout")?, 1)?;
    let threshold = |name: &str, count: Option<u32>, default: u32| match count.unwrap_or(default) {
        0 => Err(format!("{name} is 0")),
        count => Ok(count),
    };
    let unhealthy_threshold = threshold("unhealthy_threshold", pairs.number("unhealthy_threshold")?, 3)?;
    let healthy_threshold = threshold("healthy_threshold", pairs.number("healthy_threshold")?, 2)?;
    pairs.done(KNOWN)?;
    Ok(HealthCheck { probe, interval, jitter_percent: 10, timeout, unhealthy_threshold, healthy_threshold })
}

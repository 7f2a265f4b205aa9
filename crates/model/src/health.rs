//! Active health checks: `envoy.config.core.v3.HealthCheck`.

use std::time::Duration;

/// The `user-agent` of one that a sidecar asks for, by which whoever writes it down tells it from what apps ask for.
pub const USER_AGENT: &str = "weft/health";

/// How the endpoints of a cluster are asked whether they are well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is asked.
    pub probe: Probe,
    /// So often; above zero.
    pub interval: Duration,
    /// More than that by chance, in percent of it, so that a thousand proxies do not ask at once.
    pub jitter_percent: u32,
    /// An answer must be there by then; above zero.
    pub timeout: Duration,
    /// After so many failures in a row it is not well.
    pub unhealthy_threshold: u32,
    /// After so many answers in a row it is well again.
    pub healthy_threshold: u32,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// A GET over HTTP/1.1; 200 is well.
    Http {
        /// Its path.
        path: String,
        /// Its Host; empty: the cluster's name.
        host: String,
        /// Another status than 200 counts like no answer; if not, one of them is enough.
        patient: bool,
    },
    /// gRPC's own protocol of health checks.
    Grpc {
        /// Which service; empty: the server as a whole.
        service: String,
        /// Its `:authority`; empty: the cluster's name.
        authority: String,
    },
    /// A connection that stands.
    Tcp,
}

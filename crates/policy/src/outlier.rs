//! Outlier detection: which endpoints of one cluster are to be left alone for a while.
//!
//! Pure: the caller reports what happened and when; nothing here reads a clock or opens a socket. The semantics are those of
//! `envoy.config.cluster.v3.OutlierDetection`, with one difference: an endpoint comes back exactly when its time is over,
//! not at the next sweep of an interval. [`Streaks`] counts failures in a row where answers arrive, without a lock;
//! [`Ejections`] decides, for the whole cluster, what follows once a streak is long enough.

mod ejections;
mod rate;
mod streaks;

use std::num::NonZeroU32;
use std::time::Duration;

use weft_model::cluster::OutlierDetection;

pub use self::ejections::{Ejections, Verdict};
pub use self::rate::{Rate, laggards};
pub use self::streaks::Streaks;

/// What one cluster asks for, with Envoy's defaults for what it leaves out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Ejects after this many 5xx in a row; `None` never does.
    pub consecutive_5xx: Option<NonZeroU32>,
    /// Ejects after this many 502, 503 and 504 in a row.
    pub consecutive_gateway_failure: Option<NonZeroU32>,
    /// Ejects after this many failures of our own making in a row; only where they are counted apart.
    pub consecutive_local_origin_failure: Option<NonZeroU32>,
    /// Failures of our own making (no connection, no answer) are no 5xx, but counted apart.
    pub split_local_origin: bool,
    /// An endpoint that was well for so long is forgiven one ejection.
    pub interval: Duration,
    /// The first ejection's length; the n-th lasts n times as long.
    pub base_ejection: Duration,
    /// No ejection lasts longer.
    pub max_ejection: Duration,
    /// Share of endpoints that may be out at once, 0 to 100; strict, so 80 of one endpoint ejects none.
    pub max_ejected_percent: u32,
    /// Percent of the deserved ejections that are carried out.
    pub enforcing: Enforcing,
}

/// Percent of the deserved ejections that are carried out, by cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enforcing {
    /// Of those for 5xx in a row.
    pub consecutive_5xx: u32,
    /// Of those for gateway errors in a row.
    pub gateway: u32,
    /// Of those for failures of our own making in a row.
    pub local_origin: u32,
    /// Of those for a low rate of success.
    pub success_rate: u32,
    /// Of those for a low rate of requests that got an answer at all.
    pub local_origin_success_rate: u32,
}

/// Why an endpoint deserves to be ejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// So many 5xx in a row.
    Consecutive5xx(u32),
    /// So many 502, 503, 504 in a row.
    ConsecutiveGateway(u32),
    /// So many failures of our own making in a row.
    ConsecutiveLocalOrigin(u32),
    /// Far fewer successes than its peers.
    SuccessRate,
    /// Far fewer answers than its peers.
    LocalOriginSuccessRate,
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Consecutive5xx(n) => write!(f, "{n} 5xx in a row"),
            Self::ConsecutiveGateway(n) => write!(f, "{n} gateway errors (502, 503, 504) in a row"),
            Self::ConsecutiveLocalOrigin(n) => write!(f, "{n} times in a row no connection or no answer"),
            Self::SuccessRate => f.write_str("a success rate far below its peers'"),
            Self::LocalOriginSuccessRate => {
                f.write_str("far more connections and answers missing than its peers'")
            }
        }
    }
}

/// What became of one request at one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// An answer with this status (for gRPC, the HTTP status that its own stands for), or a TCP connection that came about
    /// (any status below 500).
    Answered(u16),
    /// No connection, or no answer: a failure of our own making, as Envoy calls it.
    LocalOrigin,
}

impl Outcome {
    /// A TCP connection that came about.
    pub const CONNECTED: Self = Self::Answered(200);

    /// It counts against the endpoint.
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::Answered(..500))
    }
}

impl Settings {
    /// As the cluster's settings have it.
    pub fn new(of: &OutlierDetection) -> Self {
        let count = |said: Option<u32>| NonZeroU32::new(said.unwrap_or(5));
        let base_ejection = of.base_ejection_time.unwrap_or(Duration::from_secs(30));
        Self {
            consecutive_5xx: count(of.consecutive_5xx),
            consecutive_gateway_failure: count(of.consecutive_gateway_failure),
            consecutive_local_origin_failure: count(of.consecutive_local_origin_failure),
            split_local_origin: of.split_external_local_origin_errors,
            interval: of.interval.filter(|t| !t.is_zero()).unwrap_or(Duration::from_secs(10)),
            base_ejection,
            max_ejection: of.max_ejection_time.unwrap_or(Duration::from_secs(300)).max(base_ejection),
            max_ejected_percent: of.max_ejection_percent.unwrap_or(10).min(100),
            enforcing: Enforcing {
                consecutive_5xx: of.enforcing_consecutive_5xx.unwrap_or(100),
                gateway: of.enforcing_consecutive_gateway_failure.unwrap_or(0),
                local_origin: of.enforcing_consecutive_local_origin_failure.unwrap_or(100),
                success_rate: of.enforcing_success_rate.unwrap_or(100),
                local_origin_success_rate: of.enforcing_local_origin_success_rate.unwrap_or(100),
            },
        }
    }

    /// So many of `total` may be out at once.
    pub fn most_out(&self, total: usize) -> usize {
        total * self.max_ejected_percent.min(100) as usize / 100
    }

    /// Rates of success are looked at.
    pub fn rates(&self) -> bool {
        self.enforcing.success_rate > 0
            || (self.split_local_origin && self.enforcing.local_origin_success_rate > 0)
    }

    fn enforced(&self, cause: Cause) -> u32 {
        match cause {
            Cause::Consecutive5xx(_) => self.enforcing.consecutive_5xx,
            Cause::ConsecutiveGateway(_) => self.enforcing.gateway,
            Cause::ConsecutiveLocalOrigin(_) => self.enforcing.local_origin,
            Cause::SuccessRate => self.enforcing.success_rate,
            Cause::LocalOriginSuccessRate => self.enforcing.local_origin_success_rate,
        }
    }
}

#[cfg(test)]
mod tests;

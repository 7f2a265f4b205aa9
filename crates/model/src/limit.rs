//! Local rate limits: `envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit`.

use std::time::Duration;

use crate::route::Fraction;

/// One limit. On a route it holds in place of the filter's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalRateLimit {
    /// Prefix of its statistics.
    pub stat_prefix: String,
    /// What there is to take; `None`: nothing is limited here.
    pub bucket: Option<TokenBucket>,
    /// This share of requests takes a token.
    pub enabled: Fraction,
    /// This share of those that find none is refused.
    pub enforced: Fraction,
    /// What they are answered with.
    pub status: u16,
    /// Answers say what is left: `x-ratelimit-limit`, `-remaining`, `-reset`.
    pub headers: bool,
    /// gRPC's clients are told RESOURCE_EXHAUSTED rather than UNAVAILABLE.
    pub resource_exhausted: bool,
}

/// `envoy.type.v3.TokenBucket`. It is full at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenBucket {
    /// It holds so many; 0 lets nobody through.
    pub max_tokens: u32,
    /// So many come in `fill_interval`, one by one.
    pub tokens_per_fill: u32,
    /// Above zero.
    pub fill_interval: Duration,
}

//! Local rate limits.

use weft_model::limit::{LocalRateLimit, TokenBucket};

use super::value::{duration, number, runtime_fraction};
use crate::pb::{local_ratelimit, types};

/// `XRateLimitHeadersRfcVersion.DRAFT_VERSION_03`.
pub(crate) const HEADERS: i32 = 1;

pub(crate) fn limit(value: &LocalRateLimit) -> local_ratelimit::LocalRateLimit {
    local_ratelimit::LocalRateLimit {
        stat_prefix: value.stat_prefix.clone(),
        // 429 is what nothing says.
        status: (value.status != 429).then(|| types::HttpStatus { code: value.status.into() }),
        token_bucket: value.bucket.as_ref().map(bucket),
        filter_enabled: Some(runtime_fraction(value.enabled)),
        filter_enforced: Some(runtime_fraction(value.enforced)),
        enable_x_ratelimit_headers: if value.headers { HEADERS } else { 0 },
        rate_limited_as_resource_exhausted: value.resource_exhausted,
        ..Default::default()
    }
}

fn bucket(value: &TokenBucket) -> types::TokenBucket {
    types::TokenBucket {
        max_tokens: value.max_tokens,
        tokens_per_fill: number(Some(value.tokens_per_fill)),
        fill_interval: Some(duration(value.fill_interval)),
    }
}

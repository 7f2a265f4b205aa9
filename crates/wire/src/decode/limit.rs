//! Local rate limits.

use weft_model::limit::{LocalRateLimit, TokenBucket};
use weft_model::route::Fraction;

use super::at::{At, Decoded, unpack};
use super::value::{duration, runtime_fraction};
use crate::encode::limit::HEADERS;
use crate::pb::{local_ratelimit, types};

/// What a share is that nobody says.
const NONE: Fraction = Fraction { numerator: 0, denominator: 100 };

/// Envoy's own floor: below it a bucket would be refilled all the time.
const SHORTEST: std::time::Duration = std::time::Duration::from_millis(50);

pub(super) fn limit(at: &At<'_>, value: local_ratelimit::LocalRateLimit) -> Decoded<LocalRateLimit> {
    unpack!(at, value, local_ratelimit::LocalRateLimit {
        stat_prefix, status, token_bucket, filter_enabled, filter_enforced, enable_x_ratelimit_headers,
        rate_limited_as_resource_exhausted
    } else { request_headers_to_add_when_not_enforced, response_headers_to_add, descriptors, stage, local_rate_limit_per_downstream_connection, local_cluster_rate_limit, vh_rate_limits, always_consume_default_token_bucket, rate_limits, max_dynamic_descriptors, enable_retry_after_header });
    if stat_prefix.is_empty() {
        return Err(at.field("stat_prefix").fault("it is empty"));
    }
    // As in Envoy, what is no error is none.
    let status = status.and_then(|status| u16::try_from(status.code).ok()).filter(|code| *code >= 400);
    Ok(LocalRateLimit {
        stat_prefix,
        bucket: token_bucket.map(|value| bucket(&at.field("token_bucket"), &value)).transpose()?,
        enabled: runtime_fraction(at, "filter_enabled", filter_enabled)?.unwrap_or(NONE),
        enforced: runtime_fraction(at, "filter_enforced", filter_enforced)?.unwrap_or(NONE),
        status: status.unwrap_or(429),
        headers: enable_x_ratelimit_headers == HEADERS,
        resource_exhausted: rate_limited_as_resource_exhausted,
    })
}

fn bucket(at: &At<'_>, value: &types::TokenBucket) -> Decoded<TokenBucket> {
    let tokens_per_fill = value.tokens_per_fill.map_or(1, |tokens| tokens.value);
    if tokens_per_fill == 0 {
        return Err(at.field("tokens_per_fill").fault("it is 0"));
    }
    let fill_interval = duration(at, "fill_interval", value.fill_interval)?.unwrap_or_default();
    if fill_interval < SHORTEST {
        return Err(at.field("fill_interval").fault(format!("it is less than {SHORTEST:?}")));
    }
    Ok(TokenBucket { max_tokens: value.max_tokens, tokens_per_fill, fill_interval })
}

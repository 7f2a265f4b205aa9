//! `weft.dev/local-rate-limit`: a bucket of tokens, one for each request.

use std::time::Duration;

use weft_model::limit::{LocalRateLimit, TokenBucket};
use weft_model::route::Fraction;

use super::pairs::Pairs;

const ALL: Fraction = Fraction { numerator: 100, denominator: 100 };

/// A filter that limits nothing by itself: what its routes say counts.
pub(crate) fn of_routes() -> LocalRateLimit {
    LocalRateLimit { bucket: None, ..with(None, "routes") }
}

fn with(bucket: Option<TokenBucket>, name: &str) -> LocalRateLimit {
    LocalRateLimit {
        stat_prefix: name.to_owned(),
        bucket,
        enabled: ALL,
        enforced: ALL,
        status: 429,
        headers: true,
        resource_exhausted: false,
    }
}

pub(super) fn parse(text: &str, name: &str) -> Result<LocalRateLimit, String> {
    let mut pairs = Pairs::of(text)?;
    let max_tokens = pairs.number("max_tokens")?.filter(|tokens| *tokens > 0);
    let max_tokens = max_tokens.ok_or("max_tokens is missing or 0: so many requests pass at once")?;
    let tokens_per_fill = pairs.number("tokens_per_fill")?.unwrap_or(max_tokens);
    let fill_interval = pairs.duration("fill_interval")?.unwrap_or(Duration::from_secs(1));
    pairs.done("max_tokens, tokens_per_fill, fill_interval")?;
    if tokens_per_fill == 0 {
        return Err("tokens_per_fill is 0: nothing would ever pass again".to_owned());
    }
    if fill_interval < Duration::from_millis(50) {
        return Err("fill_interval is less than 50ms".to_owned());
    }
    Ok(with(Some(TokenBucket { max_tokens, tokens_per_fill, fill_interval }), name))
}

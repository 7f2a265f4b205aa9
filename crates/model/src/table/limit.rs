//! Compiled rate limits.

use crate::limit::{LocalRateLimit, TokenBucket};
use crate::table::kept::Left;

/// A limit, and what is left of it.
#[derive(Debug, Clone)]
pub struct Limit {
    /// As it arrived.
    pub settings: LocalRateLimit,
    /// The same as the settings' own.
    pub bucket: TokenBucket,
    /// What is left.
    pub left: Left,
}

impl Limit {
    /// A limit whose bucket is `left`; `None` where nothing is limited.
    pub fn new(settings: &LocalRateLimit, left: Left) -> Option<Self> {
        let bucket = settings.bucket?;
        Some(Self { settings: settings.clone(), bucket, left })
    }
}

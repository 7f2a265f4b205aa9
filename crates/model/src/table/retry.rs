//! Compiled retry policies.

use std::sync::Arc;
use std::time::Duration;

use crate::route::RetryPolicy;
use crate::table::header::HeaderMatch;

/// When a request may be tried again, as a set of Envoy's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetryOn(u32);

/// Envoy's words for what may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Word {
    /// `5xx`: any 5xx, and no answer at all.
    Any5xx = 1,
    /// `gateway-error`: 502, 503, 504.
    GatewayError = 1 << 1,
    /// `reset`: no answer.
    Reset = 1 << 2,
    /// `reset-before-request`: no answer, and nothing of the request was sent.
    ResetBeforeRequest = 1 << 3,
    /// `connect-failure`: no connection.
    ConnectFailure = 1 << 4,
    /// `refused-stream`: REFUSED_STREAM.
    RefusedStream = 1 << 5,
    /// `retriable-4xx`: 409.
    Retriable4xx = 1 << 6,
    /// `retriable-status-codes`: those of the policy.
    StatusCodes = 1 << 7,
    /// `retriable-headers`: responses with headers of the policy.
    Headers = 1 << 8,
    /// `envoy-ratelimited`: `x-envoy-ratelimited` may be tried again.
    RateLimited = 1 << 9,
    /// `http3-post-connect-failure`: never happens here.
    Http3PostConnectFailure = 1 << 10,
    /// `cancelled`: gRPC status 1.
    GrpcCancelled = 1 << 11,
    /// `deadline-exceeded`: gRPC status 4.
    GrpcDeadlineExceeded = 1 << 12,
    /// `resource-exhausted`: gRPC status 8.
    GrpcResourceExhausted = 1 << 13,
    /// `internal`: gRPC status 13.
    GrpcInternal = 1 << 14,
    /// `unavailable`: gRPC status 14.
    GrpcUnavailable = 1 << 15,
}

const WORDS: [(&str, Word); 16] = [
    ("5xx", Word::Any5xx),
    ("gateway-error", Word::GatewayError),
    ("reset", Word::Reset),
    ("reset-before-request", Word::ResetBeforeRequest),
    ("connect-failure", Word::ConnectFailure),
    ("refused-stream", Word::RefusedStream),
    ("retriable-4xx", Word::Retriable4xx),
    ("retriable-status-codes", Word::StatusCodes),
    ("retriable-headers", Word::Headers),
    ("envoy-ratelimited", Word::RateLimited),
    ("http3-post-connect-failure", Word::Http3PostConnectFailure),
    ("cancelled", Word::GrpcCancelled),
    ("deadline-exceeded", Word::GrpcDeadlineExceeded),
    ("resource-exhausted", Word::GrpcResourceExhausted),
    ("internal", Word::GrpcInternal),
    ("unavailable", Word::GrpcUnavailable),
];

impl RetryOn {
    /// Reads comma-separated words; the second value are those that mean nothing.
    pub fn parse(words: &str) -> (Self, Vec<&str>) {
        let mut set = Self::default();
        let mut unknown = Vec::new();
        for word in words.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match WORDS.iter().find(|(name, _)| *name == word) {
                Some((_, known)) => set.0 |= *known as u32,
                None => unknown.push(word),
            }
        }
        (set, unknown)
    }

    /// Whether the word is in it.
    pub fn has(self, word: Word) -> bool {
        self.0 & word as u32 != 0
    }

    /// Nothing is ever tried again.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// A compiled retry policy; a clone costs no allocation, so that a request may keep it.
#[derive(Debug, Clone)]
pub struct Retry {
    /// What may be tried again.
    pub on: RetryOn,
    /// So often, on top of the first try.
    pub times: u32,
    /// Each try's own limit.
    pub per_try_timeout: Option<Duration>,
    /// Statuses that may be tried again.
    pub status_codes: Arc<[u16]>,
    /// Response headers that allow a further try.
    pub headers: Arc<[HeaderMatch]>,
    /// Endpoints already tried are avoided.
    pub avoid_previous_hosts: bool,
    /// Priorities already tried are avoided, which is looked at anew whenever so many were tried.
    pub avoid_previous_priorities: Option<u32>,
    /// First back-off.
    pub back_off_base: Duration,
    /// Longest back-off.
    pub back_off_max: Duration,
}

impl Retry {
    /// Compiles a policy; the second value are remarks on what is not honoured.
    pub(crate) fn new(settings: &RetryPolicy) -> (Self, Vec<String>) {
        let (on, unknown) = RetryOn::parse(&settings.retry_on);
        let mut remarks: Vec<String> =
            unknown.iter().map(|word| format!("retry_on {word:?} means nothing")).collect();
        let mut headers = Vec::new();
        for matcher in &settings.retriable_headers {
            let (compiled, error) = HeaderMatch::new(matcher);
            remarks.extend(error.map(|error| format!("retriable_headers: {error}; it never allows a retry")));
            headers.push(compiled);
        }
        // Envoy's own bounds: a base below a millisecond is one, a maximum below the base is the base.
        let base = settings.back_off_base.unwrap_or(Duration::from_millis(25)).max(Duration::from_millis(1));
        let max = settings.back_off_max.unwrap_or(base.saturating_mul(10)).max(base);
        let compiled = Self {
            on,
            times: settings.num_retries.unwrap_or(1),
            per_try_timeout: settings.per_try_timeout.filter(|limit| !limit.is_zero()),
            status_codes: settings.retriable_status_codes.as_slice().into(),
            headers: headers.into(),
            avoid_previous_hosts: settings.avoid_previous_hosts,
            avoid_previous_priorities: settings.avoid_previous_priorities,
            back_off_base: base,
            back_off_max: max,
        };
        (compiled, remarks)
    }
}

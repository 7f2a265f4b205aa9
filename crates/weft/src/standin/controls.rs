//! What a request may ask of the stand-in through `x-echo-*` headers, and what it remembers about it.
//!
//! Pure: a stranger's numbers are bounded here, before anything sleeps or allocates for them.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// The longest delay that is honoured.
const MAX_DELAY: Duration = Duration::from_secs(120);
/// The largest body that is made up.
const MAX_SIZE: u64 = 1 << 30;
/// Keys of `x-echo-fail-first` remembered; the oldest goes first.
const MAX_KEYS: usize = 10_000;
/// A key longer than this is refused.
const MAX_KEY_LENGTH: usize = 256;

/// One request's wishes.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Controls {
    /// `x-echo-status: 503`
    pub(super) status: Option<StatusCode>,
    /// `x-echo-delay: 250ms`
    pub(super) delay: Duration,
    /// `x-echo-size: 1000000`: so many bytes of filling in place of the JSON.
    pub(super) size: Option<u64>,
    /// `x-echo-fail-first: 2` with `x-echo-key: abc`: 503 for the first two requests of that key.
    pub(super) fail_first: Option<(u32, String)>,
    /// `x-echo-trailer: name: value`: trailers of the answer.
    pub(super) trailers: HeaderMap,
}

/// Why a wish cannot be met.
#[derive(Debug, thiserror::Error, PartialEq)]
pub(super) enum ControlError {
    #[error("{header}: {value:?} is not {expected}")]
    Value { header: &'static str, value: String, expected: String },
    #[error("x-echo-fail-first needs x-echo-key, to tell one caller's requests from another's")]
    NoKey,
}

impl Controls {
    /// Reads the `x-echo-*` headers of a request.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, ControlError> {
        let mut controls = Self::default();
        if let Some(value) = text(headers, "x-echo-status") {
            let status = value.parse().ok().filter(|status: &StatusCode| status.as_u16() >= 200);
            let expected = "a status from 200 to 999";
            controls.status = Some(status.ok_or_else(|| refuse("x-echo-status", value, expected))?);
        }
        if let Some(value) = text(headers, "x-echo-delay") {
            let delay = parse_duration(value).ok().filter(|delay| *delay <= MAX_DELAY);
            let expected = format!("a duration up to {} s, such as 250ms or 2s", MAX_DELAY.as_secs());
            controls.delay = delay.ok_or_else(|| refuse("x-echo-delay", value, &expected))?;
        }
        if let Some(value) = text(headers, "x-echo-size") {
            let size = value.parse().ok().filter(|size| *size <= MAX_SIZE);
            let expected = format!("a number of bytes up to {MAX_SIZE}");
            controls.size = Some(size.ok_or_else(|| refuse("x-echo-size", value, &expected))?);
        }
        if let Some(value) = text(headers, "x-echo-fail-first") {
            let count =
                value.parse().map_err(|_| refuse("x-echo-fail-first", value, "a number of requests"))?;
            let key = text(headers, "x-echo-key").ok_or(ControlError::NoKey)?;
            if key.len() > MAX_KEY_LENGTH {
                return Err(refuse("x-echo-key", &key[..0], "shorter than 257 bytes"));
            }
            controls.fail_first = Some((count, key.to_owned()));
        }
        for value in headers.get_all("x-echo-trailer") {
            let (name, value) = trailer(value).ok_or_else(|| {
                let value = String::from_utf8_lossy(value.as_bytes());
                refuse("x-echo-trailer", &value, "NAME: VALUE of a trailer")
            })?;
            controls.trailers.append(name, value);
        }
        Ok(controls)
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    // A value that is not text reads as empty, which no header accepts.
    headers.get(name).map(|value| value.to_str().unwrap_or("").trim())
}

fn refuse(header: &'static str, value: &str, expected: &str) -> ControlError {
    ControlError::Value { header, value: value.to_owned(), expected: expected.to_owned() }
}

fn trailer(value: &HeaderValue) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = value.to_str().ok()?.split_once(':')?;
    Some((name.trim().parse().ok()?, value.trim().parse().ok()?))
}

/// `250ms`, `2s`, `1.5s`, `1m`; a bare number has no unit and is refused.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let error = || format!("{text:?} is not a duration such as 250ms, 2s or 1m");
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(error)?;
    let (number, unit) = text.split_at(unit_at);
    let seconds_each = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        _ => return Err(error()),
    };
    let number: f64 = number.trim().parse().map_err(|_| error())?;
    Duration::try_from_secs_f64(number * seconds_each).map_err(|_| error())
}

/// How often each key of `x-echo-fail-first` was seen; bounded.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    counts: HashMap<String, u32>,
    oldest_first: VecDeque<String>,
}

impl Failures {
    /// Counts one request of `key`; true while it is one of the first `fail_first`.
    pub(super) fn fails(&self, fail_first: u32, key: &str) -> bool {
        let mut seen = self.0.lock();
        if let Some(count) = seen.counts.get_mut(key) {
            *count = count.saturating_add(1);
            return *count <= fail_first;
        }
        if seen.oldest_first.len() >= MAX_KEYS
            && let Some(oldest) = seen.oldest_first.pop_front()
        {
            seen.counts.remove(&oldest);
        }
        seen.counts.insert(key.to_owned(), 1);
        seen.oldest_first.push_back(key.to_owned());
        fail_first >= 1
    }
}

#[cfg(test)]
mod tests;

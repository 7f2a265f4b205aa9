//! Lengths of time as Istio's YAML writes them, in Go's notation: `1.5s`, `100ms`, `1h30m`.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

/// A length of time, never negative.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub Duration);

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as 1.5s or 100ms")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Span, E> {
                parse(text).map(Span).map_err(E::custom)
            }
        }
        // Not `deserialize_str`: a bare number shall be answered with how to write it.
        deserializer.deserialize_any(Text)
    }
}

/// The length of time that `text` writes.
///
/// # Errors
/// Says what is wrong with it.
pub fn parse(text: &str) -> Result<Duration, String> {
    if text.starts_with('-') {
        return Err(format!("the duration {text:?} is negative"));
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    let wrong = || format!("{text:?} is not a duration such as 1.5s, 100ms or 1h30m");
    let too_long = || format!("the duration {text:?} is too long");
    if rest.is_empty() || rest.len() > 64 {
        return Err(wrong());
    }
    let mut nanos: u128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (digits, after) = rest.split_at(end);
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let unit = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return Err(wrong()),
        };
        nanos = nanos.checked_add(scaled(digits, unit).ok_or_else(wrong)?).ok_or_else(too_long)?;
        rest = after;
    }
    // Go's durations, and so Istio's, end at 2^63 ns, some 292 years.
    match i64::try_from(nanos) {
        Ok(nanos) => Ok(Duration::from_nanos(nanos.unsigned_abs())),
        Err(_) => Err(too_long()),
    }
}

/// `digits` (with at most one point) times `unit`, in nanoseconds.
fn scaled(digits: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: u128 = if whole.is_empty() { 0 } else { whole.get(..whole.len().min(30))?.parse().ok()? };
    let fraction = &fraction[..fraction.len().min(18)];
    let part = if fraction.is_empty() {
        0
    } else {
        fraction.parse::<u128>().ok()? * unit / 10u128.pow(u32::try_from(fraction.len()).ok()?)
    };
    whole.checked_mul(unit)?.checked_add(part)
}

#[cfg(test)]
mod tests;

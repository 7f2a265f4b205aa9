//! Lengths of time as Go writes them, in which Istio's variables and flags are.

use std::time::Duration;

/// Reads `5s`, `500ms`, `1m30s`.
///
/// # Errors
/// Says what it is not.
pub fn span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time such as 5s");
    let mut rest = text.trim();
    let mut whole = Duration::ZERO;
    if rest == "0" {
        return Ok(whole);
    }
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).ok_or_else(wrong)?;
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let seconds = match &rest[..letters] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(wrong()),
        };
        let more = Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())?;
        whole = whole.checked_add(more).ok_or_else(wrong)?;
        rest = &rest[letters..];
    }
    Ok(whole)
}

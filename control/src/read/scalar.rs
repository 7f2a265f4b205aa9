//! What an unquoted scalar means. Kubernetes reads YAML by go-yaml's mixture of YAML 1.1 and 1.2, so `no` is false,
//! `0x1F` is 31, `017` is 15 and `1_000` is 1000; a timestamp stays a string.

use super::node::Meaning;

/// What the plain scalar `text` means.
pub(crate) fn plain(text: &str) -> Meaning {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Meaning::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Meaning::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Meaning::Bool(false);
        }
        _ => {}
    }
    // The longest number that means something has far fewer digits than this.
    let looks_numeric =
        text.len() <= 64 && text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    if looks_numeric { number(text) } else { Meaning::Text }
}

/// The number that `text` is, or text.
fn number(text: &str) -> Meaning {
    match text {
        ".nan" | ".NaN" | ".NAN" => return Meaning::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Meaning::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Meaning::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let digits = text.replace('_', "");
    integer(&digits).or_else(|| float(&digits)).unwrap_or(Meaning::Text)
}

fn integer(digits: &str) -> Option<Meaning> {
    let (negative, rest) = match digits.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, digits.strip_prefix('+').unwrap_or(digits)),
    };
    let lower = rest.to_ascii_lowercase();
    let (radix, rest) = if let Some(rest) = lower.strip_prefix("0x") {
        (16, rest)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (2, rest)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (8, rest)
    } else if rest.len() > 1 && rest.starts_with('0') {
        (8, &rest[1..])
    } else {
        (10, rest)
    };
    // from_str_radix would take a second sign.
    if !rest.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    let size = u64::from_str_radix(rest, radix).ok()?;
    match (negative, i64::try_from(size)) {
        (false, Ok(value)) => Some(Meaning::Int(value)),
        (false, Err(_)) => Some(Meaning::UInt(size)),
        (true, Ok(value)) => Some(Meaning::Int(-value)),
        (true, Err(_)) => None,
    }
}

fn float(digits: &str) -> Option<Meaning> {
    let body = digits.strip_prefix(['-', '+']).unwrap_or(digits);
    let numeric = body.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && body.contains(|c: char| c.is_ascii_digit())
        && body.chars().all(|c| c.is_ascii_digit() || ".eE+-".contains(c));
    if numeric { digits.parse().ok().map(Meaning::Float) } else { None }
}

#[cfg(test)]
mod tests;

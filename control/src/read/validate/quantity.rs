//! Kubernetes' amounts: a number with a suffix that multiplies it.

use crate::read::finding::Findings;
use crate::read::node::short;
use crate::read::path::Path;

const SUFFIXES: &[&str] = &["n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// Checks an amount of something that there cannot be less than nothing of.
pub(super) fn check(text: &str, at: &Path<'_>, into: &mut Findings) {
    let end =
        text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let is_number = is_number(number.strip_prefix(['+', '-']).unwrap_or(number));
    if is_number && (suffix.is_empty() || SUFFIXES.contains(&suffix) || is_exponent(suffix)) {
        if number.starts_with('-') && number.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) {
            into.error(at, format!("{text} is negative"));
        }
        return;
    }
    into.error(at, format!("{} is not an amount", short(text)));
    into.hint(match meant(suffix).filter(|_| is_number) {
        Some(meant) => format!("did you mean {number}{meant}?"),
        None => format!("a number, and behind it one of {} or nothing", SUFFIXES.join(", ")),
    });
}

/// Digits with a point among them or without.
fn is_number(text: &str) -> bool {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && digits(part) && !(whole.is_empty() && part.is_empty())
}

/// `e3`, `E-3`
fn is_exponent(suffix: &str) -> bool {
    suffix.strip_prefix(['e', 'E']).is_some_and(|power| {
        let power = power.strip_prefix(['+', '-']).unwrap_or(power);
        !power.is_empty() && power.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Without the B of bytes, and in the right case: `GB` is `G`, `gib` is `Gi`.
fn meant(suffix: &str) -> Option<&'static str> {
    let unit = suffix.trim();
    let unit = unit.strip_suffix(['B', 'b']).unwrap_or(unit);
    SUFFIXES.iter().find(|known| known.eq_ignore_ascii_case(unit)).copied()
}

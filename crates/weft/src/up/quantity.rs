//! Kubernetes' quantities (`500m`, `128Mi`, `1e3`), for `resourceFieldRef`.

/// The quantity in thousandths, so that `500m` is exact; rounded up.
pub(crate) fn thousandths(text: &str) -> Option<u128> {
    let text = text.trim();
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let (numerator, denominator): (u128, u128) = match suffix {
        "n" => (1, 1_000_000),
        "u" => (1, 1000),
        "m" => (1, 1),
        "" => (1000, 1),
        "k" => (1_000_000, 1),
        "M" => (1_000_000_000, 1),
        "G" => (1_000_000_000_000, 1),
        "T" => (1_000_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1000 << 10, 1),
        "Mi" => (1000 << 20, 1),
        "Gi" => (1000 << 30, 1),
        "Ti" => (1000 << 40, 1),
        "Pi" => (1000 << 50, 1),
        _ => {
            let exponent: u32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            (10_u128.checked_pow(exponent.checked_add(3)?)?, 1)
        }
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.len() > 18 {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    Some(digits.checked_mul(numerator)?.div_ceil(scale * denominator))
}

/// `value` in units of `divisor`, rounded up, as the downward API gives it.
pub(crate) fn in_units(value: &str, divisor: &str) -> Option<u128> {
    let divisor = match divisor {
        "" | "0" => 1000,
        divisor => thousandths(divisor)?,
    };
    thousandths(value)?.checked_next_multiple_of(divisor).map(|value| value / divisor)
}

#[cfg(test)]
mod tests;

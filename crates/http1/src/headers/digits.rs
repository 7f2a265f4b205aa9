//! A number as it stands behind a header's name.

/// The longest has twenty digits.
const MOST: usize = 20;

/// `: 123\r\n`, and what is left of the place for it.
pub(super) struct Digits {
    pub(super) bytes: [u8; 2 + MOST + 2],
    /// So many digits.
    pub(super) len: usize,
}

impl Digits {
    pub(super) fn of(value: u64) -> Self {
        let len = value.checked_ilog10().unwrap_or(0) as usize + 1;
        let mut bytes = *b":                       ";
        let mut rest = value;
        for digit in bytes[2..2 + len].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        bytes[2 + len..2 + len + 2].copy_from_slice(b"\r\n");
        Self { bytes, len }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_length_is_written_as_it_is_displayed() {
        let tens = (0..20).flat_map(|n| [10_u64.pow(n), 10_u64.pow(n) - 1, 10_u64.pow(n) + 1]);
        for value in tens.chain([0, u64::MAX]) {
            let digits = Digits::of(value);
            let all = &digits.bytes[..2 + digits.len + 2];
            assert_eq!(all, format!(": {value}\r\n").as_bytes());
        }
    }
}

//! A number as it stands behind a header's name.

/// The longest has so many digits.
const MOST: usize = 20;

/// The end of a line, from behind the name on.
pub(super) struct Digits {
    /// `: 123\r\n`, and what is left of the place for it.
    pub(super) line_end: [u8; 2 + MOST + 2],
    len: usize,
}

impl Digits {
    pub(super) fn of(value: u64) -> Self {
        let len = value.checked_ilog10().unwrap_or(0) as usize + 1;
        let mut line_end = *b":                       ";
        let (mut rest, places) = (value, &mut line_end[2..2 + len]);
        let (one, pairs) = places.as_rchunks_mut::<2>();
        for pair in pairs.iter_mut().rev() {
            let two = (rest % 100) as u8;
            rest /= 100;
            *pair = [b'0' + two / 10, b'0' + two % 10];
        }
        if let [one] = one {
            *one = b'0' + rest as u8;
        }
        line_end[2 + len..2 + len + 2].copy_from_slice(b"\r\n");
        Self { line_end, len }
    }

    /// The digits.
    pub(super) fn value(&self) -> &[u8] {
        &self.line_end[2..2 + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_length_is_written_as_it_is_displayed() {
        let tens = (0..20).map(|n| 10_u64.pow(n)).flat_map(|ten| [ten - 1, ten, ten + 1]);
        for value in tens.chain([u64::MAX]) {
            let digits = Digits::of(value);
            assert_eq!(digits.value(), value.to_string().as_bytes());
            assert!(digits.line_end.starts_with(format!(": {value}\r\n").as_bytes()));
        }
    }
}

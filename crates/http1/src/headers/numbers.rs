//! Numbers as values of headers.

use super::{Headers, InvalidHeader, Key, Name, Span};

impl Headers {
    /// As [`Headers::set_known`], of a number.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn set_number(&mut self, name: Name, value: u64) -> Result<(), InvalidHeader> {
        self.set_digits(Key::new(name.as_ref()), value)
    }

    /// The same of several numbers, which mostly are not there.
    ///
    /// # Errors
    /// There is no room for them; those before are set.
    pub fn set_numbers<const N: usize>(&mut self, numbers: &[(Name, u64); N]) -> Result<(), InvalidHeader> {
        let is_there = numbers.iter().any(|(name, _)| self.may_have(Key::new(name.as_ref())));
        if is_there {
            return numbers.iter().try_for_each(|(name, value)| self.set_number(*name, *value));
        }
        let new = numbers.each_ref().map(|(name, value)| (Key::new(name.as_ref()), *value));
        self.add_numbers(&new)
    }

    #[inline(never)]
    fn add_numbers(&mut self, numbers: &[(Key<'_>, u64)]) -> Result<(), InvalidHeader> {
        numbers.iter().try_for_each(|(key, value)| self.add_digits(*key, &Digits::of(*value)))
    }

    #[inline(never)]
    fn set_digits(&mut self, key: Key<'_>, value: u64) -> Result<(), InvalidHeader> {
        let digits = Digits::of(value);
        match self.position(key) {
            None => self.add_digits(key, &digits),
            Some(first) => self.replace(key, first, digits.value()),
        }
    }

    /// Adds a number at the end as two copies, one of them of a length that the compiler knows.
    fn add_digits(&mut self, key: Key<'_>, digits: &Digits) -> Result<(), InvalidHeader> {
        let (start, name_len, len) = (self.bytes.len(), key.name.len(), digits.value().len());
        self.check_room(name_len + len)?;
        self.bytes.reserve(name_len + digits.line_end.len());
        self.bytes.extend_from_slice(key.name);
        self.bytes.extend_from_slice(&digits.line_end);
        self.bytes.truncate(start + name_len + len + 4);
        self.push(Span::new((start, name_len), (start + name_len + 2, len), true, key.tag));
        Ok(())
    }
}

/// The longest has so many digits.
const MOST: usize = 20;

/// The end of a line, from behind the name on.
struct Digits {
    /// `: 123\r\n`, and what is left of the place for it.
    line_end: [u8; 2 + MOST + 2],
    len: usize,
}

impl Digits {
    fn of(value: u64) -> Self {
        let mut line_end = *b": 0\r\n                   ";
        if value < 10 {
            line_end[2] += value as u8;
            return Self { line_end, len: 1 };
        }
        let len = value.ilog10() as usize + 1;
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
    fn value(&self) -> &[u8] {
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

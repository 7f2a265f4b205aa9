//! Numbers as values of headers.

use super::{Headers, InvalidHeader, Key, Name, Span};

/// So many are set at once at most.
const MANY: usize = 3;

/// Names are no longer than that.
const LONGEST: usize = 40;

impl Headers {
    /// As [`Headers::set_known`], of a number.
    ///
    /// # Errors
    /// There is no room for it.
    #[inline]
    pub fn set_number(&mut self, name: Name, value: u64) -> Result<(), InvalidHeader> {
        self.set_numbers(&[(name, value)])
    }

    /// The same of several numbers, which mostly are not there. Lines are made where the compiler knows their names, whose copies
    /// are a few moves then, and appended as one.
    ///
    /// # Errors
    /// There is no room for them.
    #[inline]
    pub fn set_numbers<const N: usize>(&mut self, numbers: &[(Name, u64); N]) -> Result<(), InvalidHeader> {
        const { assert!(N <= MANY) };
        let numbers = numbers.each_ref().map(|(name, value)| (Key::new(name.as_ref()), *value));
        if numbers.iter().any(|(key, _)| self.may_have(*key) || key.name.len() > LONGEST) {
            return self.set_each(&numbers);
        }
        let mut lines = Lines { bytes: [0; MANY * (LONGEST + END)], len: 0 };
        let spans = numbers.map(|(key, value)| lines.add(key, &Digits::of(value)));
        self.append_lines(&lines.bytes[..lines.len], &spans)
    }

    #[inline(never)]
    fn set_each(&mut self, numbers: &[(Key<'_>, u64)]) -> Result<(), InvalidHeader> {
        numbers.iter().try_for_each(|(key, value)| {
            let digits = Digits::of(*value);
            match self.position(*key) {
                None => self.append_known(*key, digits.value()),
                Some(first) => self.replace(*key, first, digits.value()),
            }
        })
    }

    /// Appends whole lines; `spans` say where they lie among themselves.
    #[inline(never)]
    fn append_lines(&mut self, lines: &[u8], spans: &[Span]) -> Result<(), InvalidHeader> {
        self.check_room(lines.len())?;
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(lines);
        for span in spans {
            self.push(Span { name: start + span.name, value: start + span.value, ..*span });
        }
        Ok(())
    }
}

/// Lines that are about to be appended.
struct Lines {
    bytes: [u8; MANY * (LONGEST + END)],
    len: usize,
}

impl Lines {
    #[inline(always)]
    fn add(&mut self, key: Key<'_>, digits: &Digits) -> Span {
        let (start, name_len) = (self.len, key.name.len());
        let value = start + name_len + 2;
        self.bytes[start..][..name_len].copy_from_slice(key.name);
        self.bytes[start + name_len..][..END].copy_from_slice(&digits.line_end);
        self.len = value + digits.len + 2;
        Span::new((start, name_len), (value, digits.len), true, key.tag)
    }
}

/// The longest has so many digits.
const MOST: usize = 20;

/// And so long is the end of its line.
const END: usize = 2 + MOST + 2;

/// The end of a line, from behind the name on.
struct Digits {
    /// `: 123\r\n`, and what is left of the place for it.
    line_end: [u8; END],
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

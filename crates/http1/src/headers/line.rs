//! A header that is checked once and sent many times.

use super::{Headers, InvalidHeader};

/// A header that was checked once, to be appended to one message after another.
#[derive(Debug, Clone)]
pub struct Line {
    /// `name: value\r\n`.
    pub(super) bytes: Box<[u8]>,
    pub(super) name_len: usize,
    pub(super) tag: u8,
}

impl Line {
    /// Checks what [`Headers::append`] would.
    ///
    /// # Errors
    /// It is no header.
    pub fn new(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<Self, InvalidHeader> {
        let mut one = Headers::new();
        one.append(name, value)?;
        let span = one.spans[0];
        Ok(Self { bytes: one.bytes.into(), name_len: span.name_len as usize, tag: span.tag })
    }

    /// The header's value.
    pub fn value(&self) -> &[u8] {
        &self.bytes[self.value_range()]
    }

    /// Where it lies in `bytes`.
    pub(super) fn value_range(&self) -> std::ops::Range<usize> {
        self.name_len + 2..self.bytes.len() - 2
    }
}

//! Numbers that stand for a thing with labels, so that the hot path compares integers and not strings.

use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

/// A number no other thing of this process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Identifier(u64);

impl Identifier {
    /// The number of what is absent.
    pub(crate) const ABSENT: Self = Self(0);

    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// A fast hash for keys made of our own numbers; no stranger chooses them.
pub(crate) type NumberHash = BuildHasherDefault<NumberHasher>;

#[derive(Debug, Default)]
pub(crate) struct NumberHasher(u64);

impl NumberHasher {
    fn mix(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        // The table looks at the high and at the low bits, multiplication mixes upwards only.
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.mix(u64::from(*byte)));
    }

    fn write_u8(&mut self, value: u8) {
        self.mix(u64::from(value));
    }

    fn write_u16(&mut self, value: u16) {
        self.mix(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.mix(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.mix(value);
    }

    fn write_isize(&mut self, value: isize) {
        // What an enum's discriminant is written as.
        self.mix(value.unsigned_abs() as u64);
    }
}

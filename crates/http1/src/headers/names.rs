//! Names of headers: those that need no look, those that are looked up, and what makes a look short.

use crate::syntax::{is_const_token, is_same_name};

/// A header's name that was checked when the program was compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name(&'static str);

impl Name {
    /// # Panics
    /// If it is no token: where it is a constant, the program is not compiled.
    pub const fn new(text: &'static str) -> Self {
        assert!(is_const_token(text.as_bytes()), "a header's name is a token");
        Self(text)
    }

    /// As it was given.
    pub const fn text(self) -> &'static str {
        self.0
    }

    /// Whether that is this name, in any case.
    pub fn is(self, name: &[u8]) -> bool {
        is_same_name(name, self.as_ref())
    }
}

impl AsRef<[u8]> for Name {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// What several names look like, for a look over all headers that passes most of them by. Others may look alike.
#[derive(Debug)]
pub struct Names([bool; 256]);

impl Names {
    /// Of none.
    pub const NONE: Self = Self([false; 256]);

    /// Of these, too.
    #[must_use]
    pub const fn and(mut self, names: &[&str]) -> Self {
        let mut n = 0;
        while n < names.len() {
            self.0[tag(names[n].as_bytes()) as usize] = true;
            n += 1;
        }
        self
    }

    /// Whether one of them has that digest.
    pub(super) fn have(&self, tag: u8) -> bool {
        self.0[usize::from(tag)]
    }
}

/// A name that is looked up.
#[derive(Clone, Copy)]
pub(super) struct Key<'a> {
    pub(super) name: &'a [u8],
    pub(super) tag: u8,
}

impl<'a> Key<'a> {
    pub(super) fn new(name: &'a [u8]) -> Self {
        Self { name, tag: tag(name) }
    }

    pub(super) fn mark(self) -> u64 {
        mark(self.tag)
    }
}

/// A name's digest, the same in upper and lower case.
const fn tag(name: &[u8]) -> u8 {
    let last = match name {
        [.., last] => *last | 0x20,
        [] => 0,
    };
    (name.len() as u8).wrapping_mul(7) ^ last
}

/// One of 64 bits.
pub(super) fn mark(tag: u8) -> u64 {
    1 << (tag % 64)
}

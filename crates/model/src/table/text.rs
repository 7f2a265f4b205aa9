//! A compiled `StringMatcher`.

use crate::matcher::{Pattern, StringMatcher};
use crate::table::affix::Part;
use crate::table::re2::{self, Re2, Re2Error};

/// What a text must look like.
#[derive(Debug, Clone)]
pub struct Text {
    shape: Shape,
    ignore_case: bool,
}

#[derive(Debug, Clone)]
enum Shape {
    Exact(Box<[u8]>),
    Prefix(Box<[u8]>),
    Suffix(Box<[u8]>),
    Contains(Box<[u8]>),
    /// A regex of the form `.*literal.*`, as Istio writes namespaces: the text has it inside, and no line break.
    RegexContains(Box<[u8]>),
    /// `.+`: not empty, no line break.
    NotEmpty,
    Regex(Re2),
}

impl Text {
    /// Compiles a matcher.
    ///
    /// # Errors
    /// If it is a regex that RE2's syntax does not have, or that is too big.
    pub fn new(matcher: &StringMatcher) -> Result<Self, Re2Error> {
        let lower = |text: &str| -> Box<[u8]> {
            if matcher.ignore_case {
                text.to_ascii_lowercase().into_bytes().into()
            } else {
                text.as_bytes().into()
            }
        };
        let shape = match &matcher.pattern {
            Pattern::Exact(text) => Shape::Exact(lower(text)),
            Pattern::Prefix(text) => Shape::Prefix(lower(text)),
            Pattern::Suffix(text) => Shape::Suffix(lower(text)),
            Pattern::Contains(text) => Shape::Contains(lower(text)),
            Pattern::Regex(pattern) if pattern == ".+" => Shape::NotEmpty,
            Pattern::Regex(pattern) => match re2::surrounded_literal(pattern) {
                Some(literal) => Shape::RegexContains(literal.as_bytes().into()),
                None => Shape::Regex(Re2::new(pattern)?),
            },
        };
        Ok(Self { shape, ignore_case: matcher.ignore_case })
    }

    /// Whether the text matches; `None` if that cannot be said, because a regex meets bytes that are no UTF-8.
    pub fn matches(&self, text: &[u8]) -> Option<bool> {
        let verdict = match &self.shape {
            Shape::Exact(own) => self.same(own, text),
            Shape::Prefix(own) => text.get(..own.len()).is_some_and(|start| self.same(own, start)),
            Shape::Suffix(own) => {
                let start = text.len().checked_sub(own.len());
                start.is_some_and(|start| self.same(own, &text[start..]))
            }
            Shape::Contains(own) => self.inside(own, text),
            Shape::RegexContains(own) => {
                std::str::from_utf8(text).ok()?;
                memchr::memmem::find(text, own).is_some() && memchr::memchr(b'\n', text).is_none()
            }
            Shape::NotEmpty => {
                std::str::from_utf8(text).ok()?;
                !text.is_empty() && memchr::memchr(b'\n', text).is_none()
            }
            Shape::Regex(regex) => regex.matches(std::str::from_utf8(text).ok()?),
        };
        Some(verdict)
    }

    /// What the text must be, begin with or end with; in lower case where case does not count.
    pub(crate) fn affix(&self) -> Option<(Part, &[u8])> {
        match &self.shape {
            Shape::Exact(own) => Some((Part::Whole, own)),
            Shape::Prefix(own) => Some((Part::Prefix, own)),
            Shape::Suffix(own) => Some((Part::Suffix, own)),
            _ => None,
        }
    }

    /// Letters' case does not count.
    pub(crate) fn ignores_case(&self) -> bool {
        self.ignore_case
    }

    /// What must stand somewhere in the text.
    pub(crate) fn inner(&self) -> Option<&[u8]> {
        match &self.shape {
            Shape::Contains(own) if !self.ignore_case => Some(own),
            Shape::RegexContains(own) => Some(own),
            _ => None,
        }
    }

    fn same(&self, own: &[u8], text: &[u8]) -> bool {
        if self.ignore_case { own.eq_ignore_ascii_case(text) } else { own == text }
    }

    fn inside(&self, own: &[u8], text: &[u8]) -> bool {
        if !self.ignore_case {
            return memchr::memmem::find(text, own).is_some();
        }
        own.is_empty() || text.windows(own.len()).any(|window| window.eq_ignore_ascii_case(own))
    }
}

#[cfg(test)]
mod tests;

//! The headers of one message, in order and case as they came, in one buffer that is used again.
//!
//! Nothing here is particular to HTTP/1: an HTTP/2 message's fields are appended one by one and lie here alike.
//!
//! Only whether a header may be there at all is decided in place. What follows is a call: a request asks some forty times, and
//! code that is forty times in the program is not in the processor's cache when it is run.

mod line;
mod names;
mod numbers;

use std::fmt;

use names::{Key, mark};

pub use line::Line;
pub use names::{Name, Names};

use crate::syntax::{is_field_value, is_same_name, is_token, trim};

/// No limit allows more: places in the buffer are 32 bits wide, and a head leaves room for what is appended to it.
pub(crate) const MOST_HEAD: usize = u32::MAX as usize / 2;

/// An ordered list of (name, value). Names compare without case and are written in the case in which they came.
///
/// Invariant: every name is a token and no value holds CR, LF, NUL or another control byte but TAB, so that writing
/// a list out can never begin a line that its author did not append.
#[derive(Clone, Default)]
pub struct Headers {
    /// All names and values; bytes of removed headers stay until `clear`.
    bytes: Vec<u8>,
    spans: Vec<Span>,
    /// The marks of all names since `clear`: most look-ups are for a header that is not there, and end here.
    marks: u64,
}

/// Why a header was not appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHeader {
    /// Empty, or a byte outside RFC 9110 tokens.
    #[error("a header name must be one or more letters, digits or any of !#$%&'*+-.^_`|~")]
    Name,
    /// CR, LF, NUL or another control byte.
    #[error("a header value must not contain CR, LF, NUL or another control character")]
    Value,
    /// The list would outgrow 4 GiB.
    #[error("the headers of one message outgrow 4 GiB")]
    TooLong,
}

/// Where one header lies in `bytes`.
#[derive(Clone, Copy)]
struct Span {
    name: u32,
    name_len: u32,
    value: u32,
    value_len: u32,
    /// The bytes from the name on are exactly `name: value\r\n`, so whole runs of lines are written as one copy.
    is_line: bool,
    doomed: bool,
    /// The name's digest, so that a look-up compares bytes only where it is about to succeed.
    tag: u8,
}

impl Headers {
    /// An empty list, without an allocation.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), spans: Vec::new(), marks: 0 }
    }

    /// How many headers there are, repeated names counted each.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Forgets all headers and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.spans.clear();
        self.marks = 0;
    }

    /// Gives back memory beyond `bytes`, for a connection that goes idle after an unusually large head.
    pub fn shrink_to(&mut self, bytes: usize) {
        self.bytes.shrink_to(bytes);
        self.spans.shrink_to(bytes / 32);
    }

    /// How many bytes of names and values fit without another allocation.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Keeps the first `len` headers.
    pub fn truncate(&mut self, len: usize) {
        self.spans.truncate(len);
    }

    /// The first value of `name`.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        self.position(Key::new(name.as_ref())).map(|first| self.spans[first].value(&self.bytes))
    }

    /// The first value of `name`, if it is UTF-8.
    pub fn text(&self, name: impl AsRef<[u8]>) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// All values of `name`, in order.
    pub fn get_all<'a>(&'a self, name: &(impl AsRef<[u8]> + ?Sized)) -> impl Iterator<Item = &'a [u8]> {
        self.named(Key::new(name.as_ref())).map(|span| span.value(&self.bytes))
    }

    /// Whether there is a header of that name.
    pub fn contains(&self, name: impl AsRef<[u8]>) -> bool {
        self.position(Key::new(name.as_ref())).is_some()
    }

    /// The value of a header that is there once.
    pub fn only(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        let key = Key::new(name.as_ref());
        if self.may_have(key) { self.only_one(key) } else { None }
    }

    /// All (name, value), in order, names in the case in which they came.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> + Clone {
        self.spans.iter().map(|span| (span.name(&self.bytes), span.value(&self.bytes)))
    }

    /// Adds a header at the end; white space around the value is left out.
    pub fn append(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<(), InvalidHeader> {
        self.append_checking(Key::new(name.as_ref()), value.as_ref())
    }

    /// Adds a header that was checked before.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn append_line(&mut self, line: &Line) -> Result<(), InvalidHeader> {
        self.check_room(line.bytes.len())?;
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&line.bytes);
        let value = line.value_range();
        let value = (start + value.start, value.len());
        self.push(Span::new((start, line.name_len), value, true, line.tag));
        Ok(())
    }

    /// Makes `value` the only value of `name`: in the first one's place and case if there is one, else at the end.
    pub fn set(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<(), InvalidHeader> {
        self.set_or(Key::new(name.as_ref()), value.as_ref(), Self::append_checking)
    }

    /// Replaces what is there, or adds what is not.
    #[inline(always)]
    fn set_or(
        &mut self,
        key: Key<'_>,
        value: &[u8],
        add: impl FnOnce(&mut Self, Key<'_>, &[u8]) -> Result<(), InvalidHeader>,
    ) -> Result<(), InvalidHeader> {
        match self.position(key) {
            None => add(self, key, value),
            Some(first) => self.replace(key, first, value),
        }
    }

    /// Makes `value` the only one of a name that stands there `first`.
    #[inline(never)]
    fn replace(&mut self, key: Key<'_>, first: usize, value: &[u8]) -> Result<(), InvalidHeader> {
        let value = trim(value);
        let old = self.spans[first];
        if old.value(&self.bytes) != value {
            if !is_field_value(value) {
                return Err(InvalidHeader::Value);
            }
            self.spans[first] = self.store_renamed(old, value)?;
        }
        let mut index = 0;
        self.spans.retain(|span| {
            index += 1;
            index <= first + 1 || !span.is(&self.bytes, key)
        });
        Ok(())
    }

    /// As [`Headers::set`], of a name that needs no look.
    ///
    /// # Errors
    /// The value is none, or there is no room for it.
    pub fn set_known(&mut self, name: Name, value: impl AsRef<[u8]>) -> Result<(), InvalidHeader> {
        self.set_or(Key::new(name.as_ref()), value.as_ref(), Self::append_known)
    }

    /// Removes every header of that name; whether there was one.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) -> bool {
        let key = Key::new(name.as_ref());
        self.may_have(key) && self.remove_among(&[key])
    }

    /// Removes every header of these names, in one look.
    pub fn remove_each<const N: usize>(&mut self, names: &[Name; N]) {
        let keys = names.each_ref().map(|name| Key::new(name.as_ref()));
        if keys.iter().any(|key| self.may_have(*key)) {
            self.remove_among(&keys);
        }
    }

    #[inline(never)]
    fn remove_among(&mut self, keys: &[Key<'_>]) -> bool {
        let before = self.spans.len();
        self.spans.retain(|span| !keys.iter().any(|key| span.is(&self.bytes, *key)));
        self.spans.len() != before
    }

    /// Keeps the headers for which `keep(name, value)` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) {
        self.spans.retain(|span| keep(span.name(&self.bytes), span.value(&self.bytes)));
    }

    /// The same among names that look like one of `names`; others are kept unseen.
    pub fn retain_among(&mut self, names: &Names, mut keep: impl FnMut(&[u8], &[u8]) -> bool) {
        let bytes = &self.bytes;
        self.spans.retain(|span| !names.have(span.tag) || keep(span.name(bytes), span.value(bytes)));
    }

    /// Removes each header that a value of `list_name` names, at most `most` of them, unless `spare` says otherwise.
    pub(crate) fn remove_named_by(&mut self, list_name: &str, most: usize, spare: impl Fn(&[u8]) -> bool) {
        let list_key = Key::new(list_name.as_bytes());
        if !self.may_have(list_key) {
            return;
        }
        let Self { bytes, spans, marks } = self;
        let mut left = most;
        for index in 0..spans.len() {
            let lister = spans[index];
            if !lister.is(bytes, list_key) {
                continue;
            }
            for name in crate::syntax::list(lister.value(bytes)).take(left) {
                left -= 1;
                let key = Key::new(name);
                if *marks & key.mark() != 0 && !spare(name) {
                    spans.iter_mut().filter(|span| span.is(bytes, key)).for_each(|span| span.doomed = true);
                }
            }
        }
        if left != most {
            spans.retain(|span| !span.doomed);
        }
    }

    /// Takes a whole header block at once: `found` are httparse's slices of `block`. One copy, no look at each byte.
    #[inline(never)]
    pub(crate) fn load(&mut self, block: &[u8], found: &[httparse::Header<'_>]) {
        self.clear();
        self.bytes.extend_from_slice(block);
        let base = block.as_ptr().addr();
        for header in found {
            let (name_len, value_len) = (header.name.len(), header.value.len());
            let name = header.name.as_ptr().addr() - base;
            // An empty value lies where httparse found the line's end or its white space: any place will do.
            let value = if value_len == 0 { name + name_len } else { header.value.as_ptr().addr() - base };
            let is_line = value == name + name_len + 2
                && block[value - 1] == b' '
                && block[value + value_len..].starts_with(b"\r\n");
            let tag = Key::new(header.name.as_bytes()).tag;
            self.push(Span::new((name, name_len), (value, value_len), is_line, tag));
        }
    }

    /// Writes every header as a line. Lines that lie side by side are one copy.
    #[inline(never)]
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut run = 0..0;
        for span in &self.spans {
            let line = span.line();
            if span.is_line && line.start == run.end {
                run.end = line.end;
                continue;
            }
            out.extend_from_slice(&self.bytes[run]);
            run = if span.is_line {
                line
            } else {
                out.extend_from_slice(span.name(&self.bytes));
                out.extend_from_slice(b": ");
                out.extend_from_slice(span.value(&self.bytes));
                out.extend_from_slice(b"\r\n");
                0..0
            };
        }
        out.extend_from_slice(&self.bytes[run]);
    }

    fn named<'a>(&'a self, key: Key<'_>) -> impl Iterator<Item = &'a Span> {
        let spans = if self.may_have(key) { &*self.spans } else { &[] };
        spans.iter().filter(move |span| span.is(&self.bytes, key))
    }

    fn position(&self, key: Key<'_>) -> Option<usize> {
        if self.may_have(key) { self.first(key) } else { None }
    }

    #[inline(never)]
    fn first(&self, key: Key<'_>) -> Option<usize> {
        self.spans.iter().position(|span| span.is(&self.bytes, key))
    }

    #[inline(never)]
    fn only_one(&self, key: Key<'_>) -> Option<&[u8]> {
        let mut all = self.named(key);
        all.next().filter(|_| all.next().is_none()).map(|span| span.value(&self.bytes))
    }

    /// `false` if no header of that name was ever added.
    fn may_have(&self, key: Key<'_>) -> bool {
        self.marks & key.mark() != 0
    }

    fn push(&mut self, span: Span) {
        self.marks |= mark(span.tag);
        self.spans.push(span);
    }

    /// Adds what is looked at, name and value, at the end.
    #[inline(never)]
    fn append_checking(&mut self, key: Key<'_>, value: &[u8]) -> Result<(), InvalidHeader> {
        if !is_token(key.name) {
            return Err(InvalidHeader::Name);
        }
        self.append_known(key, value)
    }

    /// The same of a name that needs no look.
    #[inline(never)]
    fn append_known(&mut self, key: Key<'_>, value: &[u8]) -> Result<(), InvalidHeader> {
        let value = trim(value);
        if !is_field_value(value) {
            return Err(InvalidHeader::Value);
        }
        self.check_room(key.name.len() + value.len())?;
        let start = self.bytes.len();
        self.bytes.reserve(key.name.len() + value.len() + 4);
        self.bytes.extend_from_slice(key.name);
        let span = self.finish_line(start, key.tag, value);
        self.push(span);
        Ok(())
    }

    /// Puts a line at the end of the buffer that has `old`'s name in `old`'s case; the value has been checked.
    fn store_renamed(&mut self, old: Span, value: &[u8]) -> Result<Span, InvalidHeader> {
        self.check_room(old.name_len as usize + value.len())?;
        let start = self.bytes.len();
        self.bytes.extend_from_within(old.name_range());
        Ok(self.finish_line(start, old.tag, value))
    }

    /// Completes the line whose name begins at `start` and ends the buffer.
    fn finish_line(&mut self, start: usize, tag: u8, value: &[u8]) -> Span {
        let name_len = self.bytes.len() - start;
        self.bytes.extend_from_slice(b": ");
        self.bytes.extend_from_slice(value);
        self.bytes.extend_from_slice(b"\r\n");
        Span::new((start, name_len), (start + name_len + 2, value.len()), true, tag)
    }

    /// Whether one more line stays within what a span can point at.
    fn check_room(&self, more: usize) -> Result<(), InvalidHeader> {
        match self.bytes.len().checked_add(more).and_then(|len| len.checked_add(4)) {
            Some(len) if len <= u32::MAX as usize => Ok(()),
            _ => Err(InvalidHeader::TooLong),
        }
    }
}

impl Span {
    /// Of a name and a value, each its place and length; both lie below 4 GiB.
    fn new(name: (usize, usize), value: (usize, usize), is_line: bool, tag: u8) -> Self {
        let ((name, name_len), (value, value_len)) =
            ((name.0 as u32, name.1 as u32), (value.0 as u32, value.1 as u32));
        Self { name, name_len, value, value_len, is_line, doomed: false, tag }
    }

    fn name_range(&self) -> std::ops::Range<usize> {
        self.name as usize..(self.name + self.name_len) as usize
    }

    fn line(&self) -> std::ops::Range<usize> {
        self.name as usize..(self.value + self.value_len) as usize + 2
    }

    fn name<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        &bytes[self.name_range()]
    }

    fn value<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        &bytes[self.value as usize..(self.value + self.value_len) as usize]
    }

    #[inline]
    fn is(&self, bytes: &[u8], key: Key<'_>) -> bool {
        self.tag == key.tag && is_same_name(self.name(bytes), key.name)
    }
}

impl PartialEq for Headers {
    /// The same names in the same case with the same values in the same order.
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Headers {}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|(name, value)| {
                format!("{}: {}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
            }))
            .finish()
    }
}

#[cfg(test)]
mod tests;

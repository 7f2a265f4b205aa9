//! A chunked body's trailers: collected as they come, bounded, parsed when whole.

use memchr::memchr;

use crate::headers::MOST_HEAD;
use crate::{Headers, Limits, Refusal};

/// Collects a trailer section, which may arrive byte by byte.
#[derive(Debug, Clone, Default)]
pub(crate) struct Collector {
    section: Vec<u8>,
    line: usize,
    lines: usize,
}

/// What became of the bytes given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Collected {
    /// All taken, more is needed.
    More,
    /// The section ended with the empty line; so many bytes were taken.
    Whole(usize),
}

impl Collector {
    pub(crate) fn clear(&mut self) {
        self.section.clear();
        self.line = 0;
        self.lines = 0;
    }

    pub(crate) fn take(&mut self, input: &[u8], limits: &Limits) -> Result<Collected, Refusal> {
        let mut at = 0;
        while let Some(offset) = memchr(b'\n', &input[at..]) {
            self.push(&input[at..=at + offset], limits)?;
            at += offset + 1;
            let [line @ .., b'\r', b'\n'] = &self.section[self.line..] else {
                return Err(Refusal::BareLineFeed);
            };
            match line.first() {
                None => return Ok(Collected::Whole(at)),
                Some(b' ' | b'\t') => return Err(Refusal::FoldedHeader),
                Some(_) => {}
            }
            self.lines += 1;
            if self.lines > limits.max_headers {
                return Err(Refusal::TooManyHeaders);
            }
            self.line = self.section.len();
        }
        self.push(&input[at..], limits)?;
        Ok(Collected::More)
    }

    /// Parses the whole section.
    pub(crate) fn parse(&self, into: &mut Headers) -> Result<(), Refusal> {
        let mut slots = vec![httparse::EMPTY_HEADER; self.lines];
        match httparse::parse_headers(&self.section, &mut slots) {
            Ok(httparse::Status::Complete((end, found))) if end == self.section.len() => {
                into.load(&self.section, found);
                Ok(())
            }
            Err(httparse::Error::HeaderName) => Err(Refusal::InvalidHeaderName),
            _ => Err(Refusal::InvalidHeaderValue),
        }
    }

    fn push(&mut self, bytes: &[u8], limits: &Limits) -> Result<(), Refusal> {
        if self.section.len() + bytes.len() > limits.max_trailer_bytes.min(MOST_HEAD) {
            return Err(Refusal::HeadTooLarge);
        }
        self.section.extend_from_slice(bytes);
        Ok(())
    }
}

/// Removes what may not be a trailer: framing and routing, and what acts on how the message is handled. For trailers that
/// come from elsewhere, as an HTTP/2 message's; those of a [`crate::BodyReader`] have been through it.
pub fn strip_trailers(trailers: &mut Headers) {
    trailers.retain(|name, _| !is_dropped(name));
}

/// Names whose presence in a trailer is an attempt to frame or route the message again.
pub(crate) fn is_forbidden(name: &[u8]) -> bool {
    is_one_of(name, &["content-length", "transfer-encoding", "host"])
}

/// Names that RFC 9110 6.5.1 keeps out of trailers because they act on how a message is handled: dropped without a word.
fn is_dropped(name: &[u8]) -> bool {
    const NAMES: [&str; 18] = [
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
        "expect",
        "max-forwards",
        "cache-control",
        "range",
        "authorization",
        "proxy-authorization",
        "cookie",
        "set-cookie",
        "content-encoding",
        "content-type",
        "content-range",
        "http2-settings",
    ];
    is_one_of(name, &NAMES) || crate::is_protected(name)
}

fn is_one_of(name: &[u8], names: &[&str]) -> bool {
    names.iter().any(|one| name.eq_ignore_ascii_case(one.as_bytes()))
}

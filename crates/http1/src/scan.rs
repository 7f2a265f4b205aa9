//! Finding a head's end, once over every byte however the head arrives, and refusing what no head may contain.
//!
//! httparse takes a bare LF for a line's end and skips any number of empty lines before a head; both are settled
//! here first, so that httparse only ever sees whole heads whose lines end in CR LF.

use memchr::memchr;

use crate::headers::MOST_HEAD;
use crate::syntax::is_token_byte;
use crate::{Limits, Refusal};

/// Beside the target a request line holds a method, two spaces, a version and CR LF: room for any method there is.
const REQUEST_LINE_SLACK: usize = 128;

/// What kind of head is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Response,
}

/// How far a head has been looked at; all positions are in the buffer that is given again, longer, each time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Scan {
    /// Where the start line begins: after the empty line that a request may be preceded by.
    pub(crate) start: usize,
    /// Where the header block begins: after the start line.
    pub(crate) block: usize,
    /// Whole, non-empty lines so far, the start line included.
    lines: usize,
    /// Where the line begins that is not whole yet.
    line: usize,
    /// Bytes looked at.
    seen: usize,
}

impl Scan {
    /// Header lines found.
    pub(crate) fn headers(&self) -> usize {
        self.lines.saturating_sub(1)
    }

    /// The position after the head's final empty line; `None` when it has not come yet.
    #[inline(never)]
    pub(crate) fn head_end(
        &mut self,
        buf: &[u8],
        kind: Kind,
        limits: &Limits,
    ) -> Result<Option<usize>, Refusal> {
        if self.seen > buf.len() {
            *self = Self::default();
        }
        let most = limits.max_head_bytes.min(MOST_HEAD);
        let window = &buf[..buf.len().min(most)];
        while let Some(offset) = memchr(b'\n', &window[self.seen..]) {
            let feed = self.seen + offset;
            self.seen = feed + 1;
            if self.line_ends(window, feed, kind, limits)? {
                return Ok(Some(feed + 1));
            }
            self.line = feed + 1;
        }
        self.seen = window.len();
        self.check_unfinished(window, kind, limits)?;
        if buf.len() >= most {
            return Err(Refusal::HeadTooLarge);
        }
        Ok(None)
    }

    /// Judges the line that ends with the LF at `feed`; whether it is the head's last.
    fn line_ends(
        &mut self,
        window: &[u8],
        feed: usize,
        kind: Kind,
        limits: &Limits,
    ) -> Result<bool, Refusal> {
        let line = &window[self.line..feed];
        let [line @ .., b'\r'] = line else { return Err(Refusal::BareLineFeed) };
        let Some(first) = line.first() else {
            if self.lines > 0 {
                return Ok(true);
            }
            // RFC 9112 2.2: one empty line before a request is a relic of old clients, more is not.
            if kind == Kind::Response || self.start > 0 {
                return Err(kind.invalid_start_line());
            }
            self.start = feed + 1;
            return Ok(false);
        };
        if self.lines == 0 {
            if !is_token_byte(*first) {
                return Err(kind.invalid_start_line());
            }
            if kind == Kind::Request && line.len() > limits.max_target.saturating_add(REQUEST_LINE_SLACK) {
                return Err(Refusal::TargetTooLong);
            }
            self.block = feed + 1;
        } else if matches!(first, b' ' | b'\t') {
            return Err(Refusal::FoldedHeader);
        }
        self.lines += 1;
        if self.headers() > limits.max_headers { Err(Refusal::TooManyHeaders) } else { Ok(false) }
    }

    /// A start line that is not whole can already be hopeless: TLS on a plaintext port never sends an LF.
    fn check_unfinished(&self, window: &[u8], kind: Kind, limits: &Limits) -> Result<(), Refusal> {
        let unfinished = &window[self.line..];
        match unfinished.first() {
            Some(&first) if self.lines == 0 => {
                let is_empty_line = first == b'\r' && kind == Kind::Request && self.start == 0;
                if !is_token_byte(first) && !is_empty_line {
                    return Err(kind.invalid_start_line());
                }
                let most = limits.max_target.saturating_add(REQUEST_LINE_SLACK);
                // One more byte may be the CR.
                if kind == Kind::Request && unfinished.len() > most.saturating_add(1) {
                    return Err(Refusal::TargetTooLong);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Kind {
    fn invalid_start_line(self) -> Refusal {
        match self {
            Self::Request => Refusal::InvalidRequestLine,
            Self::Response => Refusal::InvalidStatusLine,
        }
    }
}

#[cfg(test)]
mod tests;

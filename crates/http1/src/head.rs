//! The heads of a request and of a response, made to be used again for the connection's next message.

use memchr::memchr;

use crate::Refusal;
use crate::headers::Headers;
use crate::phrase::reason_phrase;
use crate::scan::Scan;
use crate::syntax::{is_field_value, is_token};
use crate::target::{Scheme, Target, check_target_bytes};

/// Of a head that is not understood no longer method is believed.
const LONGEST_METHOD: usize = 128;

/// The version that a message's start line names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// HTTP/1.0: one request a connection unless both sides say keep-alive, no transfer codings.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
}

/// A request's start line and headers.
///
/// While [`crate::parse_request`] says Incomplete the head remembers how far it has looked, so it must be given the
/// same bytes again, longer; [`RequestHead::clear`] before another buffer.
#[derive(Debug, Clone, Default)]
pub struct RequestHead {
    /// The version in the start line; set it to what the next hop is to see before writing.
    pub version: Version,
    /// The headers, `Host` among them.
    pub headers: Headers,
    /// Method, then target, side by side; both ASCII.
    line: String,
    method_len: usize,
    pub(crate) scan: Scan,
}

/// A response's start line and headers.
///
/// The same holds as for [`RequestHead`] while the head is incomplete.
#[derive(Debug, Clone, Default)]
pub struct ResponseHead {
    /// The version in the start line; set it to what the next hop is to see before writing.
    pub version: Version,
    /// The status code: 100 to 999 after a parse; 0 in a head that was never filled.
    pub status: u16,
    /// The headers.
    pub headers: Headers,
    reason: Vec<u8>,
    pub(crate) scan: Scan,
}

impl RequestHead {
    /// An empty head, without an allocation.
    pub fn new() -> Self {
        Self::default()
    }

    /// The method, in the case in which it came: `get` is not `GET`.
    pub fn method(&self) -> &str {
        &self.line[..self.method_len]
    }

    /// The target as it came: origin-form, absolute-form, `host:port` or `*`; see [`Target::parse`].
    pub fn target(&self) -> &str {
        &self.line[self.method_len..]
    }

    /// Another method; refused if it is no token.
    pub fn set_method(&mut self, method: &str) -> Result<(), Refusal> {
        if !is_token(method.as_bytes()) {
            return Err(Refusal::InvalidRequestLine);
        }
        self.line.replace_range(..self.method_len, method);
        self.method_len = method.len();
        Ok(())
    }

    /// Another target; refused if it is empty or has a byte outside visible ASCII, or a `#`.
    pub fn set_target(&mut self, target: &str) -> Result<(), Refusal> {
        check_target_bytes(target)?;
        self.line.truncate(self.method_len);
        self.line.push_str(target);
        Ok(())
    }

    /// The host (and port) that the request is for: an absolute target's or CONNECT's own, else the `Host` header; empty
    /// when an HTTP/1.0 request names none. `Host` is not believed beside an absolute target (RFC 9112 3.2.2).
    pub fn authority(&self) -> &str {
        let target = self.target();
        // Most targets are a path, and are not looked at further.
        if target.starts_with('/') && self.method() != "CONNECT" {
            return self.headers.text("host").unwrap_or_default();
        }
        match Target::parse(self.method(), target) {
            Ok(Target::Absolute { authority, .. } | Target::Authority(authority)) => authority,
            _ => self.headers.text("host").unwrap_or_default(),
        }
    }

    /// Makes an absolute target an origin one and its authority the only `Host`, as a proxy must before it forwards.
    /// Says the scheme that was named, or `None` when the target was not absolute and nothing changed.
    pub fn to_origin_form(&mut self) -> Result<Option<Scheme>, Refusal> {
        let Self { line, method_len, headers, .. } = self;
        let (method, target) = line.split_at(*method_len);
        let Target::Absolute { scheme, authority, path_and_query } = Target::parse(method, target)? else {
            return Ok(None);
        };
        headers.set("host", authority).map_err(|_| Refusal::HostInvalid)?;
        let instead = match path_and_query.as_bytes().first() {
            Some(b'/') => "",
            // RFC 9112 3.2.4: an OPTIONS of a whole server has no path in absolute-form and is `*` at its end.
            None if method == "OPTIONS" => "*",
            _ => "/",
        };
        let path_at = line.len() - path_and_query.len();
        line.replace_range(*method_len..path_at, instead);
        Ok(Some(scheme))
    }

    /// Empties the head and keeps its memory.
    pub fn clear(&mut self) {
        self.version = Version::default();
        self.headers.clear();
        self.line.clear();
        self.method_len = 0;
        self.scan = Scan::default();
    }

    /// Empties a head that is refused, but for its method: whoever answers has to know whether it was `HEAD`. `unread` are
    /// the bytes that it was to be read from, where it has not been.
    pub fn refuse(&mut self, unread: &[u8]) {
        let mut line = std::mem::take(&mut self.line);
        line.truncate(self.method_len);
        if line.is_empty() {
            line.push_str(method_at(unread));
        }
        self.clear();
        (self.method_len, self.line) = (line.len(), line);
    }

    /// Replaces method and target, both checked by the parser.
    pub(crate) fn load_line(&mut self, method: &str, target: &str) {
        self.line.clear();
        self.line.push_str(method);
        self.line.push_str(target);
        self.method_len = method.len();
    }
}

/// The method that a head begins with, if it is one that is whole and not absurdly long.
fn method_at(bytes: &[u8]) -> &str {
    let line = bytes.trim_ascii_start();
    let end = memchr(b' ', &line[..line.len().min(LONGEST_METHOD)]);
    let word = end.map(|end| &line[..end]).filter(|word| is_token(word));
    word.and_then(|word| std::str::from_utf8(word).ok()).unwrap_or_default()
}

impl ResponseHead {
    /// An empty head, without an allocation.
    pub fn new() -> Self {
        Self::default()
    }

    /// The reason phrase as it came; often empty.
    pub fn reason(&self) -> &[u8] {
        &self.reason
    }

    /// Another reason phrase; refused if a control byte is in it.
    pub fn set_reason(&mut self, reason: impl AsRef<[u8]>) -> Result<(), Refusal> {
        let reason = reason.as_ref();
        if !is_field_value(reason) {
            return Err(Refusal::InvalidStatusLine);
        }
        self.load_reason(reason);
        Ok(())
    }

    /// Another status, with the reason phrase that belongs to it.
    pub fn set_status(&mut self, status: u16) {
        self.status = status;
        self.load_reason(reason_phrase(status).as_bytes());
    }

    /// Empties the head and keeps its memory.
    pub fn clear(&mut self) {
        self.version = Version::default();
        self.status = 0;
        self.headers.clear();
        self.reason.clear();
        self.scan = Scan::default();
    }

    /// Replaces the reason, checked by the parser.
    pub(crate) fn load_reason(&mut self, reason: &[u8]) {
        self.reason.clear();
        self.reason.extend_from_slice(reason);
    }
}

impl PartialEq for RequestHead {
    fn eq(&self, other: &Self) -> bool {
        (self.version, self.method(), self.target(), &self.headers)
            == (other.version, other.method(), other.target(), &other.headers)
    }
}

impl Eq for RequestHead {}

impl PartialEq for ResponseHead {
    fn eq(&self, other: &Self) -> bool {
        (self.version, self.status, self.reason(), &self.headers)
            == (other.version, other.status, other.reason(), &other.headers)
    }
}

impl Eq for ResponseHead {}

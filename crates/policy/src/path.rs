//! What a path means, before anybody looks at it: normalization as the connection manager asks for.
//!
//! Whoever decides and whoever is reached must read the same path, so the proxy normalizes once, forwards exactly that,
//! and lets routing and authorization see nothing else.

use std::borrow::Cow;

use weft_model::http::{EscapedSlashes, PathNormalization};

/// What becomes of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Normalized<'a> {
    /// It goes on like this, query included.
    Forward(Cow<'a, str>),
    /// The client is sent to this one: 307.
    Redirect(String),
    /// It is answered with 400, and why.
    Reject(&'static str),
}

/// Normalizes a path with its query. A fragment has no place in a request: it is refused, so that a rule on the path's
/// end cannot be hidden from behind it.
pub fn normalize(path: &str, rules: PathNormalization) -> Normalized<'_> {
    if path.contains('#') {
        return Normalized::Reject("the path holds a fragment");
    }
    let end = path.find('?').unwrap_or(path.len());
    let (bare, query) = path.split_at(end);
    // `*` (OPTIONS) and a CONNECT's nothing are no paths.
    if !bare.starts_with('/') || is_plain(bare) {
        return Normalized::Forward(Cow::Borrowed(path));
    }
    by_rules(path, bare, query, rules)
}

fn by_rules<'a>(path: &'a str, bare: &'a str, query: &str, rules: PathNormalization) -> Normalized<'a> {
    let mut bare = Cow::Borrowed(bare);
    let mut redirect = false;
    if rules.escaped_slashes != EscapedSlashes::Keep && has_escaped_slash(&bare) {
        match rules.escaped_slashes {
            EscapedSlashes::Reject => {
                return Normalized::Reject("the path holds an escaped slash (%2F or %5C)");
            }
            EscapedSlashes::UnescapeAndRedirect => redirect = true,
            EscapedSlashes::UnescapeAndForward | EscapedSlashes::Keep => {}
        }
        bare = Cow::Owned(unescape_slashes(&bare));
    }
    if rules.normalize {
        match canonical(&bare) {
            Ok(Some(path)) => bare = Cow::Owned(path),
            Ok(None) => {}
            Err(why) => return Normalized::Reject(why),
        }
    }
    if rules.merge_slashes && bare.contains("//") {
        bare = Cow::Owned(merge_slashes(&bare));
    }
    match bare {
        Cow::Borrowed(_) => Normalized::Forward(Cow::Borrowed(path)),
        Cow::Owned(bare) if redirect => Normalized::Redirect(bare + query),
        Cow::Owned(bare) => Normalized::Forward(Cow::Owned(bare + query)),
    }
}

/// Is there nothing in it that any rule would change or refuse? Most paths are so, and one look tells.
fn is_plain(bare: &str) -> bool {
    let mut before = 0;
    bare.bytes().all(|byte| {
        let odd = matches!(byte, b'%' | b'\\') || (before == b'/' && matches!(byte, b'.' | b'/'));
        before = byte;
        !odd
    })
}

fn has_escaped_slash(path: &str) -> bool {
    path.as_bytes().windows(3).any(|three| escaped_slash(three).is_some())
}

fn escaped_slash(three: &[u8]) -> Option<char> {
    match three {
        b"%2f" | b"%2F" => Some('/'),
        b"%5c" | b"%5C" => Some('\\'),
        _ => None,
    }
}

fn unescape_slashes(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let three = rest.as_bytes().get(at..at + 3);
        match three.and_then(escaped_slash) {
            Some(slash) => {
                out.push(slash);
                rest = &rest[at + 3..];
            }
            None => {
                out.push('%');
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn merge_slashes(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !out.ends_with('/') {
            out.push(c);
        }
    }
    out
}

/// The path of RFC 3986, 6.2.2, with backslashes as slashes, as browsers and Envoy read it; `None` if it is that already.
fn canonical(path: &str) -> Result<Option<String>, &'static str> {
    let decoded = decode_unreserved(path)?;
    let plain = decoded.as_deref().unwrap_or(path);
    if !needs_work(plain) {
        return Ok(decoded);
    }
    let mut out = String::with_capacity(plain.len());
    let mut segments = plain[1..].split(['/', '\\']).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." if last => out.push('/'),
            "." => {}
            ".." => {
                // Above the root there is nothing.
                out.truncate(out.rfind('/').unwrap_or(0));
                if last {
                    out.push('/');
                }
            }
            segment => {
                out.push('/');
                out.push_str(segment);
            }
        }
    }
    Ok(Some(out))
}

fn needs_work(path: &str) -> bool {
    path.contains('\\') || path.split('/').any(|segment| matches!(segment, "." | ".."))
}

/// Decodes what needs no encoding, once; `None` if there is nothing of that kind. Other escapes stay as they came, and so
/// does a `%` that begins none.
fn decode_unreserved(path: &str) -> Result<Option<String>, &'static str> {
    let Some(decoded) = decode_once(path)? else { return Ok(None) };
    // `%2%65` would become an escape by being decoded, and mean something else to whoever decodes next.
    match decode_once(&decoded)? {
        None => Ok(Some(decoded)),
        Some(_) => Err("the path holds an escape made of escapes"),
    }
}

fn decode_once(path: &str) -> Result<Option<String>, &'static str> {
    let mut out = String::new();
    let mut rest = path;
    let mut changed = false;
    while let Some(at) = rest.find('%') {
        let digits = rest.get(at + 1..at + 3).filter(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let byte = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        out.push_str(&rest[..at]);
        match byte {
            Some(0) => return Err("the path holds an escaped NUL"),
            Some(byte) if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') => {
                out.push(char::from(byte));
                rest = &rest[at + 3..];
                changed = true;
            }
            _ => {
                out.push('%');
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
    Ok(changed.then_some(out))
}

#[cfg(test)]
mod tests;

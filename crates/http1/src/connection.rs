//! What a message asks of this one connection, and what of it must not travel further (RFC 9110 7.6.1).

use crate::headers::Names;
use crate::syntax::{is_token, list};
use crate::{Headers, Version};

/// Names in `Connection` beyond this many are not looked up: each costs a walk over the headers.
const MOST_NOMINATED: usize = 64;

/// Whether an upgrade that the request asks for goes on to the next hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upgrade {
    /// `Upgrade` is dropped, as one whose token is not known here must be.
    Drop,
    /// `Upgrade` stays and `Connection` becomes `Upgrade`.
    Keep,
}

/// Whether the connection may carry another message after this one, as far as this message's head goes. Both the request
/// and the response must say so; a body that ends with the connection ([`crate::Framing::UntilClose`]) ends it whatever they say.
///
/// `Connection` that is not a list of tokens ends the connection: the next hop may not find in it what is found here.
pub fn keep_alive(version: Version, headers: &Headers) -> bool {
    let mut lives = version == Version::Http11;
    for option in headers.get_all("connection").flat_map(list) {
        if is(option, "close") || !is_token(option) {
            return false;
        }
        lives |= is(option, "keep-alive");
    }
    lives
}

/// Removes what belongs to this connection alone: `Connection` and the headers that it nominates, `Keep-Alive`,
/// `Proxy-Connection`, `HTTP2-Settings`, `TE` but for `trailers`, `Upgrade` unless kept.
///
/// Not removed: what [`is_protected`] names, though nominated; `Content-Length` and `Transfer-Encoding`, which are
/// [`crate::set_framing`]'s; and `Trailer`, because trailers travel on.
pub fn strip_hop_by_hop(headers: &mut Headers, upgrade: Upgrade) {
    let kept = upgrade == Upgrade::Keep && headers.contains("upgrade");
    headers.remove_named_by("connection", MOST_NOMINATED, |name| {
        is_protected(name) || (kept && (is(name, "upgrade") || is(name, "connection")))
    });
    static STRIPPED: Names =
        Names::NONE.and(&["te", "upgrade", "connection", "keep-alive", "http2-settings", "proxy-connection"]);
    let mut trailers_wanted = false;
    headers.retain_among(&STRIPPED, |name, value| match name.len() {
        2 if is(name, "te") => {
            trailers_wanted |= list(value).any(|coding| is(coding, "trailers"));
            trailers_wanted
        }
        7 if is(name, "upgrade") => kept,
        10 => (kept || !is(name, "connection")) && !is(name, "keep-alive"),
        14 => !is(name, "http2-settings"),
        16 => !is(name, "proxy-connection"),
        _ => true,
    });
    // Constant names and values: they are valid, and 4 GiB of headers were refused long before.
    if trailers_wanted {
        let _ = headers.set("te", "trailers");
    }
    if kept {
        let _ = headers.set("connection", "Upgrade");
    }
}

/// Whether a header stays although `Connection` nominates it: what says where a body ends, whom a message is for, who sent it and
/// what the mesh has told about it. A sender that could make a proxy drop these would choose what the next hop believes.
pub fn is_protected(name: &[u8]) -> bool {
    const NAMES: [&str; 20] = [
        "host",
        "content-length",
        "transfer-encoding",
        "trailer",
        "te",
        "content-type",
        "content-encoding",
        "content-range",
        "authorization",
        "proxy-authorization",
        "cookie",
        "set-cookie",
        "forwarded",
        "via",
        "x-request-id",
        "x-real-ip",
        "cache-control",
        "traceparent",
        "tracestate",
        "expect",
    ];
    const PREFIXES: [&str; 3] = ["x-forwarded-", "x-envoy-", "x-b3-"];
    NAMES.iter().any(|protected| is(name, protected))
        || PREFIXES.iter().any(|prefix| name.get(..prefix.len()).is_some_and(|start| is(start, prefix)))
}

/// The protocol that the request asks to change to, the first one if it offers several; `None` without `Connection: upgrade`.
///
/// A token that the listener does not allow is to be ignored, not refused: answer as if it had not been sent.
/// HTTP/1.0 cannot upgrade; ask only for HTTP/1.1 requests.
pub fn upgrade_token(headers: &Headers) -> Option<&[u8]> {
    upgrade_tokens(headers).next()
}

/// All protocols that the request offers to change to, in its order of preference.
pub fn upgrade_tokens(headers: &Headers) -> impl Iterator<Item = &[u8]> {
    let asked = has_option(headers, b"upgrade");
    headers
        .get_all("upgrade")
        .take_while(move |_| asked)
        .flat_map(list)
        // `websocket`, or `name/version`.
        .filter(|token| token.split(|&byte| byte == b'/').all(is_token))
}

/// Whether the client waits for "100 Continue" before it sends the body. HTTP/1.0 cannot ask for it.
pub fn expects_continue(version: Version, headers: &Headers) -> bool {
    version == Version::Http11
        && headers.get_all("expect").flat_map(list).any(|expectation| is(expectation, "100-continue"))
}

fn has_option(headers: &Headers, option: &[u8]) -> bool {
    headers.get_all("connection").flat_map(list).any(|named| named.eq_ignore_ascii_case(option))
}

fn is(name: &[u8], lowercase: &str) -> bool {
    name.eq_ignore_ascii_case(lowercase.as_bytes())
}

#[cfg(test)]
mod tests;

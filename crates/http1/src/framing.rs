//! Where a message's body ends (RFC 9112 6.3), decided once and without a second reading.

use crate::syntax::list;
use crate::{Headers, InvalidHeader, Refusal, RequestHead, ResponseHead, Version};

/// Where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// After so many bytes.
    Length(u64),
    /// With the chunk of size zero and the trailers behind it.
    Chunked,
    /// With the connection: a response that does not say.
    UntilClose,
    /// What follows is not HTTP: the response was 101, or 2xx to CONNECT. Whether 101 was asked for, and asked for this
    /// protocol, is the caller's to check; until then no byte of the client's may go upstream.
    Tunnel,
}

/// Where a request's body ends.
pub fn request_framing(head: &RequestHead) -> Result<Framing, Refusal> {
    let declared = declared(head.version, &head.headers)?;
    match declared {
        Declared::Nothing => Ok(Framing::None),
        // RFC 9110 9.3.6 gives such a body no meaning; bytes after the head would be early data for the tunnel.
        Declared::Length(1..) | Declared::Chunked if head.method() == "CONNECT" => {
            Err(Refusal::ConnectWithBody)
        }
        Declared::Length(length) => Ok(Framing::Length(length)),
        Declared::Chunked => Ok(Framing::Chunked),
    }
}

/// Where the body of a response to `request_method` ends.
pub fn response_framing(request_method: &str, head: &ResponseHead) -> Result<Framing, Refusal> {
    match head.status {
        // RFC 9110 9.3.6: whatever a successful answer to CONNECT declares is to be ignored.
        200..=299 if request_method == "CONNECT" => return Ok(Framing::Tunnel),
        100..=199 | 204 => {
            return match declared(head.version, &head.headers)? {
                Declared::Nothing | Declared::Length(0) if head.status == 101 => Ok(Framing::Tunnel),
                Declared::Nothing | Declared::Length(0) => Ok(Framing::None),
                Declared::Length(_) | Declared::Chunked => Err(Refusal::ResponseWithoutBodyDeclaresOne),
            };
        }
        _ => {}
    }
    match declared(head.version, &head.headers)? {
        // Both may declare what a GET would have been given.
        _ if head.status == 304 || request_method == "HEAD" => Ok(Framing::None),
        Declared::Nothing => Ok(Framing::UntilClose),
        Declared::Length(length) => Ok(Framing::Length(length)),
        Declared::Chunked => Ok(Framing::Chunked),
    }
}

/// Makes `headers` say that the body is framed so, and nothing else. Lines that say so already are left as they came.
///
/// `None` leaves a Content-Length (a response to HEAD has one); a request without a body needs none.
pub fn set_framing(headers: &mut Headers, framing: Framing) -> Result<(), InvalidHeader> {
    match framing {
        Framing::None => drop(headers.remove("transfer-encoding")),
        Framing::UntilClose | Framing::Tunnel => {
            headers.remove("transfer-encoding");
            headers.remove("content-length");
        }
        Framing::Length(length) => {
            headers.remove("transfer-encoding");
            if headers.only("content-length").and_then(parse_length) != Some(length) {
                headers.set("content-length", itoa::Buffer::new().format(length))?;
            }
        }
        Framing::Chunked => {
            headers.remove("content-length");
            let coding = headers.only("transfer-encoding");
            if !coding.is_some_and(|value| value.eq_ignore_ascii_case(b"chunked")) {
                headers.set("transfer-encoding", "chunked")?;
            }
        }
    }
    Ok(())
}

/// What a message's headers say about its body's end.
enum Declared {
    Nothing,
    Length(u64),
    Chunked,
}

fn declared(version: Version, headers: &Headers) -> Result<Declared, Refusal> {
    let mut lengths = headers.get_all("content-length");
    let mut codings = headers.get_all("transfer-encoding");
    match (lengths.next(), codings.next()) {
        (None, None) => Ok(Declared::Nothing),
        (Some(_), Some(_)) => Err(Refusal::ContentLengthWithTransferEncoding),
        (Some(_), None) if lengths.next().is_some() => Err(Refusal::ContentLengthRepeated),
        // "5, 5" is what a sloppy hop makes of two equal lines: the hop before it may have read the first one only.
        (Some(value), None) if value.contains(&b',') => Err(Refusal::ContentLengthRepeated),
        (Some(value), None) => parse_length(value).map(Declared::Length).ok_or(Refusal::ContentLengthInvalid),
        (None, Some(_)) if version == Version::Http10 => Err(Refusal::TransferEncodingInHttp10),
        (None, Some(_)) if codings.next().is_some() => Err(Refusal::TransferEncodingInvalid),
        (None, Some(value)) if value.eq_ignore_ascii_case(b"chunked") => Ok(Declared::Chunked),
        (None, Some(value)) => {
            let mut codings = list(value).peekable();
            if codings.peek().is_none() || codings.any(|coding| coding.eq_ignore_ascii_case(b"chunked")) {
                Err(Refusal::TransferEncodingInvalid)
            } else {
                Err(Refusal::TransferEncodingUnsupported)
            }
        }
    }
}

/// Decimal digits and nothing else, within 64 bits.
fn parse_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0u64, |length, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        length.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests;

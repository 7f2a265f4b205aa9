//! Reading whole heads: a scan for the end, httparse for the pieces, then what httparse leaves open.

use std::mem::{MaybeUninit, take};

use httparse::{Header, ParserConfig, Status};

use crate::authority::check_host;
use crate::scan::{Kind, Scan};
use crate::target::check_target_bytes;
use crate::{Limits, Refusal, RequestHead, ResponseHead, Target, Version};

/// Heads with more headers than this are rare enough to take their slots from the heap.
const SLOTS_ON_STACK: usize = 128;

/// Whether a whole head was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// Not yet: call again with the same bytes and more behind them.
    Incomplete,
    /// The head is filled; the body begins at `consumed`.
    Complete {
        /// Bytes of the buffer that the head took.
        consumed: usize,
    },
}

/// Runs `$fill` with as many header slots as the scan counted lines.
macro_rules! with_slots {
    ($scan:ident, $slots:ident => $fill:expr) => {
        if $scan.headers() <= SLOTS_ON_STACK {
            let $slots = &mut [const { MaybeUninit::uninit() }; SLOTS_ON_STACK];
            $fill
        } else {
            let mut heap: Vec<_> = (0..$scan.headers()).map(|_| MaybeUninit::uninit()).collect();
            let $slots = heap.as_mut_slice();
            $fill
        }
    };
}

/// Reads a request's head from the start of `buf`, which must hold all bytes since the head's first.
///
/// Beyond the head's grammar this checks the target's form against the method and that there is exactly one valid `Host`
/// (HTTP/1.0: at most one). Where the body ends is [`crate::request_framing`]'s to say, and must be asked before
/// another byte is read.
pub fn parse_request(buf: &[u8], limits: &Limits, head: &mut RequestHead) -> Result<Parsed, Refusal> {
    let filled = head.scan.head_end(buf, Kind::Request, limits).and_then(|end| {
        let Some(end) = end else { return Ok(Parsed::Incomplete) };
        let scan = take(&mut head.scan);
        let bytes = &buf[scan.start..end];
        with_slots!(scan, slots => fill_request(bytes, &scan, slots, limits, head))?;
        Ok(Parsed::Complete { consumed: end })
    });
    // What was refused must not be used by mistake.
    filled.inspect_err(|_| head.clear())
}

/// Reads a response's head from the start of `buf`, which must hold all bytes since the head's first.
///
/// A refusal means that the upstream is not to be trusted with this connection again: 502, and close it.
pub fn parse_response(buf: &[u8], limits: &Limits, head: &mut ResponseHead) -> Result<Parsed, Refusal> {
    let filled = head.scan.head_end(buf, Kind::Response, limits).and_then(|end| {
        let Some(end) = end else { return Ok(Parsed::Incomplete) };
        let scan = take(&mut head.scan);
        with_slots!(scan, slots => fill_response(&buf[..end], &scan, slots, head))?;
        Ok(Parsed::Complete { consumed: end })
    });
    filled.inspect_err(|_| head.clear())
}

fn fill_request<'b>(
    bytes: &'b [u8],
    scan: &Scan,
    slots: &mut [MaybeUninit<Header<'b>>],
    limits: &Limits,
    head: &mut RequestHead,
) -> Result<(), Refusal> {
    let mut found = httparse::Request::new(&mut []);
    let status = found.parse_with_uninit_headers(bytes, slots);
    check_whole(status, bytes, Kind::Request)?;
    let (Some(method), Some(target), Some(minor)) = (found.method, found.path, found.version) else {
        return Err(Refusal::InvalidRequestLine);
    };
    if target.len() > limits.max_target {
        return Err(Refusal::TargetTooLong);
    }
    check_target_bytes(target)?;
    Target::parse(method, target)?;
    head.version = version(minor)?;
    head.headers.load(&bytes[scan.block - scan.start..], found.headers);
    check_host(head.version, &head.headers)?;
    head.load_line(method, target);
    Ok(())
}

fn fill_response<'b>(
    bytes: &'b [u8],
    scan: &Scan,
    slots: &mut [MaybeUninit<Header<'b>>],
    head: &mut ResponseHead,
) -> Result<(), Refusal> {
    let mut found = httparse::Response::new(&mut []);
    let status = ParserConfig::default().parse_response_with_uninit_headers(&mut found, bytes, slots);
    check_whole(status, bytes, Kind::Response)?;
    let (Some(code), Some(minor)) = (found.code, found.version) else {
        return Err(Refusal::InvalidStatusLine);
    };
    if code < 100 {
        return Err(Refusal::InvalidStatusLine);
    }
    head.version = version(minor)?;
    head.status = code;
    // `HTTP/1.1 200 ` is 13 bytes; httparse hides a reason with bytes beyond ASCII, and heads are kept as they came.
    let line = bytes[..scan.block].strip_suffix(b"\r\n").unwrap_or_default();
    head.load_reason(line.get(13..).unwrap_or_default());
    head.headers.load(&bytes[scan.block..], found.headers);
    Ok(())
}

/// httparse's verdict in our words. It must have found the same end as the scan: if the two disagree, nobody is right.
fn check_whole(status: httparse::Result<usize>, bytes: &[u8], kind: Kind) -> Result<(), Refusal> {
    use httparse::Error;
    let in_start_line = match kind {
        Kind::Request => Refusal::InvalidRequestLine,
        Kind::Response => Refusal::InvalidStatusLine,
    };
    match status {
        Ok(Status::Complete(end)) if end == bytes.len() => Ok(()),
        Ok(_) => Err(in_start_line),
        Err(Error::HeaderName) => Err(Refusal::InvalidHeaderName),
        Err(Error::HeaderValue) => Err(Refusal::InvalidHeaderValue),
        Err(Error::TooManyHeaders) => Err(Refusal::TooManyHeaders),
        Err(Error::Version) if names_a_version(bytes, kind) => Err(Refusal::UnsupportedVersion),
        Err(Error::Token | Error::Version | Error::NewLine | Error::Status) => Err(in_start_line),
    }
}

/// Whether the start line has `HTTP/x.y` where its version belongs: then it is a version that is not spoken here.
fn names_a_version(bytes: &[u8], kind: Kind) -> bool {
    let line = bytes.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|&byte| byte == b' ');
    let word = match kind {
        Kind::Request => words.nth(2),
        Kind::Response => words.next(),
    };
    matches!(word, Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor])
        if major.is_ascii_digit() && minor.is_ascii_digit())
}

fn version(minor: u8) -> Result<Version, Refusal> {
    match minor {
        0 => Ok(Version::Http10),
        1 => Ok(Version::Http11),
        _ => Err(Refusal::UnsupportedVersion),
    }
}

#[cfg(test)]
mod tests;

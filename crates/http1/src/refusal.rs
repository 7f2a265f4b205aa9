//! Why a head is refused, in words for the person who sent it and a status for the program.

/// The one reason for which a head was refused. The connection that carried it must always be closed: after
/// a head that was not understood, nobody knows where the next one begins.
///
/// A refused response is the upstream's fault, whatever [`Refusal::status`] says: its caller is answered 502.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A line ends in LF without CR.
    #[error("a line of the head ends in a bare LF; HTTP/1.1 lines end in CR LF")]
    BareLineFeed,
    /// A header line begins with white space.
    #[error("a header is folded over several lines, which RFC 9112 5.2 deprecates; send it on one line")]
    FoldedHeader,
    /// The request line is not `METHOD SP target SP HTTP/1.x`.
    #[error("the request line is not `METHOD target HTTP/1.1` (is this HTTP, or TLS on a plaintext port?)")]
    InvalidRequestLine,
    /// The status line is not `HTTP/1.x SP code SP reason`.
    #[error("the status line is not `HTTP/1.1 code reason` (does the upstream speak HTTP on this port?)")]
    InvalidStatusLine,
    /// A version that is neither 1.0 nor 1.1.
    #[error("the HTTP version is neither 1.0 nor 1.1")]
    UnsupportedVersion,
    /// The target is longer than [`crate::Limits::max_target`].
    #[error("the request target is longer than the limit (max_target)")]
    TargetTooLong,
    /// A byte outside visible ASCII, or a form that RFC 9112 3.2 does not know.
    #[error(
        "the request target is not origin-form, absolute-form, host:port or `*` in visible ASCII; percent-encode the rest"
    )]
    InvalidTarget,
    /// A `#` in the target: no client sends a fragment, and paths are matched without one.
    #[error("the request target contains `#`; a fragment is never sent")]
    TargetFragment,
    /// `user@host` in the target.
    #[error("the request target contains user information before the host; use the Authorization header")]
    TargetUserinfo,
    /// `CONNECT` without `host:port`, or `*` without `OPTIONS`.
    #[error(
        "the form of the request target does not fit the method (CONNECT takes host:port, `*` is for OPTIONS)"
    )]
    TargetDoesNotFitMethod,
    /// Empty, or a byte that is no token character: a space before the colon is one.
    #[error(
        "a header name is empty or contains a character outside RFC 9110 tokens (a space before the colon?)"
    )]
    InvalidHeaderName,
    /// A control byte in a value: NUL, a bare CR.
    #[error("a header value contains a control character (NUL, a bare CR)")]
    InvalidHeaderValue,
    /// More than [`crate::Limits::max_head_bytes`].
    #[error("the head is larger than the limit (max_head_bytes)")]
    HeadTooLarge,
    /// More than [`crate::Limits::max_headers`].
    #[error("the head has more headers than the limit (max_headers)")]
    TooManyHeaders,
    /// HTTP/1.1 without `Host`.
    #[error("the request has no Host header, which HTTP/1.1 requires")]
    HostMissing,
    /// More than one `Host`.
    #[error("the request has more than one Host header")]
    HostRepeated,
    /// A `Host` or authority that is not `host` or `host:port`.
    #[error(
        "the Host is not `host` or `host:port` (letters, digits, `-`, `.`, `_`, `~`, or an IPv6 address in brackets)"
    )]
    HostInvalid,
    /// Not only digits, or more than 64 bits.
    #[error("Content-Length is not a decimal number")]
    ContentLengthInvalid,
    /// Several lengths, even equal ones.
    #[error("Content-Length is given more than once")]
    ContentLengthRepeated,
    /// The classic of request smuggling.
    #[error(
        "both Content-Length and Transfer-Encoding are given; one of the two must decide where the body ends"
    )]
    ContentLengthWithTransferEncoding,
    /// A coding other than `chunked`.
    #[error("Transfer-Encoding names a coding other than `chunked`")]
    TransferEncodingUnsupported,
    /// `chunked` that is repeated or not last, or several Transfer-Encoding lines.
    #[error("Transfer-Encoding is repeated, empty, or does not end in exactly one `chunked`")]
    TransferEncodingInvalid,
    /// HTTP/1.0 knows no transfer codings.
    #[error("Transfer-Encoding in an HTTP/1.0 message")]
    TransferEncodingInHttp10,
    /// `CONNECT` with a body.
    #[error("a CONNECT request has no body, but declares one")]
    ConnectWithBody,
    /// 1xx or 204 with a body.
    #[error("a 1xx or 204 response has no body, but declares one")]
    ResponseWithoutBodyDeclaresOne,
}

impl Refusal {
    /// The status with which a refused request is answered.
    pub fn status(self) -> u16 {
        match self {
            Self::TargetTooLong => 414,
            Self::HeadTooLarge | Self::TooManyHeaders => 431,
            Self::TransferEncodingUnsupported => 501,
            Self::UnsupportedVersion => 505,
            Self::InvalidStatusLine | Self::ResponseWithoutBodyDeclaresOne => 502,
            _ => 400,
        }
    }
}

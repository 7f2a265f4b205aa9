//! Answers that the proxy gives itself, in Envoy's words to the client and in plain words to the access log.

use std::borrow::Cow;

use weft_http1::{Headers, InvalidHeader, RequestHead, ResponseHead};
use weft_telemetry::{ResponseFlag, ResponseFlags};

/// Envoy's word for what a route answers itself.
const OF_ROUTE: &str = "direct_response";

/// One answer of our own.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// What the client reads.
    pub body: Cow<'static, [u8]>,
    /// More headers.
    pub headers: Vec<(&'static str, String)>,
    /// Envoy's letters.
    pub flags: ResponseFlags,
    /// Envoy's word: `route_not_found`.
    pub details: Cow<'static, str>,
    /// Why, in plain words, for the log.
    pub reason: Cow<'static, str>,
    /// The policy that decided.
    pub policy: Option<Box<str>>,
    /// gRPC's status number, where it does not follow from HTTP's.
    pub grpc: Option<u8>,
}

impl Reply {
    /// An answer with Envoy's `body` and `details`.
    pub fn new(status: u16, body: &'static str, details: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            body: Cow::Borrowed(body.as_bytes()),
            headers: Vec::new(),
            flags: ResponseFlags::NONE,
            details: details.into(),
            reason: Cow::Borrowed(""),
            policy: None,
            grpc: None,
        }
    }

    /// An answer that its route asks for, and which route that is.
    pub fn of_route(status: u16, reason: String) -> Self {
        Self::new(status, "", OF_ROUTE).because(reason)
    }

    /// Whether its route asks for it: the client reads what stands there and no more, and the reason is for the log.
    pub fn is_of_route(&self) -> bool {
        self.details == OF_ROUTE
    }

    /// With a flag.
    #[must_use]
    pub fn flag(mut self, flag: ResponseFlag) -> Self {
        self.flags.insert(flag);
        self
    }

    /// With the reason in plain words.
    #[must_use]
    pub fn because(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.reason = reason.into();
        self
    }

    /// With what else is to be said of the request.
    #[must_use]
    pub fn besides(mut self, more: &str) -> Self {
        if !more.is_empty() {
            self.reason = format!("{}; {more}", self.reason).into();
        }
        self
    }

    /// A request whose bytes are not to be trusted. Whoever sent it reads why: a refusal's words are of the rule that was
    /// broken, and repeat nothing of the request.
    pub fn bad_request(refusal: weft_http1::Refusal) -> Self {
        let why = refusal.to_string();
        let mut reply =
            Self::new(refusal.status(), "", "http1.codec_error").flag(ResponseFlag::DownstreamProtocolError);
        reply.body = format!("{why}\n").into_bytes().into();
        reply.because(why)
    }

    /// Without a body, where the request that gets it is `HEAD` and its head is no longer there to tell.
    #[must_use]
    pub fn bodiless(mut self, is_head: bool) -> Self {
        if is_head {
            self.body = Cow::Borrowed(&[]);
        }
        self
    }

    /// What a client of gRPC is told: its own status number, by gRPC's mapping of HTTP's.
    pub const fn grpc_status(&self) -> u32 {
        if let Some(status) = self.grpc {
            return status as u32;
        }
        match self.status {
            400 => 13,
            401 => 16,
            403 => 7,
            404 => 12,
            429 | 502 | 503 | 504 => 14,
            _ => 2,
        }
    }

    /// Fills `head`; says what the body is. gRPC's clients get a status of theirs in place of a body.
    ///
    /// # Errors
    /// If one of the headers cannot be written.
    pub fn write<'a>(
        &'a self,
        head: &mut ResponseHead,
        request: &RequestHead,
    ) -> Result<&'a [u8], InvalidHeader> {
        head.clear();
        if is_grpc(request) {
            head.set_status(200);
            head.headers.append("content-type", "application/grpc")?;
            self.tell_grpc(&mut head.headers)?;
            for (name, value) in &self.headers {
                head.headers.append(name, value)?;
            }
            return Ok(&[]);
        }
        head.set_status(self.status);
        for (name, value) in &self.headers {
            head.headers.append(name, value)?;
        }
        if !self.body.is_empty() && !head.headers.contains("content-type") {
            head.headers.append("content-type", "text/plain")?;
        }
        Ok(&self.body)
    }

    /// The same, for a gRPC client whose answer has begun.
    ///
    /// # Errors
    /// If one of them cannot be written.
    pub fn trailers(&self) -> Result<Headers, InvalidHeader> {
        let mut trailers = Headers::new();
        self.tell_grpc(&mut trailers)?;
        Ok(trailers)
    }

    fn tell_grpc(&self, headers: &mut Headers) -> Result<(), InvalidHeader> {
        headers.append("grpc-status", self.grpc_status().to_string())?;
        let text = String::from_utf8_lossy(self.body.trim_ascii_end());
        if text.is_empty() { Ok(()) } else { headers.append("grpc-message", percent(&text)) }
    }
}

/// Does a request speak gRPC?
pub fn is_grpc(request: &RequestHead) -> bool {
    request.headers.get("content-type").is_some_and(|kind| {
        kind.strip_prefix(b"application/grpc")
            .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
    })
}

fn percent(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut out, b| {
        if (b' '..=b'~').contains(&b) && b != b'%' {
            out.push(char::from(b));
        } else {
            let _ = write!(out, "%{b:02X}");
        }
        out
    })
}

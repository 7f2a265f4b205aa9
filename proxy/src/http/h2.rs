//! HTTP/2 by the h2 crate, in the terms of [`super::message`]; heads become HTTP/1.1's, which is what the rest reads.

mod known;

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{RecvStream, SendStream};
use http::HeaderMap;
use weft_http1::{Headers, RequestHead, ResponseHead, Version};

use super::message::{Broken, Event, Inlet, Outlet};

/// A frame that is taken may be so long, and so much is sent at once at most. With its head it fills two records of TLS; one of
/// 16 KiB takes two as well, of which the second holds the last nine bytes.
pub const FRAME: u32 = 2 * 16 * 1024 - 9;
/// A stream's window: large enough that many small frames do not look like an attack to h2. It holds whole frames, so that who
/// fills it cuts none.
pub const STREAM_WINDOW: u32 = 8 * FRAME;
/// A connection's window.
pub const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// The incoming half of a stream.
#[derive(Debug)]
pub struct Incoming {
    stream: Option<RecvStream>,
    piece: Bytes,
    trailers: Headers,
    ended: bool,
}

impl Incoming {
    /// What comes on `stream`.
    pub fn new(stream: RecvStream) -> Self {
        Self { stream: Some(stream), piece: Bytes::new(), trailers: Headers::new(), ended: false }
    }

    /// Nothing will come.
    pub fn none() -> Self {
        Self { stream: None, piece: Bytes::new(), trailers: Headers::new(), ended: true }
    }

    /// Is the body known to be over?
    pub fn is_end(&self) -> bool {
        self.ended || self.stream.as_ref().is_none_or(RecvStream::is_end_stream)
    }
}

impl Inlet for Incoming {
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Broken>> {
        loop {
            if !self.piece.is_empty() {
                return Poll::Ready(Ok(Event::Data));
            }
            if self.ended {
                return Poll::Ready(Ok(Event::End));
            }
            let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(Event::End)) };
            match ready!(stream.poll_data(cx)) {
                Some(piece) => {
                    let piece = piece?;
                    if !piece.is_empty() {
                        stream.flow_control().release_capacity(piece.len())?;
                        self.piece = piece;
                    }
                }
                None => {
                    if let Some(trailers) = ready!(stream.poll_trailers(cx))? {
                        append_all(&mut self.trailers, &trailers)?;
                        weft_http1::strip_trailers(&mut self.trailers);
                    }
                    self.ended = true;
                }
            }
        }
    }

    fn chunk(&self) -> &[u8] {
        &self.piece
    }

    fn consume(&mut self, n: usize) {
        // What is over is let go of, and with it the buffer that it lay in.
        drop(self.piece.split_to(n));
    }

    fn share(&mut self, n: usize) -> Option<Bytes> {
        Some(self.piece.split_to(n))
    }

    fn is_last(&self) -> bool {
        self.stream.as_ref().is_some_and(RecvStream::is_end_stream)
    }

    fn trailers(&self) -> &Headers {
        &self.trailers
    }
}

/// The outgoing half of a stream.
#[derive(Debug)]
pub struct Outgoing {
    stream: Option<SendStream<Bytes>>,
}

impl Outgoing {
    /// What goes out on `stream`.
    pub fn new(stream: SendStream<Bytes>) -> Self {
        Self { stream: Some(stream) }
    }

    /// Nothing goes out any more.
    pub fn none() -> Self {
        Self { stream: None }
    }

    /// Ends the stream abnormally.
    pub fn reset(&mut self, reason: h2::Reason) {
        if let Some(mut stream) = self.stream.take() {
            stream.send_reset(reason);
        }
    }

    /// Has the peer reset the stream?
    pub fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.stream {
            Some(stream) => stream.poll_reset(cx).map(|_| ()),
            None => Poll::Pending,
        }
    }
}

impl Outlet for Outgoing {
    /// What h2 sets aside for a stream is taken from its connection's window, of which a few streams that want more than they
    /// have to send would leave the others nothing.
    fn poll_room(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<Result<usize, Broken>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Err(Broken::Closed)) };
        stream.reserve_capacity(wanted.min(FRAME as usize));
        loop {
            let have = stream.capacity();
            if have > 0 {
                return Poll::Ready(Ok(have));
            }
            match ready!(stream.poll_capacity(cx)) {
                Some(room) => {
                    let room = room?;
                    if room > 0 {
                        return Poll::Ready(Ok(room));
                    }
                }
                None => return Poll::Ready(Err(Broken::Closed)),
            }
        }
    }

    fn push(&mut self, data: &[u8]) -> Result<(), Broken> {
        self.push_shared(Bytes::copy_from_slice(data), false)
    }

    fn push_shared(&mut self, data: Bytes, last: bool) -> Result<(), Broken> {
        let stream = self.stream.as_mut().ok_or(Broken::Closed)?;
        stream.send_data(data, last)?;
        if last {
            // As after `finish`: what is over is not reset.
            self.stream = None;
        }
        Ok(())
    }

    fn finish(&mut self, trailers: &Headers) -> Result<(), Broken> {
        let Some(mut stream) = self.stream.take() else { return Ok(()) };
        if trailers.is_empty() {
            stream.send_data(Bytes::new(), true)?;
        } else {
            stream.send_trailers(to_map(trailers))?;
        }
        Ok(())
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        // The connection's own task writes.
        Poll::Ready(Ok(()))
    }
}

/// Fills `head` from an HTTP/2 request. `:authority` becomes Host, which must not contradict it.
///
/// # Errors
/// If something in it has no unambiguous form: the request is refused.
pub fn request_head(parts: &http::request::Parts, head: &mut RequestHead) -> Result<(), Broken> {
    head.clear();
    head.version = Version::Http11;
    // An extended CONNECT names a path, and is served as the upgrade that it asks for.
    let extended = parts.extensions.get::<h2::ext::Protocol>().is_some();
    head.set_method(if extended { "GET" } else { parts.method.as_str() })?;
    let path = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    head.set_target(if parts.method == http::Method::CONNECT && !extended {
        parts.uri.authority().map_or("", http::uri::Authority::as_str)
    } else if path.is_empty() {
        "/"
    } else {
        path
    })?;
    let authority = parts.uri.authority().map(http::uri::Authority::as_str);
    let mut hosts = parts.headers.get_all(http::header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(weft_http1::Refusal::HostRepeated.into());
    }
    match (authority, host) {
        // RFC 9113 8.3.1: a Host that says otherwise makes the request malformed.
        (Some(authority), Some(host)) if !host.as_bytes().eq_ignore_ascii_case(authority.as_bytes()) => {
            return Err(weft_http1::Refusal::HostRepeated.into());
        }
        (Some(authority), _) => {
            weft_http1::Authority::parse(authority)?;
            head.headers.append("host", authority)?;
        }
        (None, Some(host)) => {
            let text = host.to_str().map_err(|_| weft_http1::Refusal::HostInvalid)?;
            weft_http1::Authority::parse(text)?;
            head.headers.append("host", text)?;
        }
        (None, None) => return Err(weft_http1::Refusal::HostMissing.into()),
    }
    let mut cookie = Vec::new();
    for (name, value) in &parts.headers {
        if name == http::header::HOST {
            continue;
        }
        // RFC 9113 8.2.3: crumbs are put together before they go on as HTTP/1.1.
        if name == http::header::COOKIE {
            if !cookie.is_empty() {
                cookie.extend_from_slice(b"; ");
            }
            cookie.extend_from_slice(value.as_bytes());
            continue;
        }
        head.headers.append(name, value)?;
    }
    if !cookie.is_empty() {
        head.headers.append("cookie", &cookie)?;
    }
    Ok(())
}

/// Fills `head` from an HTTP/2 response.
///
/// # Errors
/// If a header cannot be carried.
pub fn response_head(parts: &http::response::Parts, head: &mut ResponseHead) -> Result<(), Broken> {
    head.clear();
    head.version = Version::Http11;
    head.set_status(parts.status.as_u16());
    append_all(&mut head.headers, &parts.headers)
}

/// An HTTP/2 request of a head whose hop-by-hop headers are gone.
///
/// # Errors
/// If the target or a header has no HTTP/2 form.
pub fn to_request(head: &RequestHead, scheme: &str) -> Result<http::Request<()>, Broken> {
    let refused = || Broken::Head(weft_http1::Refusal::InvalidTarget);
    let mut request = http::Request::builder().version(http::Version::HTTP_2).method(head.method());
    let authority = head.authority();
    let target = head.target();
    let uri = if head.method() == "CONNECT" {
        http::Uri::builder().authority(head.target()).build()
    } else {
        http::Uri::builder().scheme(scheme).authority(authority).path_and_query(target).build()
    };
    request = request.uri(uri.map_err(|_| refused())?);
    let mut request = request.body(()).map_err(|_| refused())?;
    fill(request.headers_mut(), &head.headers, |name| !name.eq_ignore_ascii_case(b"host"));
    Ok(request)
}

/// An HTTP/2 response of a head whose hop-by-hop headers are gone.
pub fn to_response(head: &ResponseHead) -> http::Response<()> {
    let mut response = http::Response::new(());
    *response.status_mut() = http::StatusCode::from_u16(head.status).unwrap_or(http::StatusCode::BAD_GATEWAY);
    fill(response.headers_mut(), &head.headers, |_| true);
    response
}

fn to_map(headers: &Headers) -> HeaderMap {
    let mut map = HeaderMap::new();
    fill(&mut map, headers, |_| true);
    map
}

/// Headers that HTTP/2 forbids have no place here: they were hop-by-hop and are gone, save what framing put there.
fn fill(map: &mut HeaderMap, headers: &Headers, keep: impl Fn(&[u8]) -> bool) {
    const FORBIDDEN: [&str; 5] =
        ["connection", "transfer-encoding", "keep-alive", "upgrade", "proxy-connection"];
    map.reserve(headers.len());
    for (name, value) in headers.iter() {
        if !keep(name) || FORBIDDEN.iter().any(|f| name.eq_ignore_ascii_case(f.as_bytes())) {
            continue;
        }
        if let Some((name, value)) = known::field(name, value) {
            map.append(name, value);
        }
    }
}

fn append_all(headers: &mut Headers, map: &HeaderMap) -> Result<(), Broken> {
    for (name, value) in map {
        headers.append(name, value)?;
    }
    Ok(())
}

//! Any bytes as an HTTP/1.1 connection: nothing panics, and whatever is accepted has one reading only.
//!
//! The first byte says into which pieces the rest is cut; the rest is what a stranger sent.

use weft_http1::{
    BodyError, BodyEvent, BodyReader, Framing, Headers, Limits, Parsed, Refusal, RequestHead, ResponseHead,
    Upgrade, keep_alive, last_chunk, parse_request, parse_response, request_framing, response_framing,
    set_framing, strip_hop_by_hop, upgrade_token, write_chunk, write_request, write_response,
};

const LIMITS: Limits =
    Limits { max_head_bytes: 2048, max_headers: 20, max_target: 512, max_trailer_bytes: 256 };

/// Plays `data` as the bytes of a client and as those of an upstream.
pub(crate) fn fuzz(data: &[u8]) {
    let Some((&cut, stream)) = data.split_first() else { return };
    let cut = usize::from(cut % 32) + 1;
    client(stream, cut);
    upstream(stream, cut, ["GET", "HEAD", "CONNECT", "POST"][cut % 4]);
    let _ = body(Framing::Chunked, stream, cut);
}

/// Every request on a connection, until one is refused or the bytes are over.
fn client(mut stream: &[u8], cut: usize) {
    loop {
        let mut head = RequestHead::new();
        let whole = parse_request(stream, &LIMITS, &mut head);
        let mut cut_head = RequestHead::new();
        let in_pieces = grow(stream, cut, |bytes| parse_request(bytes, &LIMITS, &mut cut_head));
        assert_same(&whole, &in_pieces);
        let Ok(Parsed::Complete { consumed }) = whole else { return };
        assert_eq!(head, cut_head);
        assert_headers_are_naive(&stream[..consumed], &head.headers);
        assert_eq!(rewrite_request(&head), head);
        let Ok(framing) = request_framing(&head) else { return };
        let Ok((data, trailers, left)) = body(framing, &stream[consumed..], cut) else { return };
        forward_request(&head, framing, &data, &trailers);
        if !keep_alive(head.version, &head.headers) || head.method() == "CONNECT" {
            return;
        }
        stream = &stream[stream.len() - left..];
    }
}

/// One response to `method`.
fn upstream(stream: &[u8], cut: usize, method: &str) {
    let mut head = ResponseHead::new();
    let whole = parse_response(stream, &LIMITS, &mut head);
    let mut cut_head = ResponseHead::new();
    let in_pieces = grow(stream, cut, |bytes| parse_response(bytes, &LIMITS, &mut cut_head));
    assert_same(&whole, &in_pieces);
    let Ok(Parsed::Complete { consumed }) = whole else { return };
    assert_eq!(head, cut_head);
    assert_headers_are_naive(&stream[..consumed], &head.headers);
    let mut out = Vec::new();
    write_response(&head, &mut out);
    let mut again = ResponseHead::new();
    assert_eq!(
        parse_response(&out, &LIMITS_WRITTEN, &mut again),
        Ok(Parsed::Complete { consumed: out.len() })
    );
    assert_eq!(again, head);
    if let Ok(framing) = response_framing(method, &head) {
        let _ = body(framing, &stream[consumed..], cut);
        strip_hop_by_hop(&mut head.headers, Upgrade::Drop);
        set_framing(&mut head.headers, framing).expect("constant names and values");
        assert_eq!(response_framing(method, &head), Ok(framing));
    }
}

/// Writing puts a space behind each colon, so a head may grow by its headers.
const LIMITS_WRITTEN: Limits = Limits { max_head_bytes: 4096, max_target: 1024, ..LIMITS };

fn rewrite_request(head: &RequestHead) -> RequestHead {
    let mut out = Vec::new();
    write_request(head, &mut out);
    let mut again = RequestHead::new();
    assert_eq!(
        parse_request(&out, &LIMITS_WRITTEN, &mut again),
        Ok(Parsed::Complete { consumed: out.len() })
    );
    again
}

/// One request in is one request out: what a proxy would send on is read as exactly one message again.
fn forward_request(head: &RequestHead, framing: Framing, data: &[u8], trailers: &Headers) {
    let mut head = head.clone();
    let (authority, host) = (head.authority().to_owned(), head.headers.text("host").map(str::to_owned));
    let protected = ["host", "x-forwarded-client-cert"].map(|name| head.headers.get_all(name).count());
    if upgrade_token(&head.headers).is_some() {
        strip_hop_by_hop(&mut head.headers, Upgrade::Keep);
        assert_eq!(head.headers.get_all("connection").count(), 1);
    } else {
        strip_hop_by_hop(&mut head.headers, Upgrade::Drop);
        assert!(!head.headers.contains("connection") && !head.headers.contains("upgrade"));
    }
    assert_eq!(protected, ["host", "x-forwarded-client-cert"].map(|name| head.headers.get_all(name).count()));
    if head.to_origin_form().expect("the target was accepted").is_some() {
        assert_eq!(head.headers.text("host"), Some(&*authority));
    } else {
        assert_eq!(head.headers.text("host").map(str::to_owned), host);
    }
    assert_eq!(head.authority(), authority);
    set_framing(&mut head.headers, framing).expect("constant names and values");
    let mut out = Vec::new();
    write_request(&head, &mut out);
    let head_len = out.len();
    match framing {
        Framing::Chunked => {
            data.chunks(7).for_each(|piece| write_chunk(piece, &mut out));
            last_chunk(trailers, &mut out);
        }
        _ => out.extend_from_slice(data),
    }
    let mut next = RequestHead::new();
    let parsed = parse_request(&out, &LIMITS_WRITTEN, &mut next);
    assert_eq!(
        parsed,
        Ok(Parsed::Complete { consumed: head_len }),
        "refused when forwarded: {}",
        out.escape_ascii()
    );
    assert_eq!(next, head);
    assert_eq!(request_framing(&next), Ok(framing));
    let forwarded = read(framing, &[&out[head_len..]]).expect("a body that was just written");
    assert_eq!((&*forwarded.0, &forwarded.1, forwarded.2), (data, trailers, 0));
}

type Body = (Vec<u8>, Headers, usize);

/// Reads a body whole and in pieces: data, trailers, bytes left; the two must agree.
fn body(framing: Framing, input: &[u8], cut: usize) -> Result<Body, BodyError> {
    let whole = read(framing, &[input]);
    let pieces: Vec<_> = input.chunks(cut).collect();
    let in_pieces = read(framing, &pieces);
    match (&whole, &in_pieces) {
        // Which of two errors is met first may depend on the cut.
        (Err(_), Err(_)) => {}
        _ => assert_eq!(whole, in_pieces),
    }
    whole
}

fn read(framing: Framing, pieces: &[&[u8]]) -> Result<Body, BodyError> {
    let mut reader = BodyReader::new(framing, &LIMITS);
    let mut data = Vec::new();
    let mut left: usize = pieces.iter().map(|piece| piece.len()).sum();
    for piece in pieces {
        let mut rest = *piece;
        loop {
            let consumed = match reader.next(rest)? {
                BodyEvent::Data { range, consumed } => {
                    assert!(!range.is_empty() && range.end <= consumed);
                    data.extend_from_slice(&rest[range]);
                    consumed
                }
                BodyEvent::NeedMore { consumed } => {
                    assert_eq!(consumed, rest.len(), "bytes would have to be given twice");
                    left -= consumed;
                    break;
                }
                BodyEvent::End { consumed } => return Ok((data, reader.trailers().clone(), left - consumed)),
            };
            rest = &rest[consumed..];
            left -= consumed;
        }
    }
    reader.close()?;
    Ok((data, Headers::new(), left))
}

/// Gives `parse` longer and longer beginnings, as a socket does.
fn grow(
    stream: &[u8],
    cut: usize,
    mut parse: impl FnMut(&[u8]) -> Result<Parsed, Refusal>,
) -> Result<Parsed, Refusal> {
    for end in (0..stream.len()).step_by(cut) {
        match parse(&stream[..end])? {
            Parsed::Incomplete => {}
            complete @ Parsed::Complete { .. } => return Ok(complete),
        }
    }
    parse(stream)
}

fn assert_same(whole: &Result<Parsed, Refusal>, in_pieces: &Result<Parsed, Refusal>) {
    match (whole, in_pieces) {
        (Err(_), Err(_)) => {}
        _ => assert_eq!(whole, in_pieces),
    }
}

/// The headers are what cutting the text at CR LF and at the first colon gives.
fn assert_headers_are_naive(head: &[u8], headers: &Headers) {
    let text = head.strip_prefix(b"\r\n").unwrap_or(head).strip_suffix(b"\r\n\r\n").expect("a whole head");
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
        lines.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    lines.push(rest);
    let naive = lines[1..].iter().map(|line| {
        let colon = line.iter().position(|&byte| byte == b':').expect("a colon in each header line");
        (&line[..colon], line[colon + 1..].trim_ascii())
    });
    assert!(headers.iter().eq(naive), "{headers:?} is not {}", head.escape_ascii());
    for (name, value) in headers.iter() {
        assert!(!name.is_empty() && name.iter().all(|byte| byte.is_ascii_graphic() && *byte != b':'));
        assert!(!value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
    }
}

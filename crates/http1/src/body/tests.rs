use super::*;

/// Everything the reader gives for `pieces`: the data, the bytes left of the last piece, the trailers.
fn read_pieces(
    framing: Framing,
    pieces: &[&[u8]],
    limits: &Limits,
) -> Result<(Vec<u8>, usize, Headers), BodyError> {
    let mut reader = BodyReader::new(framing, limits);
    let mut data = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let mut rest = *piece;
        loop {
            match reader.next(rest)? {
                BodyEvent::Data { range, consumed } => {
                    assert!(!range.is_empty() && range.end == consumed);
                    data.extend_from_slice(&rest[range]);
                    rest = &rest[consumed..];
                }
                BodyEvent::NeedMore { consumed } => {
                    assert_eq!(consumed, rest.len());
                    break;
                }
                BodyEvent::End { consumed } => {
                    assert!(reader.is_done());
                    let left = rest.len() - consumed
                        + pieces[index + 1..].iter().map(|piece| piece.len()).sum::<usize>();
                    return Ok((data, left, reader.trailers().clone()));
                }
            }
        }
    }
    reader.close().map(|()| (data, 0, Headers::new()))
}

fn read(framing: Framing, input: &[u8]) -> Result<(Vec<u8>, usize, Headers), BodyError> {
    let whole = read_pieces(framing, &[input], &Limits::default());
    let bytes: Vec<_> = input.chunks(1).collect();
    assert_eq!(
        read_pieces(framing, &bytes, &Limits::default()),
        whole,
        "byte by byte: {}",
        input.escape_ascii()
    );
    whole
}

fn chunked(input: &[u8]) -> Result<Vec<u8>, BodyError> {
    read(Framing::Chunked, input).map(|(data, left, _)| {
        assert_eq!(left, 0, "{}", input.escape_ascii());
        data
    })
}

fn headers(lines: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::new();
    lines.iter().for_each(|(name, value)| headers.append(name, value).unwrap());
    headers
}

#[test]
fn a_length_ends_where_it_says() {
    assert_eq!(read(Framing::Length(3), b"abcGET"), Ok((b"abc".into(), 3, Headers::new())));
    assert_eq!(read(Framing::Length(0), b"GET"), Ok((vec![], 3, Headers::new())));
    assert_eq!(read(Framing::None, b"GET"), Ok((vec![], 3, Headers::new())));
    assert_eq!(read(Framing::Length(4), b"abc"), Err(BodyError::Truncated));
    assert_eq!(read(Framing::Length(u64::MAX), b"abc"), Err(BodyError::Truncated));
}

#[test]
fn a_body_without_a_length_ends_with_the_connection() {
    assert_eq!(read(Framing::UntilClose, b"abc"), Ok((b"abc".into(), 0, Headers::new())));
    assert_eq!(read(Framing::Tunnel, b""), Ok((vec![], 0, Headers::new())));
}

#[test]
fn chunks_are_put_together() {
    assert_eq!(chunked(b"3\r\nabc\r\n0\r\n\r\n"), Ok(b"abc".into()));
    assert_eq!(chunked(b"0\r\n\r\n"), Ok(vec![]));
    assert_eq!(chunked(b"000\r\n\r\n"), Ok(vec![]));
    assert_eq!(
        chunked(b"0000000000000003\r\nabc\r\n1;a=b;c=\"d;e\"\r\n!\r\n0; x\r\n\r\n"),
        Ok(b"abc!".into())
    );
    let aligned = [b"aA\r\n".to_vec(), vec![b'x'; 0xaa], b"\r\n0\r\n\r\n".to_vec()].concat();
    assert_eq!(chunked(&aligned).map(|data| data.len()), Ok(0xaa));
    assert_eq!(read(Framing::Chunked, b"0\r\n\r\nGET"), Ok((vec![], 3, Headers::new())));
}

#[test]
fn chunks_with_two_readings_are_refused() {
    use BodyError::*;
    let table: &[(&[u8], BodyError)] = &[
        (b"\r\n", ChunkSize),
        (b" 3\r\nabc\r\n0\r\n\r\n", ChunkSize),
        (b"+3\r\nabc\r\n0\r\n\r\n", ChunkSize),
        (b"-3\r\nabc\r\n0\r\n\r\n", ChunkSize),
        (b"0x3\r\nabc\r\n0\r\n\r\n", ChunkLine),
        (b"3_0\r\nabc\r\n0\r\n\r\n", ChunkLine),
        (b"g\r\nabc\r\n0\r\n\r\n", ChunkSize),
        (b";a\r\nabc\r\n0\r\n\r\n", ChunkSize),
        (b"00000000000000003\r\nabc\r\n0\r\n\r\n", ChunkSize),
        (b"10000000000000003\r\nabc\r\n0\r\n\r\n", ChunkSize),
        (b"3 \r\nabc\r\n0\r\n\r\n", ChunkLine),
        (b"3\t;a\r\nabc\r\n0\r\n\r\n", ChunkLine),
        (b"3\nabc\r\n0\r\n\r\n", ChunkLine),
        (b"3\rabc\r\n0\r\n\r\n", ChunkLine),
        (b"3\r\rabc\r\n0\r\n\r\n", ChunkLine),
        (b"3;\nabc\r\n0\r\n\r\n", ChunkLine),
        (b"3;a\nabc\r\n0\r\n\r\n", ChunkLine),
        (b"3;a\rb\r\nabc\r\n0\r\n\r\n", ChunkLine),
        (b"3;a\0\r\nabc\r\n0\r\n\r\n", ChunkLine),
        (b"3\r\nabcd\r\n0\r\n\r\n", ChunkEnd),
        (b"3\r\nab\r\n0\r\n\r\n", ChunkEnd),
        (b"3\r\nabc\n0\r\n\r\n", ChunkEnd),
        (b"3\r\nabc0\r\n\r\n", ChunkEnd),
        (b"3\r\nabc\r0\r\n\r\n", ChunkEnd),
        (b"3\r\nabcd\n0\r\n\r\n", ChunkEnd),
        (b"3\r\nabc \n0\r\n\r\n", ChunkEnd),
        (b"3\r\nabc\r\r\n0\r\n\r\n", ChunkEnd),
        (b"0\n\n", ChunkLine),
        (b"0\r\n\n", Trailers(Refusal::BareLineFeed)),
        (b"0\r\n\r", Truncated),
        (b"0\r\n\r\r\n", Trailers(Refusal::InvalidHeaderName)),
        (b"0\r\na: b\n\r\n", Trailers(Refusal::BareLineFeed)),
        (b"0\r\na: b\r\n\n", Trailers(Refusal::BareLineFeed)),
        (b"0\r\n a: b\r\n\r\n", Trailers(Refusal::FoldedHeader)),
        (b"0\r\na: b\r\n c\r\n\r\n", Trailers(Refusal::FoldedHeader)),
        (b"0\r\na : b\r\n\r\n", Trailers(Refusal::InvalidHeaderName)),
        (b"0\r\nGET / HTTP/1.1\r\n\r\n", Trailers(Refusal::InvalidHeaderName)),
        (b"0\r\na: b\0\r\n\r\n", Trailers(Refusal::InvalidHeaderValue)),
        (b"0\r\na: b\rc\r\n\r\n", Trailers(Refusal::InvalidHeaderValue)),
        (b"0\r\nContent-Length: 3\r\n\r\n", ForbiddenTrailer),
        (b"0\r\nx: y\r\nTRANSFER-ENCODING: chunked\r\n\r\n", ForbiddenTrailer),
        (b"0\r\nhost: a\r\n\r\n", ForbiddenTrailer),
        (b"3\r\nabc\r\n", Truncated),
        (b"3\r\nab", Truncated),
        (b"3", Truncated),
        (b"", Truncated),
        (b"0\r\na: b\r\n", Truncated),
    ];
    for (input, error) in table {
        assert_eq!(chunked(input), Err(*error), "{}", input.escape_ascii());
    }
}

#[test]
fn trailers_are_kept_as_they_came() {
    let (data, left, trailers) =
        read(Framing::Chunked, b"1\r\na\r\n0\r\nGrpc-Status: 0\r\nx-Sum:\r\n\r\nGET").unwrap();
    assert_eq!((data, left), (b"a".to_vec(), 3));
    assert_eq!(trailers, headers(&[("Grpc-Status", "0"), ("x-Sum", "")]));
}

#[test]
fn trailers_that_would_act_on_the_message_are_dropped() {
    let input = b"0\r\nAuthorization: x\r\nconnection: x\r\nX-Forwarded-Client-Cert: By=x\r\nx-a: 1\r\n\
        Set-Cookie: a=b\r\nx-envoy-original-path: /\r\n\r\n";
    let (_, _, trailers) = read(Framing::Chunked, input).unwrap();
    assert_eq!(trailers, headers(&[("x-a", "1")]));
}

#[test]
fn trailers_from_elsewhere_are_stripped_alike() {
    let mut trailers = headers(&[
        ("grpc-status", "0"),
        ("content-length", "5"),
        ("Host", "a"),
        ("upgrade", "x"),
        ("te", "x"),
    ]);
    crate::strip_trailers(&mut trailers);
    assert_eq!(trailers, headers(&[("grpc-status", "0")]));
}

#[test]
fn trailers_are_bounded() {
    let limits = Limits { max_trailer_bytes: 20, max_headers: 2, ..Limits::default() };
    let read = |section: &str| {
        let input = format!("0\r\n{section}");
        read_pieces(Framing::Chunked, &[input.as_bytes()], &limits).map(|(_, _, trailers)| trailers.len())
    };
    assert_eq!(read("a: 0123456789012\r\n\r\n"), Ok(1));
    assert_eq!(read("a: 01234567890123\r\n\r\n"), Err(BodyError::Trailers(Refusal::HeadTooLarge)));
    assert_eq!(read("a:\r\nb:\r\nc:\r\n\r\n"), Err(BodyError::Trailers(Refusal::TooManyHeaders)));
    assert_eq!(read("aaaaaaaaaaaaaaaaaaaaa"), Err(BodyError::Trailers(Refusal::HeadTooLarge)));
}

#[test]
fn extensions_may_not_outweigh_the_data() {
    // What an upload signed chunk by chunk looks like, for as long as it likes.
    let chunk = format!("400;chunk-signature={}\r\n{}\r\n", "0".repeat(64), "x".repeat(1024));
    let upload = chunk.repeat(1000) + "0\r\n\r\n";
    assert_eq!(
        read_pieces(Framing::Chunked, &[upload.as_bytes()], &Limits::default()).unwrap().0.len(),
        1_024_000
    );
    let nothing = format!("1;{}\r\nx\r\n", "0".repeat(1000)).repeat(17);
    let refused = read_pieces(Framing::Chunked, &[nothing.as_bytes()], &Limits::default());
    assert_eq!(refused, Err(BodyError::ChunkExtensions));
}

#[test]
fn a_reader_started_again_knows_nothing_of_its_last_body() {
    let mut reader = BodyReader::new(Framing::Chunked, &Limits::default());
    assert_eq!(reader.next(b"0\r\na: 1\r\n\r\n"), Ok(BodyEvent::End { consumed: 11 }));
    assert_eq!(reader.trailers(), &headers(&[("a", "1")]));
    reader.start(Framing::Chunked);
    assert!(!reader.is_done() && reader.trailers().is_empty());
    assert_eq!(reader.next(b"0\r\nb: 2\r\n\r\n"), Ok(BodyEvent::End { consumed: 11 }));
    assert_eq!(reader.trailers(), &headers(&[("b", "2")]));
    reader.start(Framing::None);
    assert!(reader.is_done() && reader.trailers().is_empty());
}

#[test]
fn an_error_is_final() {
    let mut reader = BodyReader::new(Framing::Chunked, &Limits::default());
    assert_eq!(reader.next(b"x"), Err(BodyError::ChunkSize));
    assert_eq!(reader.next(b"0\r\n\r\n"), Err(BodyError::ChunkSize));
    assert_eq!(reader.close(), Err(BodyError::ChunkSize));
    reader.start(Framing::Length(1));
    assert_eq!(reader.next(b"x"), Ok(BodyEvent::Data { range: 0..1, consumed: 1 }));
    assert!(reader.is_done());
}

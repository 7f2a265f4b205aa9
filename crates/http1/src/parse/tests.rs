use super::*;
use crate::{request_framing, response_framing};

fn request(bytes: &[u8]) -> Result<(RequestHead, usize), Refusal> {
    let mut head = RequestHead::new();
    match parse_request(bytes, &Limits::default(), &mut head)? {
        Parsed::Complete { consumed } => {
            request_framing(&head)?;
            Ok((head, consumed))
        }
        Parsed::Incomplete => panic!("incomplete: {}", bytes.escape_ascii()),
    }
}

fn response(bytes: &[u8]) -> Result<ResponseHead, Refusal> {
    let mut head = ResponseHead::new();
    match parse_response(bytes, &Limits::default(), &mut head)? {
        Parsed::Complete { .. } => response_framing("GET", &head).map(|_| head),
        Parsed::Incomplete => panic!("incomplete: {}", bytes.escape_ascii()),
    }
}

#[test]
fn a_request_is_kept_as_it_came() {
    let bytes = b"POST /a?b HTTP/1.1\r\nHOST: shop:80\r\nx-B:2\r\nX-a: \t 1 \t\r\nx-Empty:\r\nContent-Length: 3\r\n\r\nabcGET";
    let (head, consumed) = request(bytes).unwrap();
    assert_eq!(&bytes[consumed..], b"abcGET");
    assert_eq!((head.method(), head.target(), head.version), ("POST", "/a?b", Version::Http11));
    let headers: Vec<_> = head.headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
    let expected =
        [("HOST", "shop:80"), ("x-B", "2"), ("X-a", "1"), ("x-Empty", ""), ("Content-Length", "3")];
    assert_eq!(headers, expected.map(|(name, value)| (name.into(), value.into())));
}

#[test]
fn a_response_is_kept_as_it_came() {
    let head = response(b"HTTP/1.0 299 Sch\xf6n so\r\nSeRver: x\r\ncontent-length: 0\r\n\r\n").unwrap();
    assert_eq!((head.status, head.version, head.reason()), (299, Version::Http10, &b"Sch\xf6n so"[..]));
    assert_eq!(head.headers.iter().next(), Some((&b"SeRver"[..], &b"x"[..])));
    assert_eq!(response(b"HTTP/1.1 200\r\n\r\n").unwrap().reason(), b"");
    assert_eq!(response(b"HTTP/1.1 200 \r\n\r\n").unwrap().reason(), b"");
}

#[test]
fn one_empty_line_before_a_request_is_passed_over() {
    let (head, consumed) = request(b"\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    assert_eq!((head.target(), head.headers.text("host"), consumed), ("/", Some("a"), 29));
}

#[test]
fn http_1_0_needs_no_host() {
    assert_eq!(request(b"GET / HTTP/1.0\r\n\r\n").unwrap().0.version, Version::Http10);
}

/// Every way of saying a request twice over, or not quite at all, that is known to have split two parsers.
#[test]
fn requests_with_two_readings_are_refused() {
    use Refusal::*;
    let table: &[(&[u8], Refusal)] = &[
        // The request line.
        (b"GET / HTTP/1.1\nhost: a\r\n\r\n", BareLineFeed),
        (b"\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", BareLineFeed),
        (b"\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", InvalidRequestLine),
        (b" GET / HTTP/1.1\r\nhost: a\r\n\r\n", InvalidRequestLine),
        (b"GET  / HTTP/1.1\r\nhost: a\r\n\r\n", InvalidRequestLine),
        (b"GET /  HTTP/1.1\r\nhost: a\r\n\r\n", InvalidRequestLine),
        (b"GET / HTTP/1.1 \r\nhost: a\r\n\r\n", InvalidRequestLine),
        (b"GET\t/\tHTTP/1.1\r\nhost: a\r\n\r\n", InvalidRequestLine),
        (b"GET / HTTP/1.1\r\r\nhost: a\r\n\r\n", InvalidRequestLine),
        (b"GET / a HTTP/1.1\r\nhost: a\r\n\r\n", InvalidRequestLine),
        (b"GET /\r\n\r\n", InvalidRequestLine),
        (b"GET / HTTP/1\r\nhost: a\r\n\r\n", InvalidRequestLine),
        (b"GET / http/1.1\r\nhost: a\r\n\r\n", InvalidRequestLine),
        (b"GET / HTTP/01.1\r\nhost: a\r\n\r\n", InvalidRequestLine),
        (b"G(T / HTTP/1.1\r\nhost: a\r\n\r\n", InvalidRequestLine),
        (b"GET / HTTP/2.0\r\nhost: a\r\n\r\n", UnsupportedVersion),
        (b"GET / HTTP/1.2\r\nhost: a\r\n\r\n", UnsupportedVersion),
        (b"GET / HTTP/0.9\r\nhost: a\r\n\r\n", UnsupportedVersion),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", UnsupportedVersion),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", InvalidRequestLine),
        // The target.
        (b"GET /a#b HTTP/1.1\r\nhost: a\r\n\r\n", TargetFragment),
        (b"GET http://a#@b/ HTTP/1.1\r\nhost: a\r\n\r\n", TargetFragment),
        (b"GET /\xc3\xa4 HTTP/1.1\r\nhost: a\r\n\r\n", InvalidTarget),
        (b"GET /\xff HTTP/1.1\r\nhost: a\r\n\r\n", InvalidRequestLine),
        (b"GET /\0 HTTP/1.1\r\nhost: a\r\n\r\n", InvalidRequestLine),
        (b"GET /\x7f HTTP/1.1\r\nhost: a\r\n\r\n", InvalidRequestLine),
        (b"GET a HTTP/1.1\r\nhost: a\r\n\r\n", InvalidTarget),
        (b"GET * HTTP/1.1\r\nhost: a\r\n\r\n", TargetDoesNotFitMethod),
        (b"CONNECT / HTTP/1.1\r\nhost: a\r\n\r\n", TargetDoesNotFitMethod),
        (b"CONNECT a HTTP/1.1\r\nhost: a\r\n\r\n", TargetDoesNotFitMethod),
        (b"GET http://u:p@a/ HTTP/1.1\r\nhost: a\r\n\r\n", TargetUserinfo),
        (b"GET http:///b HTTP/1.1\r\nhost: a\r\n\r\n", HostInvalid),
        (b"GET http://a\\@b/ HTTP/1.1\r\nhost: a\r\n\r\n", TargetUserinfo),
        (b"GET http://a\\b/ HTTP/1.1\r\nhost: a\r\n\r\n", HostInvalid),
        // Host.
        (b"GET / HTTP/1.1\r\n\r\n", HostMissing),
        (b"GET http://a/ HTTP/1.1\r\n\r\n", HostMissing),
        (b"GET / HTTP/1.1\r\nhost: a\r\nHost: a\r\n\r\n", HostRepeated),
        (b"GET / HTTP/1.0\r\nhost: a\r\nHOST: b\r\n\r\n", HostRepeated),
        (b"GET / HTTP/1.1\r\nhost: a, b\r\n\r\n", HostInvalid),
        (b"GET / HTTP/1.1\r\nhost: a b\r\n\r\n", HostInvalid),
        (b"GET / HTTP/1.1\r\nhost: a/b\r\n\r\n", HostInvalid),
        (b"GET / HTTP/1.1\r\nhost: u@a\r\n\r\n", HostInvalid),
        (b"GET / HTTP/1.1\r\nhost: a:80:81\r\n\r\n", HostInvalid),
        (b"GET / HTTP/1.1\r\nhost: a:+80\r\n\r\n", HostInvalid),
        (b"GET / HTTP/1.1\r\nhost: \xe4\r\n\r\n", HostInvalid),
        // Lines of the head.
        (b"GET / HTTP/1.1\r\nhost: a\nx: y\r\n\r\n", BareLineFeed),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n\n", BareLineFeed),
        (b"GET / HTTP/1.1\r\nhost: a\n\r\n", BareLineFeed),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: y\n\n", BareLineFeed),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: y\rz: 1\r\n\r\n", InvalidHeaderValue),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: y\r\r\n\r\n", InvalidHeaderValue),
        (b"GET / HTTP/1.1\r\nhost: a\r\n\rx: y\r\n\r\n", InvalidRequestLine),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n z\r\n\r\n", FoldedHeader),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n\tz\r\n\r\n", FoldedHeader),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx:\r\n y\r\n\r\n", FoldedHeader),
        (b"GET / HTTP/1.1\r\n host: a\r\n\r\n", FoldedHeader),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n \r\n\r\n", FoldedHeader),
        (b"GET / HTTP/1.1\r\nhost : a\r\n\r\n", InvalidHeaderName),
        (b"GET / HTTP/1.1\r\nhost: a\r\nContent-Length : 5\r\n\r\n", InvalidHeaderName),
        (b"GET / HTTP/1.1\r\nhost: a\r\nContent-Length\t: 5\r\n\r\n", InvalidHeaderName),
        (b"GET / HTTP/1.1\r\nhost: a\r\nTransfer-Encoding\x0b: chunked\r\n\r\n", InvalidHeaderName),
        (b"GET / HTTP/1.1\r\nhost: a\r\n\x0bTransfer-Encoding: chunked\r\n\r\n", InvalidHeaderName),
        (b"GET / HTTP/1.1\r\nhost: a\r\n: y\r\n\r\n", InvalidHeaderName),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx\r\n\r\n", InvalidHeaderName),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx\0y: z\r\n\r\n", InvalidHeaderName),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx\xe4: z\r\n\r\n", InvalidHeaderName),
        (b"GET / HTTP/1.1\r\nhost: a\r\n\"x\": z\r\n\r\n", InvalidHeaderName),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n", InvalidHeaderValue),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: a\x7fb\r\n\r\n", InvalidHeaderValue),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: \x1b[31m\r\n\r\n", InvalidHeaderValue),
    ];
    for (bytes, refusal) in table {
        assert_eq!(request(bytes).map(|_| ()), Err(*refusal), "{}", bytes.escape_ascii());
    }
}

#[test]
fn responses_with_two_readings_are_refused() {
    use Refusal::*;
    let table: &[(&[u8], Refusal)] = &[
        (b"\r\nHTTP/1.1 200 OK\r\n\r\n", InvalidStatusLine),
        (b" HTTP/1.1 200 OK\r\n\r\n", InvalidStatusLine),
        (b"HTTP/1.1 200 OK\n\r\n", BareLineFeed),
        (b"HTTP/1.1 200 OK\r\n\n", BareLineFeed),
        (b"HTTP/1.1  200 OK\r\n\r\n", InvalidStatusLine),
        (b"HTTP/1.1 20 OK\r\n\r\n", InvalidStatusLine),
        (b"HTTP/1.1 2000 OK\r\n\r\n", InvalidStatusLine),
        (b"HTTP/1.1 +20 OK\r\n\r\n", InvalidStatusLine),
        (b"HTTP/1.1 099 OK\r\n\r\n", InvalidStatusLine),
        (b"HTTP/1.1 200 O\0K\r\n\r\n", InvalidStatusLine),
        (b"HTTP/1.1 200 O\rK\r\n\r\n", InvalidStatusLine),
        (b"HTTP/1.1 200OK\r\n\r\n", InvalidStatusLine),
        (b"HTTP/3.0 200 OK\r\n\r\n", UnsupportedVersion),
        (b"ICY 200 OK\r\n\r\n", InvalidStatusLine),
        (b"HTTP/1.1 200 OK\r\nx : y\r\n\r\n", InvalidHeaderName),
        (b"HTTP/1.1 200 OK\r\nx: y\r\n z\r\n\r\n", FoldedHeader),
        (b"HTTP/1.1 200 OK\r\n x: y\r\n\r\n", FoldedHeader),
        (b"HTTP/1.1 200 OK\r\nx: y\0\r\n\r\n", InvalidHeaderValue),
    ];
    for (bytes, refusal) in table {
        assert_eq!(response(bytes).map(|_| ()), Err(*refusal), "{}", bytes.escape_ascii());
    }
}

#[test]
fn limits_are_exact() {
    let limits = Limits { max_head_bytes: 60, max_headers: 2, max_target: 4, max_trailer_bytes: 0 };
    let parse = |bytes: &[u8]| parse_request(bytes, &limits, &mut RequestHead::new());
    let head_of = |len: usize| {
        format!("GET /abc HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "0".repeat(len - 35)).into_bytes()
    };
    assert_eq!(parse(&head_of(60)), Ok(Parsed::Complete { consumed: 60 }));
    assert_eq!(parse(&head_of(61)), Err(Refusal::HeadTooLarge));
    assert_eq!(parse(&head_of(61)[..60]), Err(Refusal::HeadTooLarge));
    assert_eq!(parse(&head_of(61)[..59]), Ok(Parsed::Incomplete));
    assert_eq!(parse(b"GET /abcd HTTP/1.1\r\nhost: a\r\n\r\n"), Err(Refusal::TargetTooLong));
    assert_eq!(parse(b"GET /abc HTTP/1.1\r\nhost: a\r\nb: c\r\nd:e\r\n\r\n"), Err(Refusal::TooManyHeaders));
    // Refused before the head is whole, so nobody waits for its end.
    assert_eq!(parse(b"GET /abc HTTP/1.1\r\na: a\r\nb: c\r\nd: e\r\n"), Err(Refusal::TooManyHeaders));
}

#[test]
fn a_target_without_end_is_refused_before_the_head_is_full() {
    let long = [b"GET /".to_vec(), vec![b'a'; 20_000]].concat();
    assert_eq!(
        parse_request(&long, &Limits::default(), &mut RequestHead::new()),
        Err(Refusal::TargetTooLong)
    );
}

#[test]
fn more_headers_than_the_stack_has_slots_for() {
    let limits = Limits { max_headers: 1000, ..Limits::default() };
    let mut bytes = b"GET / HTTP/1.1\r\nhost: a\r\n".to_vec();
    (1..1000).for_each(|n| bytes.extend_from_slice(format!("x-{n}: {n}\r\n").as_bytes()));
    bytes.extend_from_slice(b"\r\n");
    let mut head = RequestHead::new();
    assert_eq!(parse_request(&bytes, &limits, &mut head), Ok(Parsed::Complete { consumed: bytes.len() }));
    assert_eq!((head.headers.len(), head.headers.text("X-999")), (1000, Some("999")));
}

#[test]
fn a_refused_head_is_empty() {
    let mut head = RequestHead::new();
    parse_request(b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n", &Limits::default(), &mut head).unwrap();
    parse_request(b"GET / HTTP/1.1\r\nx: y\r\n\r\n", &Limits::default(), &mut head).unwrap_err();
    assert_eq!(head, RequestHead::new());
}

#[test]
fn what_is_refused_is_answered_by_its_method_alone() {
    let left = |head: &mut RequestHead, unread: &[u8]| {
        head.refuse(unread);
        (head.method().to_owned(), head.target().to_owned(), head.headers.len())
    };
    let mut head = RequestHead::new();
    let unread = b"\r\nHEAD / HTTP/1.1\r\nx: y\r\n\r\n";
    parse_request(unread, &Limits::default(), &mut head).unwrap_err();
    assert_eq!(
        left(&mut head, unread),
        ("HEAD".into(), String::new(), 0),
        "not understood, so still to be read"
    );
    parse_request(b"HEAD /x HTTP/1.1\r\nhost: a\r\n\r\n", &Limits::default(), &mut head).unwrap();
    assert_eq!(
        left(&mut head, b"GET / HTTP/1.1"),
        ("HEAD".into(), String::new(), 0),
        "read: what follows is not it"
    );
    for no_method in ["", "HEAD", "H\0AD / HTTP/1.1", &format!("{} /", "M".repeat(128))] {
        assert_eq!(left(&mut RequestHead::new(), no_method.as_bytes()), Default::default(), "{no_method}");
    }
}

#[test]
fn a_head_that_comes_slowly_is_taken_whole() {
    let mut bytes = b"GET / HTTP/1.1\r\nhost: a\r\nx: ".to_vec();
    bytes.resize(60_000, b'y');
    bytes.extend_from_slice(b"\r\n\r\n");
    let mut head = RequestHead::new();
    for len in 0..bytes.len() {
        assert_eq!(parse_request(&bytes[..len], &Limits::default(), &mut head), Ok(Parsed::Incomplete));
    }
    let consumed = bytes.len();
    assert_eq!(parse_request(&bytes, &Limits::default(), &mut head), Ok(Parsed::Complete { consumed }));
}

#[test]
fn the_longest_request_line_may_come_in_pieces() {
    // A method so long that the line, not the target, is at its bound.
    let limits = Limits { max_target: 4, ..Limits::default() };
    let bytes = format!("{} /abc HTTP/1.1\r\nhost: a\r\n\r\n", "M".repeat(4 + 128 - 14)).into_bytes();
    let mut head = RequestHead::new();
    for len in 0..bytes.len() {
        assert_eq!(parse_request(&bytes[..len], &limits, &mut head), Ok(Parsed::Incomplete), "{len}");
    }
    assert!(matches!(parse_request(&bytes, &limits, &mut head), Ok(Parsed::Complete { .. })));
    let longer = [b"M", &*bytes].concat();
    assert_eq!(parse_request(&longer, &limits, &mut head), Err(Refusal::TargetTooLong));
}

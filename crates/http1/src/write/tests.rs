use super::*;
use crate::{Limits, parse_request, parse_response, reason_phrase};

fn rewritten(bytes: &str, change: impl FnOnce(&mut RequestHead)) -> String {
    let mut head = RequestHead::new();
    parse_request(bytes.as_bytes(), &Limits::default(), &mut head).unwrap();
    change(&mut head);
    let mut out = Vec::new();
    write_request(&head, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_head_goes_out_as_it_came_in() {
    let bytes = "GET /a?b HTTP/1.1\r\nHOST: a\r\nX-y: 1,  2\r\nx-Z: \r\naccept: */*\r\n\r\n";
    assert_eq!(rewritten(bytes, |_| ()), bytes);
}

#[test]
fn odd_white_space_between_name_and_value_is_made_even() {
    let odd = "GET / HTTP/1.0\r\na:1\r\nb:\t2\r\nc:  3\r\nd: 4 \r\ne:\r\nf: 6\r\n\r\n";
    let even = "GET / HTTP/1.0\r\na: 1\r\nb: 2\r\nc: 3\r\nd: 4\r\ne: \r\nf: 6\r\n\r\n";
    assert_eq!(rewritten(odd, |_| ()), even);
}

#[test]
fn changes_appear_in_their_places() {
    let bytes = "GET /a HTTP/1.1\r\nHost: a\r\nB: 1\r\nC: 2\r\nD: 3\r\nB: 4\r\n\r\n";
    let out = rewritten(bytes, |head| {
        head.set_target("/longer").unwrap();
        head.headers.set("b", "x").unwrap();
        head.headers.remove("c");
        head.headers.append("e", "5").unwrap();
        head.headers.append("f", "6").unwrap();
    });
    assert_eq!(out, "GET /longer HTTP/1.1\r\nHost: a\r\nB: x\r\nD: 3\r\ne: 5\r\nf: 6\r\n\r\n");
}

#[test]
fn a_response_goes_out_as_it_came_in() {
    let bytes = b"HTTP/1.1 200 \xf6\r\nA: 1\r\n\r\n";
    let mut head = ResponseHead::new();
    parse_response(bytes, &Limits::default(), &mut head).unwrap();
    let mut out = Vec::new();
    write_response(&head, &mut out);
    assert_eq!(out, bytes);
    head.set_status(404);
    head.set_reason("No\r\nx: y").unwrap_err();
    out.clear();
    write_response(&head, &mut out);
    assert_eq!(out, b"HTTP/1.1 404 Not Found\r\nA: 1\r\n\r\n");
}

#[test]
fn chunks() {
    let mut out = Vec::new();
    for len in [0, 1, 15, 16, 255, 4096, 0x1234_5678] {
        chunk_head(len, &mut out);
    }
    assert_eq!(out, b"1\r\nf\r\n10\r\nff\r\n1000\r\n12345678\r\n");
    out.clear();
    write_chunk(b"", &mut out);
    write_chunk(b"abc", &mut out);
    let mut trailers = Headers::new();
    trailers.append("Grpc-Status", "0").unwrap();
    last_chunk(&trailers, &mut out);
    assert_eq!(out, b"3\r\nabc\r\n0\r\nGrpc-Status: 0\r\n\r\n");
}

#[test]
fn no_phrase_can_end_its_line() {
    for status in 0..=999 {
        assert!(
            reason_phrase(status)
                .bytes()
                .all(|byte| byte == b' ' || byte == b'-' || byte.is_ascii_alphabetic())
        );
    }
    assert_eq!((reason_phrase(503), reason_phrase(299)), ("Service Unavailable", ""));
}

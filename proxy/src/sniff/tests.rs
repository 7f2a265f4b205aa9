use super::*;

#[test]
fn each_protocol_is_told_from_its_first_bytes() {
    for (seen, verdict) in [
        (&b"GET / HTTP/1.1\r\n"[..], Protocol::Http11),
        (b"PATCH /a?b HTTP/1.0\r\nhost: x", Protocol::Http10),
        (H2_PREFACE, Protocol::H2c),
        (b"\x16\x03\x01\x02\x00", Protocol::Tls),
        (b"\x16\x04", Protocol::Other),
        (b"\x00\x00\x00\x08", Protocol::Other),
        (b"GET / HTTP/0.9\r\n", Protocol::Other),
        (b"hello world\n", Protocol::Other),
        (b"HELO", Protocol::Other),
    ] {
        assert_eq!(protocol(seen, true), Some(verdict), "{}", seen.escape_ascii());
    }
}

#[test]
fn more_is_asked_for_while_it_could_still_be_http() {
    for seen in [&b""[..], b"P", b"PRI * HT", b"GET", b"GET /long", b"\x16"] {
        assert_eq!(protocol(seen, false), None, "{}", seen.escape_ascii());
    }
}

#[test]
fn a_binary_stream_is_told_at_once_and_an_endless_line_at_last() {
    assert_eq!(protocol(b"\x04\xff\x00", false), Some(Protocol::Other));
    assert_eq!(protocol(b"GET \x00", false), Some(Protocol::Other));
    let endless = [b"GET /".as_slice(), &[b'a'; MAX_FIRST_LINE]].concat();
    assert_eq!(protocol(&endless, false), Some(Protocol::Other));
}

#[test]
fn a_server_of_http2_is_told_from_others_that_speak_first() {
    let settings = b"\0\0\x06\x04\0\0\0\0\0\0\x05\0\0\x40\0";
    assert!(is_http2_server(settings) && is_http2_server(&settings[..9]) && !is_http2_server(&settings[..8]));
    assert!(is_http2_server(b"\0\0\0\x04\0\0\0\0\0"));
    let others: [&[u8]; 4] = [
        b"220 mail.example ESMTP",
        b"\x4a\0\0\0\x0a5.7.44-MySQL",
        b"\0\0\x07\x04\0\0\0\0\0",
        b"\0\0\0\x04\0\x01\0\0\0",
    ];
    for other in others {
        assert!(!is_http2_server(other), "{}", other.escape_ascii());
    }
}

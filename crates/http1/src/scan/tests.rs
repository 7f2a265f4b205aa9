use super::*;

#[test]
fn no_byte_is_looked_at_twice() {
    let bytes = b"\r\nGET / HTTP/1.1\r\nhost: a\r\nx: yyyyyyyyyyyyy\r\n\r\n";
    let mut scan = Scan::default();
    for len in 0..bytes.len() {
        assert_eq!(scan.head_end(&bytes[..len], Kind::Request, &Limits::default()), Ok(None));
        assert_eq!(scan.seen, len, "the next look begins where this one ended");
    }
    assert_eq!(scan.head_end(bytes, Kind::Request, &Limits::default()), Ok(Some(bytes.len())));
    assert_eq!((scan.start, scan.block, scan.headers()), (2, 18, 2));
}

#[test]
fn a_shorter_buffer_is_another_one() {
    let mut scan = Scan::default();
    assert_eq!(scan.head_end(b"GET / HTTP/1.1\r\nhost: a\r\n", Kind::Request, &Limits::default()), Ok(None));
    assert_eq!(
        scan.head_end(b"GET / HTTP/1.1\n", Kind::Request, &Limits::default()),
        Err(Refusal::BareLineFeed)
    );
}

use super::*;

const V11: Version = Version::Http11;

fn headers(lines: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::new();
    lines.iter().for_each(|(name, value)| headers.append(name, value).unwrap());
    headers
}

fn request(method: &str, version: Version, lines: &[(&str, &str)]) -> Result<Framing, Refusal> {
    let mut head = RequestHead::new();
    (head.version, head.headers) = (version, headers(lines));
    head.set_method(method).unwrap();
    request_framing(&head)
}

fn response(method: &str, status: u16, lines: &[(&str, &str)]) -> Result<Framing, Refusal> {
    let mut head = ResponseHead::new();
    (head.status, head.headers) = (status, headers(lines));
    response_framing(method, &head)
}

#[test]
fn one_length_or_one_chunked_frames_a_body() {
    assert_eq!(request("GET", V11, &[]), Ok(Framing::None));
    assert_eq!(request("POST", V11, &[("content-length", "0")]), Ok(Framing::Length(0)));
    assert_eq!(request("GET", V11, &[("Content-Length", "007")]), Ok(Framing::Length(7)));
    let most = u64::MAX.to_string();
    assert_eq!(request("PUT", V11, &[("content-length", &most)]), Ok(Framing::Length(u64::MAX)));
    assert_eq!(request("PUT", V11, &[("Transfer-Encoding", "Chunked")]), Ok(Framing::Chunked));
    assert_eq!(request("POST", Version::Http10, &[("content-length", "5")]), Ok(Framing::Length(5)));
}

#[test]
fn every_other_length_is_refused() {
    for value in [
        "",
        "+5",
        "-5",
        "-0",
        "5 5",
        "5;",
        "5.0",
        "5e3",
        "0x5",
        "five",
        "5\u{b2}",
        "\"5\"",
        "18446744073709551616",
        "99999999999999999999999999",
    ] {
        let refused = request("POST", V11, &[("content-length", value)]);
        assert_eq!(refused, Err(Refusal::ContentLengthInvalid), "{value}");
    }
    for value in ["5, 5", "5,5", "5,", ",5", "5, 6"] {
        let refused = request("POST", V11, &[("content-length", value)]);
        assert_eq!(refused, Err(Refusal::ContentLengthRepeated), "{value}");
    }
    for second in ["5", "6", ""] {
        let refused = request("POST", V11, &[("Content-Length", "5"), ("content-length", second)]);
        assert_eq!(refused, Err(Refusal::ContentLengthRepeated));
    }
}

#[test]
fn every_other_transfer_encoding_is_refused() {
    for value in [
        "",
        ",",
        "chunked, chunked",
        "chunked,",
        ",chunked",
        "gzip, chunked",
        "chunked, gzip",
        "identity, chunked",
        "chunked, identity",
    ] {
        let refused = request("POST", V11, &[("transfer-encoding", value)]);
        assert_eq!(refused, Err(Refusal::TransferEncodingInvalid), "{value}");
    }
    for value in [
        "gzip",
        "identity",
        "xchunked",
        "chunkedx",
        "chunked;q=1",
        "\"chunked\"",
        "x chunked",
        "chunk",
        "cow",
    ] {
        let refused = request("POST", V11, &[("transfer-encoding", value)]);
        assert_eq!(refused, Err(Refusal::TransferEncodingUnsupported), "{value}");
    }
    let twice = [("transfer-encoding", "chunked"), ("Transfer-Encoding", "chunked")];
    assert_eq!(request("POST", V11, &twice), Err(Refusal::TransferEncodingInvalid));
    let second = [("transfer-encoding", "chunked"), ("Transfer-Encoding", "identity")];
    assert_eq!(request("POST", V11, &second), Err(Refusal::TransferEncodingInvalid));
    let old = request("POST", Version::Http10, &[("transfer-encoding", "chunked")]);
    assert_eq!(old, Err(Refusal::TransferEncodingInHttp10));
}

#[test]
fn length_and_transfer_encoding_together_are_refused_in_any_order() {
    for (length, coding) in [("5", "chunked"), ("0", "chunked"), ("5", "identity"), ("x", "x")] {
        let (length, coding) = (("content-length", length), ("transfer-encoding", coding));
        for lines in [[length, coding], [coding, length]] {
            assert_eq!(request("POST", V11, &lines), Err(Refusal::ContentLengthWithTransferEncoding));
            assert_eq!(response("GET", 200, &lines), Err(Refusal::ContentLengthWithTransferEncoding));
            assert_eq!(response("HEAD", 200, &lines), Err(Refusal::ContentLengthWithTransferEncoding));
        }
    }
}

#[test]
fn connect_has_no_body() {
    assert_eq!(request("CONNECT", V11, &[]), Ok(Framing::None));
    assert_eq!(request("CONNECT", V11, &[("content-length", "0")]), Ok(Framing::Length(0)));
    for line in [("content-length", "1"), ("transfer-encoding", "chunked")] {
        assert_eq!(request("CONNECT", V11, &[line]), Err(Refusal::ConnectWithBody));
    }
}

#[test]
fn the_method_and_status_decide_before_the_headers() {
    let (length, chunked) = (("content-length", "5"), ("transfer-encoding", "chunked"));
    assert_eq!(response("GET", 200, &[length]), Ok(Framing::Length(5)));
    assert_eq!(response("GET", 200, &[chunked]), Ok(Framing::Chunked));
    assert_eq!(response("GET", 200, &[]), Ok(Framing::UntilClose));
    for none in [&[][..], &[length], &[chunked]] {
        assert_eq!(response("HEAD", 200, none), Ok(Framing::None));
        assert_eq!(response("GET", 304, none), Ok(Framing::None));
        assert_eq!(response("CONNECT", 200, none), Ok(Framing::Tunnel));
    }
    assert_eq!(response("CONNECT", 407, &[length]), Ok(Framing::Length(5)));
    assert_eq!(response("GET", 101, &[]), Ok(Framing::Tunnel));
    for status in [100, 103, 199, 204] {
        assert_eq!(response("GET", status, &[]), Ok(Framing::None));
        assert_eq!(response("GET", status, &[("content-length", "0")]), Ok(Framing::None));
    }
    for status in [100, 101, 103, 204] {
        for line in [length, chunked] {
            assert_eq!(response("GET", status, &[line]), Err(Refusal::ResponseWithoutBodyDeclaresOne));
        }
    }
}

#[test]
fn framing_headers_that_are_right_are_not_touched() {
    let mut right = headers(&[("A", "b"), ("CONTENT-LENGTH", "05"), ("C", "d")]);
    set_framing(&mut right, Framing::Length(5)).unwrap();
    assert_eq!(right, headers(&[("A", "b"), ("CONTENT-LENGTH", "05"), ("C", "d")]));
    let mut right = headers(&[("Transfer-encoding", "Chunked"), ("C", "d")]);
    set_framing(&mut right, Framing::Chunked).unwrap();
    assert_eq!(right, headers(&[("Transfer-encoding", "Chunked"), ("C", "d")]));
}

#[test]
fn framing_headers_that_are_wrong_are_made_right() {
    let both = [("content-length", "5"), ("Content-Length", "6"), ("transfer-encoding", "gzip")];
    for (framing, expected) in [
        (Framing::Length(7), &[("content-length", "7")][..]),
        (Framing::Chunked, &[("transfer-encoding", "chunked")]),
        (Framing::UntilClose, &[]),
        (Framing::Tunnel, &[]),
    ] {
        let mut wrong = headers(&both);
        set_framing(&mut wrong, framing).unwrap();
        assert_eq!(wrong, headers(expected));
    }
    let mut head = headers(&[("content-length", "5"), ("transfer-encoding", "chunked")]);
    set_framing(&mut head, Framing::None).unwrap();
    assert_eq!(head, headers(&[("content-length", "5")]));
}

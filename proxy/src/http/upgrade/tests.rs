use super::*;

#[test]
fn a_key_is_answered_as_rfc_6455_has_it() {
    let mut request = RequestHead::new();
    request.set_method("GET").unwrap();
    ask(&mut request, "websocket", *b"the sample nonce").unwrap();
    assert_eq!(request.headers.text("sec-websocket-key"), Some("dGhlIHNhbXBsZSBub25jZQ=="));
    let mut answer = Headers::new();
    assert!(!is_understood(&request.headers, &answer));
    answer.set("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=").unwrap();
    assert!(is_understood(&request.headers, &answer));
}

#[test]
fn a_protocol_without_keys_asks_for_none() {
    let mut request = RequestHead::new();
    request.headers.set("sec-websocket-key", "the client's").unwrap();
    ask(&mut request, "connect-udp", [0; 16]).unwrap();
    assert!(!request.headers.contains("sec-websocket-key"));
    assert!(is_understood(&request.headers, &Headers::new()));
}

#[test]
fn bytes_of_any_number_are_written_in_sixty_four_digits() {
    for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
        assert_eq!(base64(bytes.as_bytes()), text);
    }
}

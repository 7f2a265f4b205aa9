use super::*;

fn written(name: &str, value: &[u8]) -> Option<(String, Vec<u8>, bool)> {
    let (name, value) = field(name.as_bytes(), value)?;
    Some((name.to_string(), value.as_bytes().to_vec(), value.is_sensitive()))
}

#[test]
fn a_header_is_the_same_however_often_it_is_asked_for() {
    for value in [&b"one"[..], b"one", b"another", b"one", b"", b"\xff"] {
        for name in ["content-type", "x-own", "x-envoy-peer-metadata"] {
            assert_eq!(written(name, value), Some((name.to_owned(), value.to_vec(), false)));
        }
    }
}

#[test]
fn names_that_share_a_place_do_not_mix() {
    // As long as each other, with the same last letter.
    for name in ["x-aaa-z", "x-bbb-z", "x-aaa-z", "X-AAA-Z", "x-aaa-z"] {
        assert_eq!(written(name, b"1"), Some((name.to_ascii_lowercase(), b"1".to_vec(), false)));
    }
}

#[test]
fn what_is_no_header_stays_none_also_behind_one_that_is() {
    for (name, value) in
        [("", &b"1"[..]), ("x y", b"1"), ("x-own", b"a\r\nb"), ("x-envoy-peer-metadata", b"a\0")]
    {
        written(name, b"well");
        assert_eq!(written(name, value), None, "{name}");
    }
}

#[test]
fn what_is_another_for_each_request_is_kept_out_of_hpack_s_table() {
    for name in ["x-request-id", "traceparent", "grpc-timeout"] {
        assert_eq!(written(name, b"1"), Some((name.to_owned(), b"1".to_vec(), true)));
    }
}

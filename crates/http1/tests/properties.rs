//! What holds for any input at all: the fuzz target on generated connections, and heads that survive being written.

#[path = "../../../tests/fuzz/http1/fuzz.rs"]
mod fuzz;
#[path = "strategies/stranger.rs"]
mod stranger;

use proptest::prelude::*;
use weft_http1::{
    Headers, Limits, Parsed, RequestHead, ResponseHead, Version, parse_request, parse_response,
    write_request, write_response,
};

fn headers() -> impl Strategy<Value = Headers> {
    prop::collection::vec(
        ("[!#$%&'*+.^_`|~0-9a-zA-Z-]{1,12}", prop::collection::vec(any::<u8>(), 0..12)),
        0..20,
    )
    .prop_map(|lines| {
        let mut headers = Headers::new();
        for (name, value) in lines {
            // Refused values are part of the game: what is not refused must survive.
            let _ = headers.append(name, value);
        }
        headers
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4000) })]

    #[test]
    fn connections_of_likely_pieces_have_one_reading(
        data in prop_oneof![stranger::requests(), stranger::responses()], cut: u8,
    ) {
        fuzz::fuzz(&[&[cut], &*data].concat());
    }

    #[test]
    fn spoilt_connections_have_one_reading(
        data in stranger::spoilt(prop_oneof![stranger::requests(), stranger::responses()]), cut: u8,
    ) {
        fuzz::fuzz(&[&[cut], &*data].concat());
    }

    #[test]
    fn any_bytes_have_one_reading(data in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz::fuzz(&data);
    }

    #[test]
    fn a_request_survives_being_written(
        headers in headers(), old: bool, method in "[A-Za-z!-]{1,9}", target in "/[!-\"$-~]{0,30}",
    ) {
        let mut head = RequestHead::new();
        head.version = if old { Version::Http10 } else { Version::Http11 };
        head.headers = headers;
        head.headers.retain(|name, _| !name.eq_ignore_ascii_case(b"host"));
        head.headers.set("Host", "a").expect("valid");
        prop_assume!(method != "CONNECT");
        head.set_method(&method).expect("a token");
        head.set_target(&target).expect("visible ASCII");
        let mut out = Vec::new();
        write_request(&head, &mut out);
        let mut again = RequestHead::new();
        let parsed = parse_request(&out, &Limits::default(), &mut again);
        prop_assert_eq!(parsed, Ok(Parsed::Complete { consumed: out.len() }));
        prop_assert_eq!(again, head);
    }

    #[test]
    fn a_response_survives_being_written(
        headers in headers(), status in 100u16..1000, reason in prop::collection::vec(any::<u8>(), 0..12),
    ) {
        let mut head = ResponseHead::new();
        head.headers = headers;
        head.set_status(status);
        let _ = head.set_reason(reason);
        let mut out = Vec::new();
        write_response(&head, &mut out);
        let mut again = ResponseHead::new();
        let parsed = parse_response(&out, &Limits::default(), &mut again);
        prop_assert_eq!(parsed, Ok(Parsed::Complete { consumed: out.len() }));
        prop_assert_eq!(again, head);
    }
}

use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use serde_json::json;

use crate::access_log::{Format, Surroundings};
use crate::{Fields, Protocol, Record, Reporter, ResponseFlag, ResponseFlags};

/// Few values for each field, so that many a line says what the one before it said.
#[derive(Debug, Clone)]
struct Said {
    server: bool,
    milliseconds: u64,
    address: Option<u16>,
    bytes: Option<&'static [u8]>,
    words: Option<&'static str>,
    code: Option<u16>,
    failed: bool,
    tcp: bool,
}

fn said() -> impl Strategy<Value = Said> {
    const BYTES: [Option<&[u8]>; 7] = [
        None,
        Some(b""),
        Some(b"/things"),
        Some(b"two words"),
        Some(b"\"quoted\\"),
        Some(b"\xf0\x9f\x92"),
        Some(b"longer than the format has room for"),
    ];
    const WORDS: [Option<&str>; 4] = [None, Some(""), Some("via_upstream"), Some("two words\n")];
    let texts = (prop::sample::select(&BYTES[..]), prop::sample::select(&WORDS[..]));
    let numbers = (0..3_u64, prop::option::of(1..3_u16), prop::option::of(200..202_u16));
    (any::<[bool; 3]>(), texts, numbers).prop_map(
        |([server, failed, tcp], (bytes, words), (milliseconds, address, code))| Said {
            server,
            milliseconds,
            address,
            bytes,
            words,
            code,
            failed,
            tcp,
        },
    )
}

struct Every<'a>(Option<&'a [u8]>);

impl Fields for Every<'_> {
    fn value(&self, _: &str) -> Option<&[u8]> {
        self.0
    }
}

fn logged(said: &Said, formats: &[Format]) -> String {
    let fields = Every(said.bytes);
    let duration = Duration::from_millis(said.milliseconds);
    let address = said.address.map(|port| ([127, 0, 0, 1], port).into());
    let record = Record {
        reporter: if said.server { Reporter::Destination } else { Reporter::Source },
        protocol: if said.tcp { Protocol::Tcp } else { Protocol::Http2 },
        duration,
        upstream_service_time: Some(duration),
        path: said.bytes,
        request: &fields,
        response_code_details: said.words,
        upstream_transport_failure_reason: said.words,
        response_code: said.code,
        flags: if said.failed { ResponseFlag::NoRouteFound.into() } else { ResponseFlags::NONE },
        upstream_host: address,
        downstream_remote: address,
        ..Record::new(Reporter::Source, SystemTime::UNIX_EPOCH + duration)
    };
    let mut out = b"what stood there before\n".to_vec();
    formats.iter().for_each(|format| format.write(&record, &mut out));
    String::from_utf8(out).unwrap()
}

fn formats() -> [Format; 2] {
    let format = json!({
        "short": "%REQ(X):9%",
        "a": {"nested": "%RESPONSE_CODE%", "list": ["%PROTOCOL%", "text %REQ(:PATH)%"]},
        "ip": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
        "port": "%DOWNSTREAM_REMOTE_PORT%",
        "long": "%RESPONSE_FLAGS_LONG%",
        "constant": "constant",
        "time": "%START_TIME(%s.%3f)%",
    });
    [Format::weft_json(), Format::json(&format, &Surroundings::NONE).unwrap()]
}

proptest! {
    #[test]
    fn a_line_does_not_depend_on_the_one_before(requests in prop::collection::vec(said(), 1..12)) {
        for (place, kept) in formats().into_iter().enumerate() {
            let kept = [kept];
            let behind_each_other: Vec<_> = requests.iter().map(|said| logged(said, &kept)).collect();
            for (said, line) in requests.iter().zip(behind_each_other) {
                prop_assert_eq!(line, logged(said, &formats()[place..=place]));
            }
        }
    }

    #[test]
    fn formats_that_take_turns_do_not_mix(requests in prop::collection::vec(said(), 1..6)) {
        let kept = formats();
        let in_turns: Vec<_> = requests.iter().map(|said| logged(said, &kept)).collect();
        for (said, lines) in requests.iter().zip(in_turns) {
            prop_assert_eq!(lines, logged(said, &formats()));
        }
    }
}

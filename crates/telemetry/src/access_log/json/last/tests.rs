use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use serde_json::json;

use crate::access_log::operator::Operator;
use crate::access_log::{Format, Surroundings};
use crate::{
    ConnectionSecurity, Peer, PeerMetadata, Protocol, Record, Reporter, ResponseFlag, ResponseFlags, Service,
};

/// What stands in a text: some need an escape, are cut by a format, or too long to be remembered, which of two is the
/// other's beginning.
const BYTES: [Option<&[u8]>; 10] = [
    None,
    Some(b"/things"),
    Some(b""),
    Some(b"two words"),
    Some(b"\"quoted\\"),
    Some(b"\xf0\x9f\x92"),
    Some(b"longer than a format has room for"),
    Some(&[b'a'; 1024]),
    Some(&[b'a'; 1025]),
    Some(&[b'a'; 1023]),
];

fn bytes(choice: usize) -> Option<&'static [u8]> {
    BYTES[choice % BYTES.len()]
}

fn words(choice: usize) -> Option<&'static str> {
    bytes(choice).and_then(|bytes| std::str::from_utf8(bytes).ok())
}

fn number(choice: usize) -> Option<u64> {
    [None, Some(7), Some(12), Some(1_234)][choice % 4]
}

fn duration(choice: usize) -> Option<Duration> {
    number(choice).map(Duration::from_millis)
}

fn address(choice: usize) -> Option<std::net::SocketAddr> {
    let address = ["10.0.0.7:80", "10.0.0.7:8080", "[2001:db8::1]:80", "[::ffff:10.0.0.7]:80"];
    (!choice.is_multiple_of(5)).then(|| address[choice % 5 - 1].parse().unwrap())
}

fn named(name: &str, principal: Option<&str>) -> Peer {
    let (workload, namespace) = (name.to_owned(), format!("{name}space"));
    Peer::new(PeerMetadata { workload, namespace, ..Default::default() }, principal)
}

fn peer(choice: usize) -> Option<&'static Arc<Peer>> {
    static PEERS: LazyLock<[Arc<Peer>; 3]> = LazyLock::new(|| {
        let peer = |name: &str, principal| Arc::new(named(name, principal));
        [peer("web", Some("spiffe://web")), peer("api", Some("spiffe://\"api\"")), peer("", None)]
    });
    [None, Some(&PEERS[0]), Some(&PEERS[1]), Some(&PEERS[2])][choice % 4]
}

fn service(choice: usize) -> Option<&'static Arc<Service>> {
    static SERVICES: LazyLock<[Arc<Service>; 2]> =
        LazyLock::new(|| ["reviews.shop", "ratings.shop"].map(|host| Arc::new(Service::new(host, host, ""))));
    [None, Some(&SERVICES[0]), Some(&SERVICES[1])][choice % 3]
}

fn fields(choice: usize) -> &'static dyn crate::Fields {
    match choice % 3 {
        0 => &crate::NoFields,
        1 => &[("user-agent", "curl"), ("x-forwarded-for", "10.0.0.1"), ("x-any", "one")],
        _ => &[("x-envoy-upstream-service-time", "11"), ("x-request-id", "theirs"), ("x-any", "other")],
    }
}

/// Whatever of a record a line can show, to be made something else.
const PARTS: &[fn(&mut Record<'static>, usize)] = &[
    |r, n| r.start = SystemTime::UNIX_EPOCH + Duration::from_millis(number(n).unwrap_or(0)),
    |r, n| r.duration = duration(n).unwrap_or_default(),
    |r, n| r.request_received_after = duration(n),
    |r, n| r.response_began_after = duration(n),
    |r, n| r.upstream_service_time = duration(n),
    |r, n| r.protocol = [Protocol::Http11, Protocol::Http2, Protocol::Tcp][n % 3],
    |r, n| r.method = bytes(n),
    |r, n| r.path = bytes(n),
    |r, n| r.original_path = bytes(n),
    |r, n| r.scheme = bytes(n),
    |r, n| r.authority = bytes(n),
    |r, n| r.user_agent = bytes(n),
    |r, n| r.forwarded_for = bytes(n),
    |r, n| r.request_id = bytes(n),
    |r, n| r.request = fields(n),
    |r, n| r.response = fields(n),
    |r, n| r.trailers = fields(n),
    |r, n| r.response_code = [None, Some(200), Some(503)][n % 3],
    |r, n| r.flags = [ResponseFlags::NONE, ResponseFlag::NoRouteFound.into()][n % 2],
    |r, n| r.response_code_details = words(n),
    |r, n| r.reason = words(n),
    |r, n| r.policy = words(n),
    |r, n| r.connection_termination_details = words(n),
    |r, n| r.upstream_transport_failure_reason = words(n),
    |r, n| r.downstream_transport_failure_reason = words(n),
    |r, n| r.grpc_status = [None, Some(0), Some(7), Some(99)][n % 4],
    |r, n| r.attempts = [None, Some(1), Some(2)][n % 3],
    |r, n| r.bytes_received = number(n).unwrap_or(0),
    |r, n| r.bytes_sent = number(n).unwrap_or(0),
    |r, n| r.request_headers_bytes = number(n),
    |r, n| r.response_headers_bytes = number(n),
    |r, n| r.upstream_host = address(n),
    |r, n| r.upstream_cluster = words(n),
    |r, n| r.upstream_local = address(n),
    |r, n| r.upstream_protocol = [None, Some(Protocol::Http11), Some(Protocol::Http2)][n % 3],
    |r, n| r.downstream_local = address(n),
    |r, n| r.downstream_remote = address(n),
    |r, n| r.downstream_direct = address(n),
    |r, n| r.requested_server_name = words(n),
    |r, n| r.downstream_tls = words(n).map(|version| (version, "cipher")),
    |r, n| r.downstream_tls = words(n).map(|cipher| ("version", cipher)),
    |r, n| r.route_name = words(n),
    |r, n| r.connection_id = number(n),
    |r, n| r.source = peer(n),
    |r, n| r.destination = peer(n),
    |r, n| r.service = service(n),
    |r, n| r.security = [ConnectionSecurity::Unknown, ConnectionSecurity::MutualTls][n % 2],
    |r, n| r.reporter = [Reporter::Source, Reporter::Destination][n % 2],
];

/// Every operator there is, and values made of several.
fn everything() -> Format {
    let headers = ["REQ(X-ANY)", "RESP(X-ANY)", "TRAILER(X-ANY)", "REQ(X-REQUEST-ID)", "REQ(:SCHEME)"];
    let mixed = json!({
        "cut": "%REQ(:PATH):9%",
        "lookup": "%REQ(X-ENVOY-ORIGINAL-PATH?:AUTHORITY)%",
        "time": "%START_TIME(\"%s.%3f)%",
        "nested": {"method": "%REQ(:METHOD)%", "list": ["%REQ(X-FORWARDED-FOR)%", "for %REQ(USER-AGENT)%"]},
        "service time": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
        "constant": "constant",
    });
    let takes_an_argument = ["REQ", "RESP", "TRAILER", "ENVIRONMENT"];
    let names = Operator::names().filter(|name| !takes_an_argument.contains(name)).chain(headers);
    let mut format: serde_json::Map<_, _> =
        names.map(|name| (name.to_owned(), json!(format!("%{name}%")))).collect();
    format.insert("mixed".to_owned(), mixed);
    Format::json(&format.into(), &Surroundings::NONE).unwrap()
}

fn formats() -> [Format; 3] {
    [everything(), everything().omit_empty(true), Format::weft_json()]
}

fn lines<'f>(record: &Record<'_>, formats: impl IntoIterator<Item = &'f Format>) -> String {
    let mut out = b"what stood there before\n".to_vec();
    formats.into_iter().for_each(|format| format.write(record, &mut out));
    String::from_utf8(out).unwrap()
}

#[test]
fn whatever_changes_stands_in_the_next_line() {
    let kept = everything();
    for (part, change) in PARTS.iter().enumerate() {
        for (from, to) in [(0, 1), (1, 2), (2, 0), (7, 8), (8, 7)] {
            let (mut before, mut after) = (Record::default(), Record::default());
            change(&mut before, from);
            change(&mut after, to);
            let (old, new) = (lines(&before, [&kept]), lines(&after, [&kept]));
            assert_eq!(new, lines(&after, [&everything()]), "part {part}, from {from} to {to}");
            if to == 1 {
                assert_ne!(old, new, "no line shows part {part}");
            }
        }
    }
}

#[test]
fn peers_that_take_turns_do_not_mix_be_they_more_than_there_are_lines() {
    let kept = everything();
    let peers: Vec<_> = (0..=super::PEERS).map(|n| Arc::new(named(&format!("app-{n}"), None))).collect();
    for reporter in [Reporter::Source, Reporter::Destination] {
        // Each after each other, those that have a line and the one that takes one over.
        for step in 1..peers.len() {
            for turn in 0..4 * peers.len() {
                let (peer, own) = (&peers[turn * step % peers.len()], &peers[turn % 2]);
                let (source, destination) = match reporter {
                    Reporter::Source => (own, peer),
                    Reporter::Destination => (peer, own),
                };
                let record = Record {
                    reporter,
                    source: Some(source),
                    destination: Some(destination),
                    bytes_sent: turn as u64,
                    ..Record::default()
                };
                assert_eq!(lines(&record, [&kept]), lines(&record, [&everything()]), "turn {turn} by {step}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_line_does_not_depend_on_the_one_before(
        changes in prop::collection::vec((0..PARTS.len(), 0..20_usize), 1..60), at_once in 1..4_usize,
    ) {
        for (place, kept) in formats().iter().enumerate() {
            let mut record = Record::default();
            let records = changes.chunks(at_once).map(|changes| {
                changes.iter().for_each(|(part, choice)| PARTS[*part](&mut record, *choice));
                record
            });
            let behind_each_other: Vec<_> = records.map(|record| (record, lines(&record, [kept]))).collect();
            for (record, line) in behind_each_other {
                prop_assert_eq!(line, lines(&record, &formats()[place..=place]));
            }
        }
    }

    #[test]
    fn formats_that_take_turns_do_not_mix(
        changes in prop::collection::vec((0..PARTS.len(), 0..20_usize), 1..12),
    ) {
        let kept = formats();
        let mut record = Record::default();
        for (part, choice) in changes {
            PARTS[part](&mut record, choice);
            prop_assert_eq!(lines(&record, &kept), lines(&record, &formats()));
        }
    }
}

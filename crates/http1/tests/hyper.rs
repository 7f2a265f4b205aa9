//! hyper as the twin of our codec on the same bytes: what we accept, hyper reads as the same messages.
//!
//! The other way round need not hold: `where_we_are_stricter_than_hyper` lists the inputs that hyper takes and we refuse.

#[path = "twin/ours.rs"]
mod ours;
#[path = "strategies/stranger.rs"]
mod stranger;
#[path = "twin/theirs.rs"]
mod theirs;

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use weft_http1::Refusal;

/// One message as a codec read it. `body` is `None` where the connection ended or failed inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Message {
    /// Method and target, or status.
    start: String,
    headers: Grouped,
    body: Option<Vec<u8>>,
    trailers: Grouped,
}

/// Values by lower-case name: hyper keeps the order within a name only.
type Grouped = BTreeMap<String, Vec<Vec<u8>>>;

/// What we read is what hyper reads; it may go on where we stop.
fn assert_twins(input: &[u8], ours: &[Message], theirs: &[Message]) {
    let context = || format!("input {}\nours {ours:#?}\ntheirs {theirs:#?}", input.escape_ascii());
    assert!(ours.len() <= theirs.len(), "hyper read fewer messages: {}", context());
    for (our, their) in ours.iter().zip(theirs) {
        assert_eq!((&our.start, &our.headers), (&their.start, &their.headers), "{}", context());
        if our.body.is_some() {
            assert_eq!(our.body, their.body, "{}", context());
            let same = our.trailers.iter().all(|(name, values)| their.trailers.get(name) == Some(values));
            assert!(same, "trailers: {}", context());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

    #[test]
    fn requests_that_we_accept_are_the_same_to_hyper(
        input in prop_oneof![stranger::requests(), stranger::spoilt(stranger::requests())],
    ) {
        assert_twins(&input, &ours::requests(&input), &theirs::requests(&input));
    }

    #[test]
    fn responses_that_we_accept_are_the_same_to_hyper(

        input in prop_oneof![stranger::responses(), stranger::spoilt(stranger::responses())],
        method in prop::sample::select(&["GET", "HEAD", "CONNECT"][..]),
    ) {
        let ours: Vec<_> = ours::response(method, &input).into_iter().collect();
        if !ours.is_empty() {
            assert_twins(&input, &ours, &theirs::response(method, &input).into_iter().collect::<Vec<_>>());
        }
    }
}

#[test]
fn the_twins_agree_on_a_whole_connection() {
    let input = b"POST /a HTTP/1.1\r\nHOST: shop\r\nx: 1\r\nX: 2\r\nTransfer-Encoding: chunked\r\n\r\n\
        3;a=b\r\nabc\r\n0\r\nx-sum: 9\r\n\r\nGET http://shop/b HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n";
    let (ours, theirs) = (ours::requests(input), theirs::requests(input));
    assert_eq!(ours, theirs);
    assert_eq!(
        (ours.len(), ours[0].start.as_str(), ours[1].start.as_str()),
        (2, "POST /a", "GET http://shop/b")
    );
    assert_eq!((ours[0].body.as_deref(), &ours[0].trailers["x-sum"][0][..]), (Some(&b"abc"[..]), &b"9"[..]));
}

/// The table in the crate's documentation: hyper takes each of these, we refuse it.
#[test]
fn where_we_are_stricter_than_hyper() {
    use Refusal::*;
    let table: &[(&str, Refusal)] = &[
        ("GET / HTTP/1.1\nhost: a\n\n", BareLineFeed),
        ("GET / HTTP/1.1\r\nhost: a\nx: y\r\n\r\n", BareLineFeed),
        ("\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", InvalidRequestLine),
        ("GET / HTTP/1.1\r\n\r\n", HostMissing),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", HostRepeated),
        ("GET / HTTP/1.1\r\nhost: a/b\r\n\r\n", HostInvalid),
        ("GET http://u@a/ HTTP/1.1\r\nhost: a\r\n\r\n", TargetUserinfo),
        ("GET /a#b HTTP/1.1\r\nhost: a\r\n\r\n", TargetFragment),
        ("GET /\u{fc} HTTP/1.1\r\nhost: a\r\n\r\n", InvalidTarget),
        ("GET * HTTP/1.1\r\nhost: a\r\n\r\n", TargetDoesNotFitMethod),
        ("GET a:80 HTTP/1.1\r\nhost: a\r\n\r\n", InvalidTarget),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\ncontent-length: 0\r\n\r\n",
            ContentLengthRepeated,
        ),
        ("CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\ncontent-length: 1\r\n\r\n", ConnectWithBody),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            ContentLengthWithTransferEncoding,
        ),
        (
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            TransferEncodingInvalid,
        ),
    ];
    for (input, refusal) in table {
        assert_eq!(ours::refusal(input.as_bytes()), Some(*refusal), "{input:?}");
        assert_eq!(theirs::requests(input.as_bytes()).len(), 1, "hyper refuses it too: {input:?}");
    }
}

#[test]
fn strangers_are_understood_often_enough_to_be_compared() {
    let mut runner = TestRunner::deterministic();
    let mut sample = |from: BoxedStrategy<Vec<u8>>| -> Vec<Vec<u8>> {
        (0..1000).map(|_| from.new_tree(&mut runner).expect("a stream").current()).collect()
    };
    let requests: Vec<_> =
        sample(stranger::requests().boxed()).iter().flat_map(|input| ours::requests(input)).collect();
    let responses: Vec<_> = sample(stranger::responses().boxed())
        .iter()
        .filter_map(|input| ours::response("GET", input))
        .collect();
    let bodies = |messages: &[Message]| {
        messages.iter().filter(|message| message.body.as_ref().is_some_and(|body| !body.is_empty())).count()
    };
    let found = (requests.len(), bodies(&requests), responses.len(), bodies(&responses));
    assert!(found.0 > 700 && found.1 > 300 && found.2 > 500 && found.3 > 200, "{found:?}");
}

#[test]
fn where_we_are_stricter_about_trailers() {
    let post = |trailer: &str| {
        let input = format!(
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n{trailer}: 1\r\nx: y\r\n\r\n"
        );
        (ours::requests(input.as_bytes()), theirs::requests(input.as_bytes()))
    };
    for refused in ["Host", "Content-Length", "Transfer-Encoding"] {
        let (ours, theirs) = post(refused);
        assert_eq!((&ours[0].body, theirs[0].trailers.len()), (&None, 2), "{refused}");
    }
    for dropped in ["Authorization", "Connection", "X-Forwarded-For", "x-envoy-original-path"] {
        let (ours, theirs) = post(dropped);
        assert_eq!((ours[0].trailers.len(), theirs[0].trailers.len()), (1, 2), "{dropped}");
    }
}

#[test]
fn responses_where_we_are_stricter_than_hyper() {
    for input in [
        "HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\ncontent-length: 0\n\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncontent-length: 0\r\n\r\n",
    ] {
        assert_eq!(ours::response("GET", input.as_bytes()), None, "{input:?}");
        assert!(theirs::response("GET", input.as_bytes()).is_some(), "hyper refuses it too: {input:?}");
    }
}

/// The other half of that table: apps do send these, and a proxy that refused them would be what broke the app.
#[test]
fn where_we_are_laxer_than_hyper() {
    let refused: String = ('!'..='~')
        .filter(|&letter| letter != '#')
        .filter(|letter| {
            let input = format!("GET /{letter} HTTP/1.1\r\nhost: a\r\n\r\n");
            assert_eq!(ours::refusal(input.as_bytes()), None);
            theirs::requests(input.as_bytes()).is_empty()
        })
        .collect();
    assert_eq!(refused, "<>`");
    let chunk = format!("1000;{}\r\n{}\r\n", "e".repeat(4000), "d".repeat(4096)).repeat(5);
    let signed = format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{chunk}0\r\n\r\n");
    let (ours, theirs) = (ours::requests(signed.as_bytes()), theirs::requests(signed.as_bytes()));
    assert_eq!(ours[0].body.as_ref().map(Vec::len), Some(5 * 4096));
    assert_eq!((theirs.len(), &theirs[0].body), (1, &None));
}

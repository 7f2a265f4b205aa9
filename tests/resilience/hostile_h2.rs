//! An endpoint of HTTP/2 that misbehaves: as over HTTP/1.1 it costs what was sent to it, is told of in plain words, and harms
//! no other endpoint. Frames are written by hand.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use weft_model::cluster::{Cluster, UpstreamProtocol};
use weft_model::http::HttpConnectionManager;
use weft_testkit::app::Switched;
use weft_testkit::wire::{End, Peer, Puppet};

use super::hostile::{Log, trapped};
use super::{GET, Way, ask, forward};

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// No request takes longer.
const LIMIT: Duration = Duration::from_millis(400);

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A header as HPACK has it without a table.
fn header(name: &str, value: &str) -> Vec<u8> {
    let text = |of: &str| [&[u8::try_from(of.len()).unwrap()], of.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

fn head(flags: u8, headers: &[(&str, &str)]) -> Vec<u8> {
    let block: Vec<u8> = headers.iter().flat_map(|(name, value)| header(name, value)).collect();
    frame(HEADERS, flags, 1, &block)
}

fn data(flags: u8, bytes: &[u8]) -> Vec<u8> {
    frame(0, flags, 1, bytes)
}

fn goes_away(code: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[[0; 4], code.to_be_bytes()].concat())
}

/// A client's sidecar, the hostile one, and one that is well.
async fn scene(log: &Log) -> (Way, Puppet, Switched) {
    let (hostile, well) = (Puppet::new().await, Switched::new().await);
    let over_http2 = |cluster: &mut Cluster| cluster.http.protocol = UpstreamProtocol::Http2;
    let change = |manager: &mut HttpConnectionManager| {
        forward(manager).timeout = Some(LIMIT);
        log.of(manager);
    };
    let way = Way::with(&[hostile.address, well.address], over_http2, change).await;
    (way, hostile, well)
}

/// Half of what comes goes to the one that is well, whatever becomes of the rest.
async fn the_other_serves(way: &Way, well: &Switched) {
    let mut client = way.client().await;
    let mut served = 0;
    for _ in 0..4 {
        let (status, _, body) = ask(&mut client, GET).await;
        served += u32::from(status == 200 && body == well.address.to_string());
    }
    assert!(served >= 2, "{served} of 4");
}

/// What it does, what it says, what the client is told (0: nothing), and the words of the log.
type Act = (&'static str, Vec<u8>, u16, &'static str);

/// That is noticed when its head is on its way already, so all that can be told is that it broke off.
const CUT: &str = "says more than it said it would";

fn acts() -> Vec<Act> {
    let ok = [(":status", "200")];
    vec![
        ("speaks HTTP/1.1", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec(), 503, "HTTP/2"),
        ("never answers", Vec::new(), 504, "no answer within"),
        (
            "informs for ever",
            head(END_HEADERS, &[(":status", "103")]).repeat(100),
            502,
            "more than 64 informational answers",
        ),
        ("answers without a status", head(END_HEADERS | END_STREAM, &[("a", "b")]), 503, "HTTP/2"),
        (
            "answers what nobody asked",
            frame(HEADERS, END_HEADERS, 99, &header(":status", "200")),
            503,
            "HTTP/2",
        ),
        (
            "pushes",
            frame(PUSH_PROMISE, END_HEADERS, 1, &[&[0, 0, 0, 2][..], &header(":status", "200")].concat()),
            503,
            "HTTP/2",
        ),
        ("opens its window too far", frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]), 503, "HTTP/2"),
        ("takes the stream back", frame(RST_STREAM, 0, 1, &[0, 0, 0, 2]), 503, "HTTP/2"),
        ("goes away with an error", goes_away(2), 503, "HTTP/2"),
        ("goes away", goes_away(0), 200, ""),
        ("refuses the stream", frame(RST_STREAM, 0, 1, &[0, 0, 0, 7]), 200, ""),
        (
            "changes protocols",
            head(END_HEADERS | END_STREAM, &[(":status", "101")]),
            502,
            "a protocol that was not asked for",
        ),
        (
            "changes protocols as if it informed",
            head(END_HEADERS, &[(":status", "101")]),
            502,
            "a protocol that was not asked for",
        ),
        ("ends with what only informs", head(END_HEADERS | END_STREAM, &[(":status", "103")]), 503, "HTTP/2"),
        (
            "says two lengths",
            [
                head(END_HEADERS, &[ok[0], ("content-length", "1"), ("content-length", "2")]),
                data(END_STREAM, b"a"),
            ]
            .concat(),
            503,
            "HTTP/2",
        ),
        (
            CUT,
            [head(END_HEADERS, &[ok[0], ("content-length", "1")]), data(END_STREAM, b"ab")].concat(),
            0,
            "the upstream broke off within its answer: HTTP/2",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_one_endpoint_of_http2_does_the_other_goes_on() {
    let mut wrong = Vec::new();
    for (what, said, told, words) in acts() {
        let log = Log::new("acts-h2");
        let (way, hostile, well) = scene(&log).await;
        let (mut client, mut asked) = trapped(&way, &hostile, GET).await;
        asked.send([frame(SETTINGS, 0, 0, &[]), said].concat()).await;
        if told == 0 {
            assert_eq!(client.end().await, (String::new(), End::Reset), "it {what}");
            log.says(words).await;
            the_other_serves(&way, &well).await;
            continue;
        }
        let mut head = client.head().await;
        while head.starts_with("HTTP/1.1 103") {
            head = client.head().await;
        }
        if !head.starts_with(&format!("HTTP/1.1 {told}")) {
            wrong.push(format!("it {what}: {head}"));
            continue;
        }
        log.says(words).await;
        the_other_serves(&way, &well).await;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Says it over and over until nobody listens; how many bytes were taken.
async fn on_and_on(endpoint: &mut Peer, piece: &[u8]) -> usize {
    const PATIENCE: usize = 16 * 1024 * 1024;
    let mut sent = 0;
    while sent < PATIENCE && endpoint.socket().write_all(piece).await.is_ok() {
        sent += piece.len();
    }
    assert!(sent < PATIENCE, "{sent} bytes are taken");
    sent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_http2_that_never_comes_to_the_point_is_given_up_at_a_bound() {
    let large = header("x-more", &"y".repeat(100)).repeat(100);
    let cases = [
        ("writes headers for ever", head(0, &[(":status", "200")]), frame(CONTINUATION, 0, 1, &large), 503),
        ("sends nothing for ever", head(END_HEADERS, &[(":status", "200")]), data(0, b"").repeat(1000), 200),
    ];
    for (what, begin, piece, told) in cases {
        let log = Log::new("endless-h2");
        let (way, hostile, well) = scene(&log).await;
        let (mut client, mut asked) = trapped(&way, &hostile, GET).await;
        asked.send([frame(SETTINGS, 0, 0, &[]), begin].concat()).await;
        let begun = if told == 200 { client.head().await } else { String::new() };
        let sent = on_and_on(&mut asked, &piece).await;
        println!("it {what}: {sent} bytes are taken");
        if told == 200 {
            assert!(begun.starts_with("HTTP/1.1 200"), "it {what}: {begun}");
            assert_eq!(client.end().await.1, End::Reset, "its answer looks whole");
        } else {
            let head = client.head().await;
            assert!(head.starts_with(&format!("HTTP/1.1 {told}")), "it {what}: {head}");
        }
        log.says("HTTP/2").await;
        the_other_serves(&way, &well).await;
    }
}

//! HTTP/2 as an attacker sends it, frame by frame: the connection ends, the sidecar goes on.

use super::{GET, Lone, OK};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// `GET / HTTP/2` to `app`: two indexed fields, `:scheme http`, and a literal authority.
const ASK: &[u8] = b"\x82\x84\x86\x41\x03app";

/// Sends `frames` after the preface, over and over until the connection ends or so many bytes have gone; does it end?
async fn flood(lone: &Lone, frames: impl Fn(u32) -> Vec<u8>) -> bool {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let socket = tokio::net::TcpStream::connect(lone.at).await.unwrap();
    let (mut read, mut write) = socket.into_split();
    let ended = tokio::spawn(async move {
        let mut sink = [0; 4096];
        while !matches!(read.read(&mut sink).await, Ok(0) | Err(_)) {}
    });
    let mut first = PREFACE.to_vec();
    first.extend(frame(SETTINGS, 0, 0, &[]));
    let mut sent = write.write_all(&first).await;
    let mut round = 0;
    while sent.is_ok() && round < 20_000 && !ended.is_finished() {
        sent = write.write_all(&frames(round)).await;
        round += 1;
    }
    tokio::time::timeout(std::time::Duration::from_secs(5), ended).await.is_ok()
}

async fn goes_on(lone: &Lone) {
    let (mut client, mut app, _) = lone.asked(GET).await;
    app.send(OK).await;
    assert_eq!(client.response().await.1, "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_taken_back_as_soon_as_they_are_made_end_the_connection() {
    let lone = Lone::with(|_| {}, |c| c.load_assignment = None).await;
    let rapid = |round: u32| {
        let stream = 2 * round + 1;
        let mut frames = frame(HEADERS, 0b101, stream, ASK);
        frames.extend(frame(RESET, 0, stream, &8_u32.to_be_bytes()));
        frames
    };
    assert!(flood(&lone, rapid).await, "20,000 rapid resets are served");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_goes_on_for_ever_ends_the_connection() {
    let lone = Lone::new().await;
    let junk = |round: u32| {
        let mut literal = b"\x00\x03abc\x7f\x81\x07".to_vec();
        literal.extend([b'v'; 262]);
        if round == 0 { frame(HEADERS, 0, 1, ASK) } else { frame(CONTINUATION, 0, 1, &literal) }
    };
    assert!(flood(&lone, junk).await);
    goes_on(&lone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_frames_without_data_end_the_connection() {
    let lone = Lone::new().await;
    let empty = |round: u32| {
        let mut frames = if round == 0 { frame(HEADERS, 0b100, 1, ASK) } else { Vec::new() };
        frames.extend(frame(DATA, 0, 1, &[]).repeat(20));
        frames
    };
    assert!(flood(&lone, empty).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_on_streams_that_are_over_end_the_connection() {
    let lone = Lone::new().await;
    // MadeYouReset: the server is made to reset stream after stream itself.
    let made = |round: u32| {
        let stream = 2 * round + 1;
        let mut frames = frame(HEADERS, 0b101, stream, ASK);
        frames.extend(frame(8, 0, stream, &0_u32.to_be_bytes()));
        frames
    };
    assert!(flood(&lone, made).await);
}

#[tokio::test]
async fn nonsense_after_the_preface_is_no_panic() {
    let lone = Lone::new().await;
    for frames in [
        frame(SETTINGS, 0, 1, &[0; 6]),
        frame(SETTINGS, 0, 0, &[0; 5]),
        frame(HEADERS, 0b101, 2, ASK),
        frame(HEADERS, 0b101, 1, b"\xff\xff\xff\xff\xff\xff"),
        frame(DATA, 0, 0, b"x"),
        frame(CONTINUATION, 0b100, 1, ASK),
        frame(0xfa, 0xff, u32::MAX, &[7; 300]),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    ] {
        let mut client = lone.client().await;
        client.send(PREFACE).await;
        client.send(frame(SETTINGS, 0, 0, &[])).await;
        client.send(frames).await;
        client.finish().await;
        client.end().await;
    }
    goes_on(&lone).await;
}

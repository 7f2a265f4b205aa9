//! What a stranger might send: connections put together from lines that are right, nearly right and wrong.
//!
//! Random bytes never get past a request line; these do, and then go wrong where it matters.

use proptest::prelude::*;
use proptest::sample::select;

const REQUEST_LINES: &[&str] = &[
    "GET / HTTP/1.1\r\n",
    "GET /a?b=c HTTP/1.1\r\n",
    "POST /x HTTP/1.1\r\n",
    "PUT /x HTTP/1.0\r\n",
    "HEAD / HTTP/1.1\r\n",
    "GET http://shop:80/a HTTP/1.1\r\n",
    "GET HTTP://shop HTTP/1.1\r\n",
    "GET http://u@shop/ HTTP/1.1\r\n",
    "OPTIONS * HTTP/1.1\r\n",
    "OPTIONS http://shop HTTP/1.1\r\n",
    "CONNECT db:5432 HTTP/1.1\r\n",
    "\r\nGET / HTTP/1.1\r\n",
];

const STATUS_LINES: &[&str] = &[
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 404 Not Found\r\n",
    "HTTP/1.1 204 No Content\r\n",
    "HTTP/1.1 304 \r\n",
    "HTTP/1.0 200\r\n",
    "HTTP/1.1 100 Continue\r\n",
    "HTTP/1.1 101 Switching Protocols\r\n",
];

/// Header lines that say where the body ends, each with one that does.
const FRAMED: &[(&str, &str)] = &[
    ("", ""),
    ("content-length: 0\r\n", ""),
    ("Content-Length: 5\r\n", "hello"),
    ("Content-Length:3 \r\n", "abc"),
    ("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"),
    ("transfer-encoding:\tChunked\r\n", "5;x=y\r\nhello\r\n0\r\nGrpc-Status: 0\r\n\r\n"),
    ("TRANSFER-ENCODING: chunked\r\n", "1\r\n0\r\nB\r\n\r\n0\r\n\r\n\r\n0\r\nx: 1\r\nX: 2\r\n\r\n"),
];

/// Header lines that may stand in any head.
const LINES: &[&str] = &[
    "Host: shop\r\n",
    "host: shop:80\r\n",
    "Host: shop\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive, X-Mine\r\n",
    "Connection: Upgrade, te, host\r\n",
    "Connection: x-forwarded-client-cert\r\n",
    "Upgrade: websocket\r\n",
    "TE: trailers\r\n",
    "X-Mine: 1\r\n",
    "x-forwarded-client-cert: By=a\r\n",
    "Expect: 100-continue\r\n",
    "x-empty:\r\n",
    "x-two: a\r\nX-TWO:  b\t\r\n",
    "x-bytes: \u{fc}\u{df}\r\n",
];

/// Lines that must be refused, or that are dangerous beside another one.
const TRAPS: &[&str] = &[
    "Content-Length: 6\r\n",
    "Content-Length: +5\r\n",
    "Content-Length: 5, 5\r\n",
    "Content-Length : 5\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding : chunked\r\n",
    " folded: 1\r\n",
    "x: a\r\n b\r\n",
    "bare: lf\n",
    "cr: a\rb\r\n",
    "Host: other\r\n",
    "Host: a b\r\n",
    ": no name\r\n",
    "no colon\r\n",
    "\r\n",
];

/// What may follow a head.
const BODIES: &[&str] = &[
    "",
    "hello",
    "abc",
    "3\r\nabc\r\n0\r\n\r\n",
    "5;x=y\r\nhello\r\n0\r\nGrpc-Status: 0\r\n\r\n",
    "0\r\nconnection: x\r\nx-sum: 1\r\n\r\n",
    "0\r\n\r\n",
    "5\nhello\n0\n\n",
    "5\r\nhellooo\r\n0\r\n\r\n",
    "00000000000000005\r\nhello\r\n0\r\n\r\n",
    "3\r\nabc\r\n0\r\nHost: evil\r\n\r\n",
];

fn message(starts: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let other = |likely, rest| prop::option::weighted(likely, (select(rest), any::<prop::sample::Index>()));
    let framed = (select(FRAMED), prop::option::weighted(0.1, select(BODIES)));
    let lines = prop::collection::vec(select(LINES), 0..4);
    (select(starts), prop::bool::weighted(0.9), lines, framed, other(0.2, TRAPS)).prop_map(
        |(start, host, mut lines, ((framing, body), other_body), trap)| {
            if host {
                lines.retain(|line| !line.to_ascii_lowercase().starts_with("host"));
                lines.push("Host: shop\r\n");
            }
            lines.push(framing);
            if let Some((trap, at)) = trap {
                lines.insert(at.index(lines.len() + 1), trap);
            }
            [start, &lines.concat(), "\r\n", other_body.unwrap_or(body)].concat().into_bytes()
        },
    )
}

/// The bytes of a connection, as a client's.
pub(crate) fn requests() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(message(REQUEST_LINES), 1..4).prop_map(|messages| messages.concat())
}

/// The bytes of a connection, as an upstream's.
pub(crate) fn responses() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(message(STATUS_LINES), 1..4).prop_map(|messages| messages.concat())
}

/// The same with a few bytes inserted, replaced or cut off.
pub(crate) fn spoilt(whole: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![any::<u8>(), select(b" \t\r\n\0:;,#@%\\<>\"0".as_slice()), 0x21u8..0x7f];
    let spots = prop::collection::vec((any::<prop::sample::Index>(), byte, 0..10), 1..4);
    (whole, spots).prop_map(|(mut data, spots)| {
        for (spot, byte, kind) in spots {
            let at = spot.index(data.len());
            match kind {
                0 => data.truncate(at.max(1)),
                1..5 => data.insert(at, byte),
                _ => data[at] = byte,
            }
        }
        data
    })
}

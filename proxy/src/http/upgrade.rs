//! Connections and streams that change to another protocol, WebSocket foremost: what they are asked for by over HTTP/2
//! (RFC 8441), and what becomes of them once both ends agree.

use std::fmt::Write as _;

use weft_http1::{Headers, InvalidHeader, RequestHead};
use weft_model::table::chain::HttpManager;
use weft_telemetry::Protocol;

use super::call::Call;
use super::exchange::Tunnel;
use super::h1::H1;
use super::watch;
use crate::connection::Conn;
use crate::stream::Io;
use crate::tunnel;

/// What RFC 6455 appends to a key before it is digested.
const SALT: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Is a change to this protocol passed on by this listener?
pub fn is_allowed(manager: &HttpManager, token: &[u8]) -> bool {
    let mut known = manager.settings.upgrades.iter();
    known.any(|u| u.enabled && token.eq_ignore_ascii_case(u.token.as_bytes()))
}

/// An extended CONNECT as it is asked for over HTTP/1.1, which is what policy and routes see and what upstreams are sent.
/// HTTP/2 needs no key to tell that the server understands; HTTP/1.1 does, so it gets one.
///
/// # Errors
/// If the protocol's name is no header value.
pub fn ask(head: &mut RequestHead, protocol: &str, chance: [u8; 16]) -> Result<(), InvalidHeader> {
    head.headers.set("connection", "Upgrade")?;
    head.headers.set("upgrade", protocol)?;
    if protocol.eq_ignore_ascii_case("websocket") {
        head.headers.set("sec-websocket-key", base64(&chance))?;
    } else {
        head.headers.remove("sec-websocket-key");
    }
    Ok(())
}

/// Does the answer to a request that [`ask`] made show that the server understood its key? Anything may agree to any
/// upgrade; only a WebSocket server digests.
pub fn is_understood(request: &Headers, answer: &Headers) -> bool {
    let Some(key) = request.text("sec-websocket-key") else { return true };
    answer.text("sec-websocket-accept") == Some(understanding(key).as_str())
}

/// What a WebSocket server answers to a key.
pub fn understanding(key: &str) -> String {
    let salted = format!("{key}{SALT}");
    let sha1 = &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY;
    base64(aws_lc_rs::digest::digest(sha1, salted.as_bytes()).as_ref())
}

/// The connection or stream belongs to another protocol now; it ends as a TCP connection would, and is then written down.
pub(super) async fn run(conn: &Conn, mut down: Io, to: Tunnel, call: &mut Call, protocol: Protocol) {
    let Tunnel { up, in_flight, place, bounds } = to;
    let mut up = whole(up);
    let judge = watch::upgraded(conn, call);
    let ended = tunnel::run(&mut down, &mut up, bounds, judge).await;
    drop((in_flight, up, place));
    call.ledger.received += ended.sent;
    call.ledger.sent += ended.received;
    if let Some(cut) = &ended.why {
        call.ledger.flags.insert(crate::tcp::flag(cut));
        call.ledger.reason = crate::observe::words(cut).into();
    }
    conn.worker.observer.finished(conn, call, protocol);
}

/// A connection as a stream of bytes, what was read already in front.
pub(super) fn whole(h1: H1) -> Io {
    let (mut io, rest) = h1.into_parts();
    io.unread(&rest);
    io
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits =
            three.iter().enumerate().fold(0_u32, |bits, (n, byte)| bits | u32::from(*byte) << (16 - 8 * n));
        for n in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * n)) as usize & 63];
            // Writing to a string cannot fail.
            let _ = text.write_char(if n <= three.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests;

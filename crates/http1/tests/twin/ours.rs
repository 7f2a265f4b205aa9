//! Our codec, played as a server or a client over bytes that are all there.

use weft_http1::{
    BodyEvent, BodyReader, Framing, Headers, Limits, Parsed, Refusal, RequestHead, ResponseHead, keep_alive,
    parse_request, parse_response, request_framing, response_framing,
};

use crate::{Grouped, Message};

/// The requests on one connection, to the first that is refused or not whole.
pub(crate) fn requests(mut input: &[u8]) -> Vec<Message> {
    let mut messages = Vec::new();
    let mut head = RequestHead::new();
    while let Ok(Parsed::Complete { consumed }) = parse_request(input, &Limits::default(), &mut head) {
        let Ok(framing) = request_framing(&head) else { break };
        let Some(target) = target(&head) else { break };
        let start = format!("{} {target}", head.method());
        let (message, rest) = message(start, &head.headers, framing, &input[consumed..]);
        let whole = message.body.is_some();
        messages.push(message);
        if !whole || !keep_alive(head.version, &head.headers) || head.method() == "CONNECT" {
            break;
        }
        input = rest;
    }
    messages
}

/// Why the first request is refused.
pub(crate) fn refusal(input: &[u8]) -> Option<Refusal> {
    let mut head = RequestHead::new();
    parse_request(input, &Limits::default(), &mut head).and_then(|_| request_framing(&head)).err()
}

/// The final response to `method`.
pub(crate) fn response(method: &str, mut input: &[u8]) -> Option<Message> {
    let mut head = ResponseHead::new();
    loop {
        let Ok(Parsed::Complete { consumed }) = parse_response(input, &Limits::default(), &mut head) else {
            return None;
        };
        input = &input[consumed..];
        let framing = response_framing(method, &head).ok()?;
        if matches!(head.status, 100 | 102..=199) {
            continue;
        }
        let framing = if framing == Framing::Tunnel { Framing::None } else { framing };
        return Some(message(head.status.to_string(), &head.headers, framing, input).0);
    }
}

/// hyper shows a parsed URI: a scheme in lower case and a path that is never empty. `None` for the few targets that we
/// take and the `http` crate does not.
fn target(head: &RequestHead) -> Option<String> {
    head.target().parse::<hyper::Uri>().ok().map(|uri| uri.to_string())
}

fn message<'a>(
    start: String,
    headers: &Headers,
    framing: Framing,
    mut input: &'a [u8],
) -> (Message, &'a [u8]) {
    let mut reader = BodyReader::new(framing, &Limits::default());
    let mut data = Vec::new();
    let whole = loop {
        match reader.next(input) {
            Ok(BodyEvent::Data { range, consumed }) => {
                data.extend_from_slice(&input[range]);
                input = &input[consumed..];
            }
            Ok(BodyEvent::NeedMore { .. }) => break reader.close().is_ok(),
            Ok(BodyEvent::End { consumed }) => {
                input = &input[consumed..];
                break true;
            }
            Err(_) => break false,
        }
    };
    let (headers, trailers) = (grouped(headers), grouped(reader.trailers()));
    (Message { start, headers, body: whole.then_some(data), trailers }, input)
}

fn grouped(headers: &Headers) -> Grouped {
    let mut grouped = Grouped::new();
    for (name, value) in headers.iter() {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        grouped.entry(name).or_default().push(value.to_vec());
    }
    grouped
}

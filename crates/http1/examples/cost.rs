//! What a request costs in this codec: parse, decide, rewrite as a sidecar does, write.
//!
//! `cargo run --release -p weft-http1 --example cost [ROUNDS]`; under `valgrind` the count of allocations does not depend
//! on ROUNDS.

use std::hint::black_box;
use std::time::Instant;

use weft_http1::{
    Limits, Parsed, RequestHead, ResponseHead, Upgrade, keep_alive, parse_request, parse_response,
    request_framing, response_framing, set_framing, strip_hop_by_hop, upgrade_token, write_request,
    write_response,
};

const REQUEST: &[u8] = b"GET /api/v1/accounts/8f14e45f/transactions?from=2026-01-01&limit=50 HTTP/1.1\r\n\
    Host: core-banking.banking.svc.cluster.local:8080\r\n\
    User-Agent: okhttp/4.12.0\r\n\
    Accept: application/json\r\n\
    Accept-Encoding: gzip, deflate\r\n\
    Connection: keep-alive\r\n\
    Authorization: Bearer eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MTk5OTk5OTk5OX0.c2lnbmF0dXJlLWJ5dGVz\r\n\
    X-Request-Id: 11111111-2222-4333-8444-555555555555\r\n\
    traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\
    Content-Type: application/json\r\n\r\n";

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nServer: nginx/1.29\r\nDate: Sun, 22 Nov 2026 10:00:00 GMT\r\n\
    Content-Type: application/json; charset=utf-8\r\nContent-Length: 786\r\nConnection: keep-alive\r\n\
    Cache-Control: no-store\r\nVary: Accept-Encoding\r\nETag: \"5f3-61a\"\r\n\r\n";

fn main() {
    let rounds = std::env::args().nth(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(1_000_000);
    let (mut request, mut response) = (RequestHead::new(), ResponseHead::new());
    let mut out = Vec::with_capacity(4096);
    time(rounds, "parse a request's head", || parsed_request(&mut request));
    time(rounds, "parse, decide, rewrite, write a request", || forward_request(&mut request, &mut out));
    time(rounds, "parse, decide, rewrite, write a response", || forward_response(&mut response, &mut out));
}

fn time(rounds: u32, what: &str, mut round: impl FnMut()) {
    (0..rounds / 10).for_each(|_| round());
    let start = Instant::now();
    (0..rounds).for_each(|_| round());
    println!("{what}: {} ns", start.elapsed().as_nanos() / u128::from(rounds.max(1)));
}

fn parsed_request(head: &mut RequestHead) {
    let parsed = parse_request(black_box(REQUEST), &Limits::default(), head);
    assert_eq!(parsed, Ok(Parsed::Complete { consumed: REQUEST.len() }));
}

fn forward_request(head: &mut RequestHead, out: &mut Vec<u8>) {
    parsed_request(head);
    let framing = request_framing(head).expect("a good request");
    assert!(keep_alive(head.version, &head.headers) && upgrade_token(&head.headers).is_none());
    head.to_origin_form().expect("a good target");
    black_box(head.authority());
    let headers = &mut head.headers;
    strip_hop_by_hop(headers, Upgrade::Drop);
    for name in ["x-forwarded-client-cert", "x-envoy-retry-on", "x-envoy-upstream-rq-timeout-ms"] {
        headers.remove(name);
    }
    for (name, value) in [
        ("x-forwarded-proto", "http"),
        ("x-envoy-attempt-count", "1"),
        ("x-envoy-peer-metadata-id", "sidecar~10.0.0.1~api-0.banking~banking.svc.cluster.local"),
    ] {
        headers.set(name, value).expect("a valid header");
    }
    set_framing(headers, framing).expect("a valid header");
    out.clear();
    write_request(head, out);
    black_box(out);
}

fn forward_response(head: &mut ResponseHead, out: &mut Vec<u8>) {
    let parsed = parse_response(black_box(RESPONSE), &Limits::default(), head);
    assert_eq!(parsed, Ok(Parsed::Complete { consumed: RESPONSE.len() }));
    let framing = response_framing("GET", head).expect("a good response");
    assert!(keep_alive(head.version, &head.headers));
    strip_hop_by_hop(&mut head.headers, Upgrade::Drop);
    head.headers.set("server", "weft").expect("a valid header");
    head.headers.set("x-envoy-upstream-service-time", "12").expect("a valid header");
    set_framing(&mut head.headers, framing).expect("a valid header");
    out.clear();
    write_response(head, out);
    black_box(out);
}

//! `/upgrade`: accepts any protocol token and echoes lines over what was an HTTP/1.1 connection.
//!
//! A WebSocket handshake gets its `Sec-WebSocket-Accept`; the bytes after it are echoed all the same, which is
//! what a test of the way between two apps needs.

use super::http::{Body, json_response};
use super::line;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::BufReader;

/// RFC 6455, section 1.3.
const WEBSOCKET_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// 101 and a line echo; 426 without an `Upgrade` header.
pub(super) fn answer(request: &mut Request<Incoming>) -> Response<Body> {
    let Some(token) = request.headers().get(header::UPGRADE).cloned() else {
        let note = json!({ "failed": "/upgrade needs an Upgrade header, any protocol" });
        return json_response(StatusCode::UPGRADE_REQUIRED, &note, HeaderMap::new());
    };
    let accept = request.headers().get(header::SEC_WEBSOCKET_KEY).and_then(websocket_accept);
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            let (read, write) = tokio::io::split(TokioIo::new(upgraded));
            let _ = line::echo(BufReader::new(read), write).await;
        }
    });
    let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, token);
    if let Some(accept) = accept {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

fn websocket_accept(key: &HeaderValue) -> Option<HeaderValue> {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), WEBSOCKET_GUID].concat());
    BASE64_STANDARD.encode(hash).parse().ok()
}

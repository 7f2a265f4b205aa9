//! What a hop does to headers, apart from what routes ask for: `x-forwarded-*`, `x-request-id`, `x-envoy-*`, `server`.
//!
//! As Istio's sidecars do it (Envoy's `ConnectionManagerUtility::mutateRequestHeaders`).

use std::net::IpAddr;

use rand::{Rng, RngExt as _};
use weft_http1::{InvalidHeader, RequestHead, ResponseHead};
use weft_model::http::{ClientCertDetails, ForwardClientCert, HttpConnectionManager, ServerHeader};

use crate::tls::names::PeerNames;

/// What is known of the connection that a request came on.
#[derive(Debug, Clone, Copy)]
pub struct Hop<'a> {
    /// The connection manager's settings.
    pub manager: &'a HttpConnectionManager,
    /// In TLS.
    pub tls: bool,
    /// The verified peer.
    pub peer: Option<&'a PeerNames>,
    /// Our own URI, for `By=`.
    pub own_uri: &'a str,
    /// The other end's address.
    pub source: IpAddr,
}

/// Headers that would steer the mesh. An app's are not believed: its requests do not count as internal.
const STEERING: [&str; 15] = [
    "x-envoy-internal",
    "x-envoy-external-address",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-retry-on",
    "x-envoy-retry-grpc-on",
    "x-envoy-max-retries",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-retriable-status-codes",
    "x-envoy-retriable-header-names",
    "x-envoy-force-trace",
    "x-envoy-ip-tags",
];

const XFCC: &str = "x-forwarded-client-cert";
const REQUEST_ID: &str = "x-request-id";

/// What a request's head becomes before anybody decides on it.
///
/// # Errors
/// If a header cannot be written, which a request that was parsed cannot cause.
pub fn on_request(head: &mut RequestHead, hop: &Hop<'_>, rng: &mut impl Rng) -> Result<(), InvalidHeader> {
    head.headers.retain(|name, _| {
        name.len() < 16
            || !name[..8].eq_ignore_ascii_case(b"x-envoy-")
            || !STEERING.iter().any(|s| name.eq_ignore_ascii_case(s.as_bytes()))
    });
    let proto = if hop.tls { "https" } else { "http" };
    if hop.manager.use_remote_address {
        let source = hop.source.to_string();
        let chain = match head.headers.text("x-forwarded-for") {
            Some(before) if !before.is_empty() => format!("{before},{source}"),
            _ => source.clone(),
        };
        head.headers.set("x-forwarded-for", chain)?;
        head.headers.set("x-envoy-external-address", source)?;
        head.headers.set("x-forwarded-proto", proto)?;
    } else if !head.headers.contains("x-forwarded-proto") {
        head.headers.append("x-forwarded-proto", proto)?;
    }
    let foreign = hop.manager.use_remote_address && !hop.manager.preserve_external_request_id;
    if hop.manager.generate_request_id != Some(false) && (foreign || !head.headers.contains(REQUEST_ID)) {
        let id = uuid::Builder::from_random_bytes(rng.random()).into_uuid();
        let mut text = uuid::Uuid::encode_buffer();
        head.headers.set(REQUEST_ID, id.hyphenated().encode_lower(&mut text).as_bytes())?;
    }
    client_cert(head, hop)
}

/// `x-forwarded-client-cert`: who the client is, told to the app; never believed from a connection that is no mTLS.
fn client_cert(head: &mut RequestHead, hop: &Hop<'_>) -> Result<(), InvalidHeader> {
    use ForwardClientCert::{AlwaysForwardOnly, AppendForward, ForwardOnly, Sanitize, SanitizeSet};
    let mode = hop.manager.client_cert;
    let peer = match (mode, hop.peer) {
        (AlwaysForwardOnly, _) | (ForwardOnly, Some(_)) => return Ok(()),
        (Sanitize | ForwardOnly, _) | (_, None) => {
            head.headers.remove(XFCC);
            return Ok(());
        }
        (AppendForward | SanitizeSet, Some(peer)) => peer,
    };
    let element = element(peer, hop.own_uri, hop.manager.client_cert_details);
    let before = if mode == AppendForward { head.headers.text(XFCC) } else { None };
    let value = match before {
        Some(before) if !before.is_empty() => format!("{before},{element}"),
        _ => element,
    };
    head.headers.set(XFCC, value)
}

fn element(peer: &PeerNames, own_uri: &str, details: ClientCertDetails) -> String {
    let mut element = format!("By={own_uri};Hash={}", peer.hash);
    if details.subject {
        element.push_str(";Subject=\"");
        element.extend(peer.subject.chars().flat_map(|c| match c {
            '"' | '\\' => vec!['\\', c],
            c => vec![c],
        }));
        element.push('"');
    }
    if details.uri {
        if peer.uris.is_empty() {
            element.push_str(";URI=");
        }
        for uri in &peer.uris {
            element.push_str(";URI=");
            element.push_str(uri);
        }
    }
    if details.dns {
        for dns in &peer.dns {
            element.push_str(";DNS=");
            element.push_str(dns);
        }
    }
    element
}

/// What a response's head becomes before it goes to the client.
///
/// # Errors
/// If a configured name is no header value.
pub fn on_response(head: &mut ResponseHead, manager: &HttpConnectionManager) -> Result<(), InvalidHeader> {
    let name = if manager.server_name.is_empty() { "envoy" } else { &manager.server_name };
    match manager.server_header {
        ServerHeader::Overwrite => head.headers.set("server", name),
        ServerHeader::AppendIfAbsent if !head.headers.contains("server") => {
            head.headers.append("server", name)
        }
        ServerHeader::AppendIfAbsent | ServerHeader::PassThrough => Ok(()),
    }
}

#[cfg(test)]
mod tests;

//! What a hop does to headers, apart from what routes ask for: `x-forwarded-*`, `x-request-id`, `x-envoy-*`, `server`.
//!
//! As Istio's sidecars do it (Envoy's `ConnectionManagerUtility::mutateRequestHeaders`).

mod client_cert;

use std::net::IpAddr;

use rand::{Rng, RngExt as _};
use weft_http1::{InvalidHeader, Name, Names, RequestHead, ResponseHead};
use weft_model::http::{HttpConnectionManager, ServerHeader};

pub use self::client_cert::Element;
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
    /// How the app is told of both.
    pub element: &'a Element,
    /// The other end's address.
    pub source: IpAddr,
}

/// Headers that would steer the mesh. An app's are not believed: its requests do not count as internal.
const STEERING: [&str; 16] = [
    "x-envoy-internal",
    "x-envoy-external-address",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    EXPECTED.text(),
    "x-envoy-retry-on",
    "x-envoy-retry-grpc-on",
    "x-envoy-max-retries",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-retriable-status-codes",
    "x-envoy-retriable-header-names",
    "x-envoy-force-trace",
    "x-envoy-ip-tags",
    "x-envoy-original-url",
];

/// Headers that only the mesh sets: at its edge a stranger's are not believed either.
const OURS: [&str; 6] = [
    "x-envoy-original-path",
    ORIGINAL_HOST,
    "x-envoy-attempt-count",
    "x-envoy-decorator-operation",
    "x-envoy-downstream-service-cluster",
    "x-envoy-downstream-service-node",
];

/// What those look like that would steer.
static LISTED: Names = Names::NONE.and(&STEERING);

/// The same of all that is not believed at the edge.
static LISTED_AT_EDGE: Names = Names::NONE.and(&STEERING).and(&OURS);

/// How long the hop before waits for an answer.
pub(super) const EXPECTED: Name = Name::new("x-envoy-expected-rq-timeout-ms");

/// The host that a request had before its route gave it another.
pub(super) const ORIGINAL_HOST: &str = "x-envoy-original-host";

const XFF: Name = Name::new("x-forwarded-for");
const PROTO: Name = Name::new("x-forwarded-proto");
const REQUEST_ID: Name = Name::new("x-request-id");
const SERVER: Name = Name::new("server");

/// Gives a request another host; the one that it had before the first change is told as well.
///
/// # Errors
/// If `host` is no header value.
pub(super) fn rewrite_host(head: &mut RequestHead, host: &str) -> Result<(), InvalidHeader> {
    let old = head.headers.text("host").filter(|old| *old != host).map(str::to_owned);
    head.headers.set("host", host)?;
    match old {
        Some(old) if !head.headers.contains(ORIGINAL_HOST) => head.headers.append(ORIGINAL_HOST, &old),
        _ => Ok(()),
    }
}

/// What a request's head becomes before anybody decides on it.
///
/// # Errors
/// If a header cannot be written, which a request that was parsed cannot cause.
pub fn on_request(head: &mut RequestHead, hop: &Hop<'_>, rng: &mut impl Rng) -> Result<(), InvalidHeader> {
    let edge = hop.manager.use_remote_address;
    let told = !edge && hop.peer.is_some();
    let listed = if edge { &LISTED_AT_EDGE } else { &LISTED };
    head.headers.retain_among(listed, |name, _| {
        let among = |list: &[&str]| list.iter().any(|s| name.eq_ignore_ascii_case(s.as_bytes()));
        // A proven peer's proxy may say how long its caller waits.
        (told && EXPECTED.is(name)) || !(among(&STEERING) || (edge && among(&OURS)))
    });
    let proto = if hop.tls { "https" } else { "http" };
    if edge {
        head.headers.set("x-envoy-external-address", remote(head, hop.manager, hop.source).to_string())?;
        if !hop.manager.skip_xff_append {
            let chain = joined(head, &XFF, hop.source.to_string().as_bytes());
            head.headers.set(XFF, chain)?;
        }
        if hop.manager.xff_trusted_hops == 0 || !head.headers.contains(PROTO) {
            head.headers.set(PROTO, proto)?;
        }
    } else if !head.headers.contains(PROTO) {
        head.headers.set_known(PROTO, proto)?;
    }
    let foreign = hop.manager.use_remote_address && !hop.manager.preserve_external_request_id;
    if hop.manager.generate_request_id != Some(false) && (foreign || !head.headers.contains(REQUEST_ID)) {
        let id = uuid::Builder::from_random_bytes(rng.random()).into_uuid();
        let mut text = uuid::Uuid::encode_buffer();
        head.headers.set_known(REQUEST_ID, id.hyphenated().encode_lower(&mut text).as_bytes())?;
    }
    client_cert::tell(head, hop)
}

/// All values of a list header in their order, and one more.
fn joined(head: &RequestHead, name: &Name, more: &[u8]) -> Vec<u8> {
    let mut chain = Vec::with_capacity(more.len());
    let before = head.headers.get_all(name).filter(|value| !value.is_empty());
    for value in before.chain([more]) {
        if !chain.is_empty() {
            chain.push(b',');
        }
        chain.extend_from_slice(value);
    }
    chain
}

/// The address that counts as the client's (RBAC's `remote_ip`): the connection's own at the edge, what the hop before
/// has put last into `x-forwarded-for` behind it; with so many trusted hops before the edge, the entry that far back.
///
/// Ask before `x-forwarded-for` is added to at the edge; elsewhere it never is.
pub fn remote(head: &RequestHead, manager: &HttpConnectionManager, source: IpAddr) -> IpAddr {
    let back = match (manager.use_remote_address, manager.xff_trusted_hops) {
        (true, 0) => return source,
        (true, hops) => hops - 1,
        (false, hops) => hops,
    };
    let mut chain = Vec::new();
    for value in head.headers.get_all(&XFF) {
        chain.extend(value.split(|b| *b == b',').map(<[u8]>::trim_ascii));
    }
    let entry = chain.len().checked_sub(back as usize + 1).and_then(|place| chain.get(place));
    let text = entry.and_then(|entry| std::str::from_utf8(entry).ok());
    text.and_then(|text| text.parse().ok()).unwrap_or(source)
}

/// What a response's head becomes before it goes to the client.
///
/// # Errors
/// If a configured name is no header value.
pub fn on_response(head: &mut ResponseHead, manager: &HttpConnectionManager) -> Result<(), InvalidHeader> {
    let name = if manager.server_name.is_empty() { "envoy" } else { &manager.server_name };
    match manager.server_header {
        ServerHeader::Overwrite => head.headers.set_known(SERVER, name),
        ServerHeader::AppendIfAbsent if !head.headers.contains(SERVER) => {
            head.headers.set_known(SERVER, name)
        }
        ServerHeader::AppendIfAbsent | ServerHeader::PassThrough => Ok(()),
    }
}

#[cfg(test)]
mod tests;

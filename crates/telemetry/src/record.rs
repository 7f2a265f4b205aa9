//! Everything known about one finished request or TCP connection, as the access log and the metrics want it.
//!
//! Plain borrowed data: it is made on the stack when the request ends and costs no allocation.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::flags::ResponseFlags;
use crate::peer::Peer;
use crate::service::Service;

/// Which of the two proxies of a call reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Reporter {
    /// The client's sidecar, or a gateway.
    #[default]
    Source,
    /// The server's sidecar.
    Destination,
}

/// The protocol of the downstream connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Protocol {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
    /// HTTP/2.
    Http2,
    /// Anything that is only forwarded.
    Tcp,
}

impl Protocol {
    /// Envoy's name; TCP has none.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Http10 => Some("HTTP/1.0"),
            Self::Http11 => Some("HTTP/1.1"),
            Self::Http2 => Some("HTTP/2"),
            Self::Tcp => None,
        }
    }
}

/// How the connection between the two proxies was secured, as far as the reporter can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ConnectionSecurity {
    /// The client's side does not vouch for it (Istio's `unknown`).
    #[default]
    Unknown,
    /// Plaintext, or TLS without a client certificate.
    None,
    /// Both sides showed certificates.
    MutualTls,
}

impl ConnectionSecurity {
    /// Istio's label value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::None => "none",
            Self::MutualTls => "mutual_tls",
        }
    }
}

/// Header fields, however the codec keeps them.
pub trait Fields {
    /// The first value of the field called `name`, which is given in lower case.
    fn value(&self, name: &str) -> Option<&[u8]>;
}

/// No fields at all: TCP connections, responses that never came.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFields;

impl Fields for NoFields {
    fn value(&self, _: &str) -> Option<&[u8]> {
        None
    }
}

/// Fields that were copied out of a head before its buffer was given back.
impl<V: AsRef<[u8]>> Fields for [(&str, V)] {
    fn value(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_ref())
    }
}

/// Copied fields of a known number.
impl<V: AsRef<[u8]>, const N: usize> Fields for [(&str, V); N] {
    fn value(&self, name: &str) -> Option<&[u8]> {
        self.as_slice().value(name)
    }
}

/// One finished request or connection. What is not known stays `None`, and reads as `-`.
///
/// Where a value stands both here and in `request` or `response`, the one here counts: it is what the proxy
/// made of it.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// Who reports.
    pub reporter: Reporter,
    /// When the first byte came (TCP: when the connection was accepted).
    pub start: SystemTime,
    /// From the first byte of the request to the last of the response.
    pub duration: Duration,
    /// From the start to the last byte of the request.
    pub request_received_after: Option<Duration>,
    /// From the start to the first byte of the upstream's response.
    pub response_began_after: Option<Duration>,
    /// What the upstream took (`x-envoy-upstream-service-time`).
    pub upstream_service_time: Option<Duration>,

    /// The downstream protocol.
    pub protocol: Protocol,
    /// Whether it was gRPC.
    pub grpc: bool,
    /// The method.
    pub method: Option<&'a [u8]>,
    /// The path, with query, as it went upstream.
    pub path: Option<&'a [u8]>,
    /// The path before a rewrite changed it.
    pub original_path: Option<&'a [u8]>,
    /// `http` or `https`.
    pub scheme: Option<&'a [u8]>,
    /// Host, or `:authority`.
    pub authority: Option<&'a [u8]>,
    /// `user-agent`.
    pub user_agent: Option<&'a [u8]>,
    /// `x-forwarded-for`.
    pub forwarded_for: Option<&'a [u8]>,
    /// `x-request-id`, also where the proxy made it.
    pub request_id: Option<&'a [u8]>,
    /// Request fields.
    pub request: &'a dyn Fields,
    /// Response fields.
    pub response: &'a dyn Fields,
    /// Response trailers.
    pub trailers: &'a dyn Fields,

    /// The status; `None` if no response began.
    pub response_code: Option<u16>,
    /// Envoy's letters for what went wrong.
    pub flags: ResponseFlags,
    /// Envoy's word for who made the response: `via_upstream`, `route_not_found`,
    /// `rbac_access_denied_matched_policy[..]`.
    pub response_code_details: Option<&'a str>,
    /// Why, in plain words; only for failures.
    pub reason: Option<&'a str>,
    /// The policy and rule that decided, if one did.
    pub policy: Option<&'a str>,
    /// Why a connection was ended, in Envoy's words.
    pub connection_termination_details: Option<&'a str>,
    /// Why the upstream's TLS or TCP failed.
    pub upstream_transport_failure_reason: Option<&'a str>,
    /// Why the downstream's TLS failed.
    pub downstream_transport_failure_reason: Option<&'a str>,
    /// gRPC's status number.
    pub grpc_status: Option<u32>,
    /// How often the request was tried.
    pub attempts: Option<u32>,

    /// Body bytes from downstream.
    pub bytes_received: u64,
    /// Body bytes to downstream.
    pub bytes_sent: u64,
    /// Size of the request's head.
    pub request_headers_bytes: Option<u64>,
    /// Size of the response's head.
    pub response_headers_bytes: Option<u64>,
    /// gRPC messages in the request.
    pub request_messages: u64,
    /// gRPC messages in the response.
    pub response_messages: u64,

    /// The endpoint chosen.
    pub upstream_host: Option<SocketAddr>,
    /// The upstream cluster's name.
    pub upstream_cluster: Option<&'a str>,
    /// Our end of the upstream connection.
    pub upstream_local: Option<SocketAddr>,
    /// The upstream connection's protocol.
    pub upstream_protocol: Option<Protocol>,
    /// Our end of the downstream connection (the original destination, if it was redirected).
    pub downstream_local: Option<SocketAddr>,
    /// The client, as trusted headers tell it.
    pub downstream_remote: Option<SocketAddr>,
    /// The other end of the downstream connection, if that is somebody else.
    pub downstream_direct: Option<SocketAddr>,
    /// The server name of the downstream's ClientHello.
    pub requested_server_name: Option<&'a str>,
    /// TLS version and cipher of the downstream connection.
    pub downstream_tls: Option<(&'a str, &'a str)>,
    /// The route's name.
    pub route_name: Option<&'a str>,
    /// A number for the downstream connection.
    pub connection_id: Option<u64>,

    /// The client's workload.
    pub source: Option<&'a Arc<Peer>>,
    /// The server's workload.
    pub destination: Option<&'a Arc<Peer>>,
    /// The service called.
    pub service: Option<&'a Arc<Service>>,
    /// How the connection between the proxies was secured.
    pub security: ConnectionSecurity,
}

impl Record<'_> {
    /// A record of which only the start is known.
    pub fn new(reporter: Reporter, start: SystemTime) -> Self {
        Self { reporter, start, ..Self::default() }
    }

    /// Whether it is an active health check of another sidecar's, which no app asked for. Anybody may call himself so: what
    /// was denied is none.
    pub fn is_health_check(&self) -> bool {
        // A sidecar says whose it is with all that its app sends: that costs no look at the fields.
        self.reporter == Reporter::Destination
            && self.source.is_none_or(|source| source.metadata().workload.is_empty())
            && self.request.value("user-agent") == Some(weft_model::health::USER_AGENT.as_bytes())
            && !self.denied()
    }

    /// Whether the call was denied: answered with 401 or 403 or gRPC's counterpart, whoever said so.
    pub fn denied(&self) -> bool {
        match (self.response_code, self.grpc_status) {
            (Some(401 | 403), _) => true,
            // PermissionDenied, Unauthenticated.
            (_, Some(7 | 16)) => self.grpc,
            _ => false,
        }
    }

    /// Whether the call failed by the server's or the mesh's fault: no response, a 5xx, or a gRPC status that
    /// says so. What a policy or the client refused (4xx) counts as an answer.
    pub fn failed(&self) -> bool {
        const DOWNSTREAM: &[crate::ResponseFlag] = &[
            crate::ResponseFlag::DownstreamConnectionTermination,
            crate::ResponseFlag::DownstreamRemoteReset,
            crate::ResponseFlag::DownstreamProtocolError,
        ];
        if self.protocol == Protocol::Tcp {
            return self.flags.iter().any(|flag| !DOWNSTREAM.contains(&flag));
        }
        match (self.response_code, self.grpc_status) {
            (None | Some(0), _) => !DOWNSTREAM.iter().any(|flag| self.flags.contains(*flag)),
            (Some(500..), _) => true,
            // Unknown, DeadlineExceeded, Unimplemented, Internal, Unavailable, DataLoss: gRPC's own reading
            // of "server error".
            (_, Some(2 | 4 | 12..=15)) => self.grpc,
            _ => false,
        }
    }
}

impl Default for Record<'_> {
    fn default() -> Self {
        Self {
            reporter: Reporter::default(),
            start: SystemTime::UNIX_EPOCH,
            duration: Duration::ZERO,
            request_received_after: None,
            response_began_after: None,
            upstream_service_time: None,
            protocol: Protocol::default(),
            grpc: false,
            method: None,
            path: None,
            original_path: None,
            scheme: None,
            authority: None,
            user_agent: None,
            forwarded_for: None,
            request_id: None,
            request: &NoFields,
            response: &NoFields,
            trailers: &NoFields,
            response_code: None,
            flags: ResponseFlags::NONE,
            response_code_details: None,
            reason: None,
            policy: None,
            connection_termination_details: None,
            upstream_transport_failure_reason: None,
            downstream_transport_failure_reason: None,
            grpc_status: None,
            attempts: None,
            bytes_received: 0,
            bytes_sent: 0,
            request_headers_bytes: None,
            response_headers_bytes: None,
            request_messages: 0,
            response_messages: 0,
            upstream_host: None,
            upstream_cluster: None,
            upstream_local: None,
            upstream_protocol: None,
            downstream_local: None,
            downstream_remote: None,
            downstream_direct: None,
            requested_server_name: None,
            downstream_tls: None,
            route_name: None,
            connection_id: None,
            source: None,
            destination: None,
            service: None,
            security: ConnectionSecurity::default(),
        }
    }
}

#[cfg(test)]
mod tests;

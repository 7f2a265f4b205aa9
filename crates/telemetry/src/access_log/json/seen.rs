//! What the record before said.

use std::net::SocketAddr;

use super::super::operator::Header;
use super::super::value::{as_millis, in_request};
use super::aspect::{Aspect, Set};
use crate::flags::ResponseFlags;
use crate::identifier::Identifier;
use crate::record::{ConnectionSecurity, Protocol, Record};

/// A text of so many bytes is remembered no further, and counts as another one each time.
const LONG: usize = 1024;

/// A record, as far as it is remembered.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// What anybody asks for of it; some else is remembered, too.
    read: Set,
    method: Text,
    path: Text,
    original_path: Text,
    authority: Text,
    user_agent: Text,
    forwarded_for: Text,
    details: Text,
    termination: Text,
    upstream_failure: Text,
    reason: Text,
    policy: Text,
    route_name: Text,
    upstream_cluster: Text,
    server_name: Text,
    protocol: Protocol,
    response_code: Option<u16>,
    grpc_status: Option<u32>,
    flags: ResponseFlags,
    bytes_received: u64,
    bytes_sent: u64,
    attempts: Option<u32>,
    duration: u64,
    service_time: Option<u64>,
    upstream_host: Option<SocketAddr>,
    upstream_local: Option<SocketAddr>,
    downstream_local: Option<SocketAddr>,
    downstream_remote: Option<SocketAddr>,
    downstream_direct: Option<SocketAddr>,
    source: Option<Identifier>,
    destination: Option<Identifier>,
    service: Option<Identifier>,
    security: ConnectionSecurity,
}

/// Bytes; none are something else than empty ones.
#[derive(Debug, Default)]
struct Text(Option<Vec<u8>>);

impl Seen {
    /// None yet; of those to come, so much is `read`.
    pub(super) fn new(read: Set) -> Self {
        Self { read, ..Self::default() }
    }

    /// Remembers `record`; returns what is another now.
    pub(super) fn turn_into(&mut self, record: &Record<'_>) -> Set {
        use Aspect as A;
        let mut changed = Set::from(A::Unremembered);
        let mut note = |aspect, is_so| changed.insert_if(aspect as u8, is_so);
        note(A::Method, self.method.turn_into(record.method));
        note(A::Path, self.path.turn_into(record.path));
        note(A::OriginalPath, self.original_path.turn_into(record.original_path));
        note(A::Authority, self.authority.turn_into(record.authority));
        // These are looked for among the headers, so only where somebody asks.
        if self.read.contains(A::UserAgent as u8) {
            note(A::UserAgent, self.user_agent.turn_into(in_request(&Header::UserAgent, record)));
        }
        if self.read.contains(A::ForwardedFor as u8) {
            note(A::ForwardedFor, self.forwarded_for.turn_into(in_request(&Header::ForwardedFor, record)));
        }

        note(A::Protocol, is_another(&mut self.protocol, record.protocol));
        note(A::ResponseCode, is_another(&mut self.response_code, record.response_code));
        note(A::GrpcStatus, is_another(&mut self.grpc_status, record.grpc_status));
        note(A::Flags, is_another(&mut self.flags, record.flags));
        note(A::Details, self.details.turn_into(words(record.response_code_details)));
        note(A::Termination, self.termination.turn_into(words(record.connection_termination_details)));
        let failure = words(record.upstream_transport_failure_reason);
        note(A::UpstreamFailure, self.upstream_failure.turn_into(failure));
        note(A::Reason, self.reason.turn_into(words(record.reason)));
        note(A::Policy, self.policy.turn_into(words(record.policy)));

        note(A::BytesReceived, is_another(&mut self.bytes_received, record.bytes_received));
        note(A::BytesSent, is_another(&mut self.bytes_sent, record.bytes_sent));
        note(A::Attempts, is_another(&mut self.attempts, record.attempts));
        note(A::Duration, is_another(&mut self.duration, as_millis(record.duration)));
        // Where it is not known here, it may stand in a header.
        let service_time = record.upstream_service_time.map(as_millis);
        note(A::ServiceTime, is_another(&mut self.service_time, service_time) | service_time.is_none());

        note(A::RouteName, self.route_name.turn_into(words(record.route_name)));
        note(A::UpstreamCluster, self.upstream_cluster.turn_into(words(record.upstream_cluster)));
        note(A::ServerName, self.server_name.turn_into(words(record.requested_server_name)));
        note(A::UpstreamHost, is_another(&mut self.upstream_host, record.upstream_host));
        note(A::UpstreamLocal, is_another(&mut self.upstream_local, record.upstream_local));
        note(A::DownstreamLocal, is_another(&mut self.downstream_local, record.downstream_local));
        note(A::DownstreamRemote, is_another(&mut self.downstream_remote, record.downstream_remote));
        note(A::DownstreamDirect, is_another(&mut self.downstream_direct, record.downstream_direct));
        note(A::Source, is_another(&mut self.source, record.source.map(|peer| peer.id())));
        note(A::Destination, is_another(&mut self.destination, record.destination.map(|peer| peer.id())));
        note(A::Service, is_another(&mut self.service, record.service.map(|service| service.id())));
        note(A::Security, is_another(&mut self.security, record.security));
        changed
    }
}

/// Puts `now` in `place`; says whether there was another.
#[inline]
fn is_another<T: Copy + PartialEq>(place: &mut T, now: T) -> bool {
    let is_another = *place != now;
    if is_another {
        *place = now;
    }
    is_another
}

fn words(text: Option<&str>) -> Option<&[u8]> {
    text.map(str::as_bytes)
}

impl Text {
    /// Remembers `now`; says whether it is another.
    #[inline]
    fn turn_into(&mut self, now: Option<&[u8]>) -> bool {
        let is_another = self.0.as_deref() != now || now.is_some_and(|now| now.len() >= LONG);
        if is_another {
            self.keep(now);
        }
        is_another
    }

    #[inline(never)]
    fn keep(&mut self, now: Option<&[u8]>) {
        let now = now.map(|now| &now[..now.len().min(LONG)]);
        match (&mut self.0, now) {
            (Some(place), Some(now)) => {
                place.clear();
                place.extend_from_slice(now);
            }
            (place, now) => *place = now.map(<[u8]>::to_vec),
        }
    }
}

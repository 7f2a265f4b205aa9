//! What an operator finds in a record.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::TraceId;

use super::operator::{Form, GrpcShape, Header, Lookup, Operator, Simple, Which};
use super::time::TimeFormat;
use crate::flags::ResponseFlags;
use crate::peer::Peer;
use crate::record::{Fields, Protocol, Record, Reporter};
use crate::trace;

/// A value before it is written as text or JSON.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'r> {
    /// Not known: `-`, or null.
    Missing,
    /// Not known, and `-` also in JSON, as Envoy has it for protocols.
    Dash,
    /// A stranger's bytes, or a word of the configuration.
    Bytes(&'r [u8]),
    /// Words of our own that stand in one field: blanks become underscores, as in Envoy.
    Words(&'r str),
    /// A number in JSON too.
    Number(u64),
    /// A number that JSON shows as a string.
    Digits(u64),
    Address(SocketAddr),
    Ip(IpAddr),
    Trace(TraceId),
    Flags(ResponseFlags),
    FlagsLong(ResponseFlags),
    Time(&'r TimeFormat, SystemTime),
}

impl<'r> Value<'r> {
    fn text(text: Option<&'r str>) -> Self {
        Self::bytes(text.map(str::as_bytes))
    }

    fn bytes(bytes: Option<&'r [u8]>) -> Self {
        bytes.map_or(Self::Missing, Self::Bytes)
    }

    fn words(words: Option<&'r str>) -> Self {
        words.map_or(Self::Missing, Self::Words)
    }

    fn number(number: Option<u64>) -> Self {
        number.map_or(Self::Missing, Self::Number)
    }

    fn millis(duration: Option<Duration>) -> Self {
        Self::number(duration.map(as_millis))
    }

    fn known(text: &'r str) -> Self {
        Self::text(Some(text).filter(|text| !text.is_empty()))
    }

    fn protocol(protocol: Option<Protocol>) -> Self {
        protocol.and_then(Protocol::name).map_or(Self::Dash, |name| Self::Bytes(name.as_bytes()))
    }
}

pub(super) fn as_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Operator {
    /// Its value in `record`.
    pub(super) fn value<'r>(&'r self, record: &Record<'r>) -> Value<'r> {
        match self {
            Self::StartTime(format) => Value::Time(format, record.start),
            Self::Request(lookup) => lookup.value(|header| of_request(header, record)),
            Self::Response(lookup) => lookup.value(|header| of_response(header, record)),
            Self::Trailer(lookup) => lookup.value(|header| of_fields(header, record.trailers)),
            Self::GrpcStatus(shape) => grpc_status(*shape, record),
            Self::Simple(simple) => of_simple(*simple, record),
            Self::Fixed(value) => Value::text(value.as_deref()),
            Self::Address(which, form) => of_address(*which, *form, record),
            Self::Unrecorded => Value::Missing,
        }
    }
}

impl Lookup {
    fn value<'r>(&'r self, find: impl Fn(&'r Header) -> Value<'r>) -> Value<'r> {
        match (find(&self.first), &self.second) {
            (Value::Missing, Some(second)) => find(second),
            (value, _) => value,
        }
    }
}

fn of_fields<'r>(header: &Header, fields: &'r dyn Fields) -> Value<'r> {
    Value::bytes(in_fields(header, fields))
}

fn in_fields<'r>(header: &Header, fields: &'r dyn Fields) -> Option<&'r [u8]> {
    header.field().and_then(|name| fields.value(name))
}

fn of_request<'r>(header: &Header, record: &Record<'r>) -> Value<'r> {
    Value::bytes(in_request(header, record))
}

/// What a header of the request says, as the proxy has made it.
pub(super) fn in_request<'r>(header: &Header, record: &Record<'r>) -> Option<&'r [u8]> {
    let own = match header {
        Header::Method => record.method,
        Header::Path => record.path,
        Header::Scheme => record.scheme,
        Header::Authority => record.authority,
        Header::OriginalPath => record.original_path,
        Header::UserAgent => record.user_agent,
        Header::ForwardedFor => record.forwarded_for,
        Header::RequestId => record.request_id,
        Header::Status | Header::UpstreamServiceTime | Header::Field(_) => None,
    };
    own.or_else(|| in_fields(header, record.request))
}

fn of_response<'r>(header: &'r Header, record: &Record<'r>) -> Value<'r> {
    match (header, record.upstream_service_time, record.response_code) {
        (Header::UpstreamServiceTime, Some(time), _) => Value::Digits(as_millis(time)),
        (Header::Status, _, Some(code)) => Value::Digits(u64::from(code)),
        _ => of_fields(header, record.response),
    }
}

fn of_address<'r>(which: Which, form: Form, record: &Record<'r>) -> Value<'r> {
    let address = match which {
        Which::UpstreamHost => record.upstream_host,
        Which::UpstreamLocal => record.upstream_local,
        Which::DownstreamLocal => record.downstream_local,
        Which::DownstreamRemote => record.downstream_remote,
        Which::DownstreamDirect => record.downstream_direct.or(record.downstream_remote),
    };
    match (address, form) {
        (None, _) => Value::Missing,
        (Some(address), Form::Whole) => Value::Address(address),
        (Some(address), Form::WithoutPort) => Value::Ip(address.ip()),
        (Some(address), Form::Port) => Value::Number(u64::from(address.port())),
    }
}

fn grpc_status<'r>(shape: GrpcShape, record: &Record<'r>) -> Value<'r> {
    const NAMES: [(&str, &str); 17] = [
        ("OK", "OK"),
        ("Canceled", "CANCELLED"),
        ("Unknown", "UNKNOWN"),
        ("InvalidArgument", "INVALID_ARGUMENT"),
        ("DeadlineExceeded", "DEADLINE_EXCEEDED"),
        ("NotFound", "NOT_FOUND"),
        ("AlreadyExists", "ALREADY_EXISTS"),
        ("PermissionDenied", "PERMISSION_DENIED"),
        ("ResourceExhausted", "RESOURCE_EXHAUSTED"),
        ("FailedPrecondition", "FAILED_PRECONDITION"),
        ("Aborted", "ABORTED"),
        ("OutOfRange", "OUT_OF_RANGE"),
        ("Unimplemented", "UNIMPLEMENTED"),
        ("Internal", "INTERNAL"),
        ("Unavailable", "UNAVAILABLE"),
        ("DataLoss", "DATA_LOSS"),
        ("Unauthenticated", "UNAUTHENTICATED"),
    ];
    let Some(status) = record.grpc_status else { return Value::Missing };
    let names = NAMES.get(status as usize);
    match (shape, names) {
        (GrpcShape::TypedNumber, _) => Value::Number(u64::from(status)),
        (GrpcShape::Camel, Some((camel, _))) => Value::text(Some(camel)),
        (GrpcShape::Snake, Some((_, snake))) => Value::text(Some(snake)),
        (GrpcShape::Number, _) | (_, None) => Value::Digits(u64::from(status)),
    }
}

fn of_simple<'r>(simple: Simple, record: &Record<'r>) -> Value<'r> {
    let outbound = record.reporter == Reporter::Source;
    match simple {
        Simple::Protocol => Value::protocol(Some(record.protocol)),
        Simple::UpstreamProtocol => Value::protocol(record.upstream_protocol),
        Simple::ResponseCode => Value::Number(u64::from(record.response_code.unwrap_or(0))),
        Simple::ResponseCodeDetails => Value::words(record.response_code_details),
        Simple::ConnectionTerminationDetails => Value::words(record.connection_termination_details),
        Simple::UpstreamTransportFailureReason => Value::text(record.upstream_transport_failure_reason),
        Simple::DownstreamTransportFailureReason => Value::text(record.downstream_transport_failure_reason),
        Simple::ResponseFlags => Value::Flags(record.flags),
        Simple::ResponseFlagsLong => Value::FlagsLong(record.flags),
        Simple::BytesReceived => Value::Number(record.bytes_received),
        Simple::BytesSent => Value::Number(record.bytes_sent),
        Simple::RequestHeadersBytes => Value::Number(record.request_headers_bytes.unwrap_or(0)),
        Simple::ResponseHeadersBytes => Value::Number(record.response_headers_bytes.unwrap_or(0)),
        Simple::AttemptCount => Value::Number(u64::from(record.attempts.unwrap_or(0))),
        Simple::Duration => Value::millis(Some(record.duration)),
        Simple::RequestDuration => Value::millis(record.request_received_after),
        Simple::ResponseDuration => Value::millis(record.response_began_after),
        Simple::ResponseTxDuration => {
            Value::millis(record.response_began_after.map(|began| record.duration.saturating_sub(began)))
        }
        Simple::RouteName => Value::text(record.route_name.filter(|name| !name.is_empty())),
        Simple::UpstreamCluster => Value::text(record.upstream_cluster),
        Simple::RequestedServerName => Value::text(record.requested_server_name),
        Simple::ConnectionId => Value::number(record.connection_id),
        Simple::TraceId => trace::extract(record.request)
            .map_or(Value::Missing, |trace| Value::Trace(trace.context.trace_id())),
        Simple::DownstreamPeerUriSan if outbound => Value::Missing,
        Simple::DownstreamPeerUriSan | Simple::SourcePrincipal => principal(record.source.map(AsRef::as_ref)),
        Simple::DownstreamLocalUriSan if outbound => Value::Missing,
        Simple::UpstreamPeerUriSan if !outbound => Value::Missing,
        Simple::DownstreamLocalUriSan | Simple::UpstreamPeerUriSan | Simple::DestinationPrincipal => {
            principal(record.destination.map(AsRef::as_ref))
        }
        Simple::DownstreamTlsVersion => Value::text(record.downstream_tls.map(|(version, _)| version)),
        Simple::DownstreamTlsCipher => Value::text(record.downstream_tls.map(|(_, cipher)| cipher)),
        Simple::Reason => Value::text(record.reason),
        Simple::Policy => Value::text(record.policy),
        Simple::Reporter => Value::known(if outbound { "source" } else { "destination" }),
        Simple::SourceWorkload => workload(record.source.map(AsRef::as_ref)),
        Simple::SourceNamespace => namespace(record.source.map(AsRef::as_ref)),
        Simple::DestinationWorkload => workload(record.destination.map(AsRef::as_ref)),
        Simple::DestinationNamespace => namespace(record.destination.map(AsRef::as_ref)),
        Simple::DestinationService => {
            record.service.map_or(Value::Missing, |service| Value::known(service.host()))
        }
        Simple::ConnectionSecurity => Value::known(record.security.name()),
    }
}

fn principal(peer: Option<&Peer>) -> Value<'_> {
    Value::text(peer.and_then(Peer::principal))
}

fn workload(peer: Option<&Peer>) -> Value<'_> {
    peer.map_or(Value::Missing, |peer| Value::known(&peer.metadata().workload))
}

fn namespace(peer: Option<&Peer>) -> Value<'_> {
    peer.map_or(Value::Missing, |peer| Value::known(&peer.metadata().namespace))
}

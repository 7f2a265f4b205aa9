//! Envoy's command operators: their names, and what each of them means.

use super::time::TimeFormat;

/// One compiled operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operator {
    StartTime(TimeFormat),
    Request(Lookup),
    Response(Lookup),
    Trailer(Lookup),
    GrpcStatus(GrpcShape),
    Simple(Simple),
    /// What is known when the format is compiled (HOSTNAME, ENVIRONMENT); `None` is not set.
    Fixed(Option<Box<str>>),
    Address(Which, Form),
    /// An operator of Envoy's that weft records nothing for.
    Unrecorded,
}

/// A header, and another one where it is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lookup {
    pub(super) first: Header,
    pub(super) second: Option<Header>,
}

/// A header the record has a place of its own for, or any other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Header {
    Method,
    Path,
    /// The path before a rewrite of ours. Envoy reads the field of that name, which any client can send; where nothing was
    /// rewritten, a client's word for another path would stand in the log.
    OriginalPath,
    Scheme,
    Authority,
    UserAgent,
    ForwardedFor,
    RequestId,
    Status,
    UpstreamServiceTime,
    /// In lower case.
    Field(Box<str>),
}

/// How a gRPC status is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GrpcShape {
    Camel,
    Snake,
    Number,
    /// `%GRPC_STATUS_NUMBER%`, which is a number in JSON too.
    TypedNumber,
}

/// Which address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    UpstreamHost,
    UpstreamLocal,
    DownstreamLocal,
    DownstreamRemote,
    DownstreamDirect,
}

/// Which part of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Whole,
    WithoutPort,
    Port,
}

/// Operators without an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Simple {
    Protocol,
    UpstreamProtocol,
    ResponseCode,
    ResponseCodeDetails,
    ConnectionTerminationDetails,
    UpstreamTransportFailureReason,
    DownstreamTransportFailureReason,
    ResponseFlags,
    ResponseFlagsLong,
    BytesReceived,
    BytesSent,
    RequestHeadersBytes,
    ResponseHeadersBytes,
    AttemptCount,
    Duration,
    RequestDuration,
    ResponseDuration,
    ResponseTxDuration,
    RouteName,
    UpstreamCluster,
    RequestedServerName,
    ConnectionId,
    TraceId,
    DownstreamPeerUriSan,
    DownstreamLocalUriSan,
    UpstreamPeerUriSan,
    DownstreamTlsVersion,
    DownstreamTlsCipher,
    Reason,
    Policy,
    Reporter,
    SourceWorkload,
    SourceNamespace,
    SourcePrincipal,
    DestinationWorkload,
    DestinationNamespace,
    DestinationPrincipal,
    DestinationService,
    ConnectionSecurity,
}

/// Operators without an argument, by name. The last ones are weft's own.
const SIMPLE: &[(&str, Simple)] = &[
    ("PROTOCOL", Simple::Protocol),
    ("UPSTREAM_PROTOCOL", Simple::UpstreamProtocol),
    ("RESPONSE_CODE", Simple::ResponseCode),
    ("RESPONSE_CODE_DETAILS", Simple::ResponseCodeDetails),
    ("CONNECTION_TERMINATION_DETAILS", Simple::ConnectionTerminationDetails),
    ("UPSTREAM_TRANSPORT_FAILURE_REASON", Simple::UpstreamTransportFailureReason),
    ("DOWNSTREAM_TRANSPORT_FAILURE_REASON", Simple::DownstreamTransportFailureReason),
    ("RESPONSE_FLAGS", Simple::ResponseFlags),
    ("RESPONSE_FLAGS_LONG", Simple::ResponseFlagsLong),
    ("BYTES_RECEIVED", Simple::BytesReceived),
    ("BYTES_SENT", Simple::BytesSent),
    ("REQUEST_HEADERS_BYTES", Simple::RequestHeadersBytes),
    ("RESPONSE_HEADERS_BYTES", Simple::ResponseHeadersBytes),
    ("UPSTREAM_REQUEST_ATTEMPT_COUNT", Simple::AttemptCount),
    ("DURATION", Simple::Duration),
    ("REQUEST_DURATION", Simple::RequestDuration),
    ("RESPONSE_DURATION", Simple::ResponseDuration),
    ("RESPONSE_TX_DURATION", Simple::ResponseTxDuration),
    ("ROUTE_NAME", Simple::RouteName),
    ("UPSTREAM_CLUSTER", Simple::UpstreamCluster),
    ("UPSTREAM_CLUSTER_RAW", Simple::UpstreamCluster),
    ("REQUESTED_SERVER_NAME", Simple::RequestedServerName),
    ("CONNECTION_ID", Simple::ConnectionId),
    ("TRACE_ID", Simple::TraceId),
    ("DOWNSTREAM_PEER_URI_SAN", Simple::DownstreamPeerUriSan),
    ("DOWNSTREAM_LOCAL_URI_SAN", Simple::DownstreamLocalUriSan),
    ("UPSTREAM_PEER_URI_SAN", Simple::UpstreamPeerUriSan),
    ("DOWNSTREAM_TLS_VERSION", Simple::DownstreamTlsVersion),
    ("DOWNSTREAM_TLS_CIPHER", Simple::DownstreamTlsCipher),
    ("REASON", Simple::Reason),
    ("POLICY", Simple::Policy),
    ("REPORTER", Simple::Reporter),
    ("SOURCE_WORKLOAD", Simple::SourceWorkload),
    ("SOURCE_NAMESPACE", Simple::SourceNamespace),
    ("SOURCE_PRINCIPAL", Simple::SourcePrincipal),
    ("DESTINATION_WORKLOAD", Simple::DestinationWorkload),
    ("DESTINATION_NAMESPACE", Simple::DestinationNamespace),
    ("DESTINATION_PRINCIPAL", Simple::DestinationPrincipal),
    ("DESTINATION_SERVICE", Simple::DestinationService),
    ("CONNECTION_SECURITY", Simple::ConnectionSecurity),
];

const ADDRESSES: &[(&str, Which, Form)] = &[
    ("UPSTREAM_HOST", Which::UpstreamHost, Form::Whole),
    ("UPSTREAM_REMOTE_ADDRESS", Which::UpstreamHost, Form::Whole),
    ("UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Which::UpstreamHost, Form::WithoutPort),
    ("UPSTREAM_REMOTE_PORT", Which::UpstreamHost, Form::Port),
    ("UPSTREAM_LOCAL_ADDRESS", Which::UpstreamLocal, Form::Whole),
    ("UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", Which::UpstreamLocal, Form::WithoutPort),
    ("UPSTREAM_LOCAL_PORT", Which::UpstreamLocal, Form::Port),
    ("DOWNSTREAM_LOCAL_ADDRESS", Which::DownstreamLocal, Form::Whole),
    ("DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", Which::DownstreamLocal, Form::WithoutPort),
    ("DOWNSTREAM_LOCAL_PORT", Which::DownstreamLocal, Form::Port),
    ("DOWNSTREAM_REMOTE_ADDRESS", Which::DownstreamRemote, Form::Whole),
    ("DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Which::DownstreamRemote, Form::WithoutPort),
    ("DOWNSTREAM_REMOTE_PORT", Which::DownstreamRemote, Form::Port),
    ("DOWNSTREAM_DIRECT_REMOTE_ADDRESS", Which::DownstreamDirect, Form::Whole),
    ("DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT", Which::DownstreamDirect, Form::WithoutPort),
    ("DOWNSTREAM_DIRECT_REMOTE_PORT", Which::DownstreamDirect, Form::Port),
];

/// Operators of Envoy's that weft knows of and records nothing for; a format with them works, and warns.
const UNRECORDED: &[&str] = &[
    "CLUSTER_METADATA",
    "COMMON_DURATION",
    "CUSTOM_FLAGS",
    "DOWNSTREAM_HEADER_BYTES_RECEIVED",
    "DOWNSTREAM_HEADER_BYTES_SENT",
    "DOWNSTREAM_LOCAL_DNS_SAN",
    "DOWNSTREAM_LOCAL_SUBJECT",
    "DOWNSTREAM_PEER_CERT",
    "DOWNSTREAM_PEER_CERT_V_END",
    "DOWNSTREAM_PEER_CERT_V_START",
    "DOWNSTREAM_PEER_DNS_SAN",
    "DOWNSTREAM_PEER_FINGERPRINT_1",
    "DOWNSTREAM_PEER_FINGERPRINT_256",
    "DOWNSTREAM_PEER_ISSUER",
    "DOWNSTREAM_PEER_SERIAL",
    "DOWNSTREAM_PEER_SUBJECT",
    "DOWNSTREAM_TLS_SESSION_ID",
    "DOWNSTREAM_WIRE_BYTES_RECEIVED",
    "DOWNSTREAM_WIRE_BYTES_SENT",
    "DYNAMIC_METADATA",
    "FILTER_CHAIN_NAME",
    "FILTER_STATE",
    "LOCAL_REPLY_BODY",
    "METADATA",
    "REQUEST_TX_DURATION",
    "RESPONSE_TRAILERS_BYTES",
    "STREAM_ID",
    "UNIQUE_ID",
    "UPSTREAM_CONNECTION_ID",
    "UPSTREAM_FILTER_STATE",
    "UPSTREAM_HEADER_BYTES_RECEIVED",
    "UPSTREAM_HEADER_BYTES_SENT",
    "UPSTREAM_HOST_NAME",
    "UPSTREAM_METADATA",
    "UPSTREAM_PEER_CERT",
    "UPSTREAM_PEER_ISSUER",
    "UPSTREAM_PEER_SUBJECT",
    "UPSTREAM_TLS_CIPHER",
    "UPSTREAM_TLS_SESSION_ID",
    "UPSTREAM_TLS_VERSION",
    "UPSTREAM_WIRE_BYTES_RECEIVED",
    "UPSTREAM_WIRE_BYTES_SENT",
    "VIRTUAL_CLUSTER_NAME",
];

impl Operator {
    /// The operator called `name` that takes no argument.
    pub(super) fn without_argument(name: &str) -> Option<Self> {
        let simple = SIMPLE.iter().find(|(known, _)| *known == name).map(|(_, simple)| Self::Simple(*simple));
        simple.or_else(|| {
            let address = ADDRESSES.iter().find(|(known, ..)| *known == name);
            address.map(|(_, which, form)| Self::Address(*which, *form))
        })
    }

    /// Whether Envoy has an operator `name` that weft records nothing for.
    pub(super) fn is_unrecorded(name: &str) -> bool {
        UNRECORDED.contains(&name)
    }

    /// Every name that works, for a hint.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        let with_argument =
            ["START_TIME", "REQ", "RESP", "TRAILER", "GRPC_STATUS", "HOSTNAME", "ENVIRONMENT"];
        let without = SIMPLE.iter().map(|(name, _)| *name).chain(ADDRESSES.iter().map(|(name, ..)| *name));
        with_argument.into_iter().chain(["GRPC_STATUS_NUMBER"]).chain(without)
    }
}

impl Header {
    /// The header `name`, in any case, of a request.
    pub(super) fn of_request(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            ":method" => Self::Method,
            ":path" => Self::Path,
            ":scheme" => Self::Scheme,
            ":authority" | "host" => Self::Authority,
            "x-envoy-original-path" => Self::OriginalPath,
            "user-agent" => Self::UserAgent,
            "x-forwarded-for" => Self::ForwardedFor,
            "x-request-id" => Self::RequestId,
            _ => Self::Field(name.into()),
        }
    }

    /// The header `name`, in any case, of a response.
    pub(super) fn of_response(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            ":status" => Self::Status,
            "x-envoy-upstream-service-time" => Self::UpstreamServiceTime,
            _ => Self::Field(name.into()),
        }
    }

    /// Its name, where it is to be looked for among the fields.
    pub(super) fn field(&self) -> Option<&str> {
        match self {
            Self::Method | Self::Path | Self::OriginalPath | Self::Authority | Self::Status => None,
            // The proxy makes sure that it says so.
            Self::Scheme => Some("x-forwarded-proto"),
            Self::UserAgent => Some("user-agent"),
            Self::ForwardedFor => Some("x-forwarded-for"),
            Self::RequestId => Some("x-request-id"),
            Self::UpstreamServiceTime => Some("x-envoy-upstream-service-time"),
            Self::Field(name) => Some(name),
        }
    }
}

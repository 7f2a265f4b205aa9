//! What of a record a value is made of: while none of it changes, neither does the value.

use super::super::operator::{Header, Lookup, Operator, Simple, Which};

/// A part of a record that is remembered, and compared with the next record's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Aspect {
    /// Any other part: each record has its own, or few formats read it.
    Unremembered,
    /// That there is a line before, of the same format and reporter.
    Line,
    Method,
    Path,
    OriginalPath,
    Authority,
    UserAgent,
    ForwardedFor,
    Protocol,
    ResponseCode,
    GrpcStatus,
    Flags,
    Details,
    Termination,
    UpstreamFailure,
    Reason,
    Policy,
    BytesReceived,
    BytesSent,
    Attempts,
    /// In milliseconds, as all durations are shown.
    Duration,
    ServiceTime,
    RouteName,
    UpstreamCluster,
    ServerName,
    UpstreamHost,
    UpstreamLocal,
    DownstreamLocal,
    DownstreamRemote,
    DownstreamDirect,
    Source,
    Destination,
    Service,
    Security,
}

/// A set of aspects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Aspects(u64);

impl Aspects {
    pub(super) const NONE: Self = Self(0);
    pub(super) const ALL: Self = Self(u64::MAX);

    /// Puts `aspect` in, if so.
    #[inline]
    pub(super) const fn insert_if(&mut self, aspect: Aspect, is_so: bool) {
        self.0 |= (is_so as u64) << aspect as u8;
    }

    #[must_use]
    pub(super) const fn with(mut self, aspect: Aspect) -> Self {
        self.insert_if(aspect, true);
        self
    }

    #[must_use]
    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[inline]
    pub(super) const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl From<Aspect> for Aspects {
    fn from(aspect: Aspect) -> Self {
        Self::NONE.with(aspect)
    }
}

impl Operator {
    /// What its value is made of.
    pub(super) fn aspects(&self) -> Aspects {
        match self {
            Self::StartTime(_) | Self::Trailer(_) => Aspect::Unremembered.into(),
            Self::Request(lookup) => lookup.aspects(of_request),
            Self::Response(lookup) => lookup.aspects(of_response),
            Self::GrpcStatus(_) => Aspect::GrpcStatus.into(),
            Self::Fixed(_) | Self::Unrecorded => Aspect::Line.into(),
            Self::Simple(simple) => of_simple(*simple).into(),
            Self::Address(which, _) => of_address(*which),
        }
    }
}

impl Lookup {
    fn aspects(&self, of: fn(&Header) -> Aspect) -> Aspects {
        let second = self.second.as_ref().map_or(Aspects::NONE, |second| of(second).into());
        second.with(of(&self.first))
    }
}

fn of_request(header: &Header) -> Aspect {
    match header {
        Header::Method => Aspect::Method,
        Header::Path => Aspect::Path,
        Header::OriginalPath => Aspect::OriginalPath,
        Header::Authority => Aspect::Authority,
        Header::UserAgent => Aspect::UserAgent,
        Header::ForwardedFor => Aspect::ForwardedFor,
        Header::Scheme
        | Header::RequestId
        | Header::Status
        | Header::UpstreamServiceTime
        | Header::Field(_) => Aspect::Unremembered,
    }
}

fn of_response(header: &Header) -> Aspect {
    match header {
        Header::Status => Aspect::ResponseCode,
        Header::UpstreamServiceTime => Aspect::ServiceTime,
        _ => Aspect::Unremembered,
    }
}

fn of_address(which: Which) -> Aspects {
    match which {
        Which::UpstreamHost => Aspect::UpstreamHost.into(),
        Which::UpstreamLocal => Aspect::UpstreamLocal.into(),
        Which::DownstreamLocal => Aspect::DownstreamLocal.into(),
        Which::DownstreamRemote => Aspect::DownstreamRemote.into(),
        // The remote address stands for it where it is not known.
        Which::DownstreamDirect => Aspects::from(Aspect::DownstreamDirect).with(Aspect::DownstreamRemote),
    }
}

fn of_simple(simple: Simple) -> Aspect {
    match simple {
        Simple::Reporter => Aspect::Line,
        Simple::Protocol => Aspect::Protocol,
        Simple::ResponseCode => Aspect::ResponseCode,
        Simple::ResponseCodeDetails => Aspect::Details,
        Simple::ConnectionTerminationDetails => Aspect::Termination,
        Simple::UpstreamTransportFailureReason => Aspect::UpstreamFailure,
        Simple::ResponseFlags | Simple::ResponseFlagsLong => Aspect::Flags,
        Simple::BytesReceived => Aspect::BytesReceived,
        Simple::BytesSent => Aspect::BytesSent,
        Simple::AttemptCount => Aspect::Attempts,
        Simple::Duration => Aspect::Duration,
        Simple::RouteName => Aspect::RouteName,
        Simple::UpstreamCluster => Aspect::UpstreamCluster,
        Simple::RequestedServerName => Aspect::ServerName,
        Simple::Reason => Aspect::Reason,
        Simple::Policy => Aspect::Policy,
        Simple::DownstreamPeerUriSan
        | Simple::SourceWorkload
        | Simple::SourceNamespace
        | Simple::SourcePrincipal => Aspect::Source,
        Simple::DownstreamLocalUriSan
        | Simple::UpstreamPeerUriSan
        | Simple::DestinationWorkload
        | Simple::DestinationNamespace
        | Simple::DestinationPrincipal => Aspect::Destination,
        Simple::DestinationService => Aspect::Service,
        Simple::ConnectionSecurity => Aspect::Security,
        Simple::UpstreamProtocol
        | Simple::DownstreamTransportFailureReason
        | Simple::RequestHeadersBytes
        | Simple::ResponseHeadersBytes
        | Simple::RequestDuration
        | Simple::ResponseDuration
        | Simple::ResponseTxDuration
        | Simple::ConnectionId
        | Simple::TraceId
        | Simple::DownstreamTlsVersion
        | Simple::DownstreamTlsCipher => Aspect::Unremembered,
    }
}

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

/// A set of aspects, or of whatever else has numbers below 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Set(u64);

impl Set {
    pub(super) const NONE: Self = Self(0);
    pub(super) const ALL: Self = Self(u64::MAX);

    /// Puts a number in, if so.
    #[inline]
    pub(super) const fn insert_if(&mut self, number: u8, is_so: bool) {
        self.0 |= (is_so as u64) << (number % 64);
    }

    #[must_use]
    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn contains(self, number: u8) -> bool {
        self.0 >> (number % 64) & 1 == 1
    }

    /// Its numbers, the smallest first.
    #[inline]
    pub(super) fn iter(mut self) -> impl Iterator<Item = usize> {
        std::iter::from_fn(move || {
            let first = (self.0 != 0).then(|| self.0.trailing_zeros() as usize);
            self.0 &= self.0.wrapping_sub(1);
            first
        })
    }
}

impl From<Aspect> for Set {
    fn from(aspect: Aspect) -> Self {
        Self(1 << aspect as u8)
    }
}

impl Operator {
    /// What its value is made of.
    pub(super) fn aspects(&self) -> Set {
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
    fn aspects(&self, of: fn(&Header) -> Aspect) -> Set {
        let second = self.second.as_ref().map_or(Set::NONE, |second| of(second).into());
        second.and(of(&self.first).into())
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

fn of_address(which: Which) -> Set {
    match which {
        Which::UpstreamHost => Aspect::UpstreamHost.into(),
        Which::UpstreamLocal => Aspect::UpstreamLocal.into(),
        Which::DownstreamLocal => Aspect::DownstreamLocal.into(),
        Which::DownstreamRemote => Aspect::DownstreamRemote.into(),
        // The remote address stands for it where it is not known.
        Which::DownstreamDirect => Set::from(Aspect::DownstreamDirect).and(Aspect::DownstreamRemote.into()),
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

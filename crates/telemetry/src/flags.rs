//! Response flags: why a response is not what the upstream said, in Envoy's letters.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};
use std::str::FromStr;

macro_rules! flags {
    ($($variant:ident, $short:literal, $long:literal, $says:literal;)*) => {
        /// One reason. The order is Envoy's, and so is the order in which several are printed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum ResponseFlag {
            $(#[doc = concat!("`", $short, "`: ", $says, ".")] $variant,)*
        }

        impl ResponseFlag {
            /// All of them, in Envoy's order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Envoy's letters.
            pub const fn short(self) -> &'static str {
                match self { $(Self::$variant => $short,)* }
            }

            /// Envoy's long name.
            pub const fn long(self) -> &'static str {
                match self { $(Self::$variant => $long,)* }
            }

            /// What it means, for a person.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $says,)* }
            }
        }
    };
}

flags! {
    FailedLocalHealthCheck, "LH", "FailedLocalHealthCheck", "the local service failed its health check";
    NoHealthyUpstream, "UH", "NoHealthyUpstream", "the cluster has no healthy endpoint";
    UpstreamRequestTimeout, "UT", "UpstreamRequestTimeout", "the upstream did not answer in time";
    LocalReset, "LR", "LocalReset", "the proxy itself reset the connection";
    UpstreamRemoteReset, "UR", "UpstreamRemoteReset", "the upstream reset the stream";
    UpstreamConnectionFailure, "UF", "UpstreamConnectionFailure", "no connection to the upstream could be made";
    UpstreamConnectionTermination, "UC", "UpstreamConnectionTermination", "the upstream closed the connection";
    UpstreamOverflow, "UO", "UpstreamOverflow", "a limit of the cluster's circuit breaker was reached";
    NoRouteFound, "NR", "NoRouteFound", "no route or filter chain matches";
    DelayInjected, "DI", "DelayInjected", "a delay was injected on purpose";
    FaultInjected, "FI", "FaultInjected", "an abort was injected on purpose";
    RateLimited, "RL", "RateLimited", "a local rate limit was reached";
    UnauthorizedExternalService, "UAEX", "UnauthorizedExternalService", "the external authorizer denied";
    RateLimitServiceError, "RLSE", "RateLimitServiceError", "the rate limit service failed";
    DownstreamConnectionTermination, "DC", "DownstreamConnectionTermination", "the client closed the connection";
    UpstreamRetryLimitExceeded, "URX", "UpstreamRetryLimitExceeded", "all tries were used up";
    StreamIdleTimeout, "SI", "StreamIdleTimeout", "nothing moved for longer than the idle timeout";
    InvalidEnvoyRequestHeaders, "IH", "InvalidEnvoyRequestHeaders", "an x-envoy-* header has a bad value";
    DownstreamProtocolError, "DPE", "DownstreamProtocolError", "the client broke the protocol";
    UpstreamMaxStreamDurationReached, "UMSDR", "UpstreamMaxStreamDurationReached", "the stream's longest time is over";
    ResponseFromCacheFilter, "RFCF", "ResponseFromCacheFilter", "answered from a cache";
    NoFilterConfigFound, "NFCF", "NoFilterConfigFound", "a filter's configuration did not arrive";
    DurationTimeout, "DT", "DurationTimeout", "the connection's longest time is over";
    UpstreamProtocolError, "UPE", "UpstreamProtocolError", "the upstream broke the protocol";
    NoClusterFound, "NC", "NoClusterFound", "the route's cluster does not exist";
    OverloadManager, "OM", "OverloadManagerTerminated", "the proxy is overloaded";
    DnsResolutionFailed, "DF", "DnsResolutionFailed", "the upstream's name could not be resolved";
    DropOverload, "DO", "DropOverload", "dropped by the cluster's overload setting";
    DownstreamRemoteReset, "DR", "DownstreamRemoteReset", "the client reset the stream";
    UnconditionalDropOverload, "UDO", "UnconditionalDropOverload", "everything to the cluster is dropped";
}

/// What is not one of Envoy's flags.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no response flag; Envoy's are letters like UF, NR, UAEX")]
pub struct UnknownFlag(String);

impl FromStr for ResponseFlag {
    type Err = UnknownFlag;

    /// Reads Envoy's letters, as a filter of an access log names them.
    fn from_str(letters: &str) -> Result<Self, UnknownFlag> {
        let found = Self::ALL.iter().copied().find(|flag| flag.short() == letters);
        found.ok_or_else(|| UnknownFlag(letters.chars().take(32).collect()))
    }
}

/// A set of flags; printed as `UF,URX`, or `-` when empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct ResponseFlags(u32);

impl ResponseFlags {
    /// No flag: the upstream's answer, as it is.
    pub const NONE: Self = Self(0);

    /// This set with `flag` in it.
    #[must_use]
    pub const fn with(self, flag: ResponseFlag) -> Self {
        Self(self.0 | 1 << flag as u32)
    }

    /// Puts `flag` in.
    pub const fn insert(&mut self, flag: ResponseFlag) {
        *self = self.with(flag);
    }

    /// Whether `flag` is in.
    pub const fn contains(self, flag: ResponseFlag) -> bool {
        self.0 & 1 << flag as u32 != 0
    }

    /// Whether the two sets share a flag.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether no flag is in.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The flags in it, in Envoy's order.
    pub fn iter(self) -> impl Iterator<Item = ResponseFlag> {
        ResponseFlag::ALL.iter().copied().filter(move |flag| self.contains(*flag))
    }
}

impl From<ResponseFlag> for ResponseFlags {
    fn from(flag: ResponseFlag) -> Self {
        Self::NONE.with(flag)
    }
}

impl BitOr<ResponseFlag> for ResponseFlags {
    type Output = Self;

    fn bitor(self, flag: ResponseFlag) -> Self {
        self.with(flag)
    }
}

impl BitOrAssign<ResponseFlag> for ResponseFlags {
    fn bitor_assign(&mut self, flag: ResponseFlag) {
        self.insert(flag);
    }
}

impl fmt::Display for ResponseFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("-");
        }
        for (i, flag) in self.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { "," })?;
            f.write_str(flag.short())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

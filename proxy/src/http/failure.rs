//! Why a try failed, whether a further one is safe, and what the client is told.

use std::net::SocketAddr;
use std::time::Duration;

use weft_model::listener::Direction;
use weft_policy::balance::NoEndpoint;
use weft_policy::breaker::Full;
use weft_policy::retry::{Lost, Outcome};
use weft_telemetry::ResponseFlag;

use super::clock::Over;
use super::message::Broken;
use super::reply::Reply;
use crate::connection::Conn;
use crate::snapshot::ClusterView;
use crate::upstream::connect::ConnectError;
use crate::upstream::outbound::Outbound;
use crate::upstream::{clash, whose};

/// gRPC's status number of what took too long.
const DEADLINE_EXCEEDED: u8 = 4;

/// Why a try failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// There is no endpoint.
    #[error("{words}")]
    NoEndpoint {
        /// Which cluster.
        cluster: String,
        /// Why.
        why: NoEndpoint,
        /// The same for people.
        words: String,
    },
    /// A circuit breaker is open.
    #[error("cluster {cluster}: {full}; {open} of {connections} connections are open")]
    Overflow {
        /// Which cluster.
        cluster: String,
        /// Which limit.
        full: Full,
        /// Connections at this moment.
        open: u32,
        /// Of so many.
        connections: Most,
    },
    /// No connection has become free in time.
    #[error(
        "cluster {cluster}: no connection became free within {limit:?}; {waiting} requests wait, and all {connections} connections are in use (connectionPool.tcp.maxConnections)"
    )]
    Waited {
        /// Which cluster.
        cluster: String,
        /// The limit.
        limit: Duration,
        /// So many wait.
        waiting: u32,
        /// So many connections there may be.
        connections: u32,
    },
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The upstream ended it before an answer.
    #[error("{endpoint} ended the connection before it answered ({broken}){}", said(*lost))]
    Reset {
        /// Which.
        endpoint: SocketAddr,
        /// How.
        broken: Broken,
        /// An app may have seen the request.
        sent: bool,
        /// It ended before a byte of an answer: what it had been used for.
        lost: Option<Lost>,
    },
    /// No answer within a try's limit.
    #[error("{} did not answer within {limit:?} (perTryTimeout)", named(*endpoint))]
    PerTryTimeout {
        /// Which, if one was reached.
        endpoint: Option<SocketAddr>,
        /// The limit.
        limit: Duration,
    },
    /// A limit that covers all tries.
    #[error("{}", limited(*.0))]
    Timeout(Over),
}

/// A number that may be none at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Most(pub u32);

impl std::fmt::Display for Most {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 == u32::MAX { f.write_str("any number of") } else { self.0.fmt(f) }
    }
}

const fn said(lost: Option<Lost>) -> &'static str {
    match lost {
        Some(Lost::Idle) => "; it had been idle before, so this is likely the keep-alive race",
        Some(Lost::Busy) | None => "",
    }
}

fn named(endpoint: Option<SocketAddr>) -> String {
    endpoint.map_or_else(|| "no endpoint could be reached, and one".to_owned(), |e| e.to_string())
}

fn limited(over: Over) -> String {
    match over {
        Over::Answer(limit) | Over::PerTry(limit) => {
            format!("no answer within {limit:?} (the route's timeout, or gRPC's deadline)")
        }
        Over::Request(limit) => format!("the request had not arrived within {limit:?} (request timeout)"),
        Over::Whole(limit) => format!("no end within {limit:?} (the stream's longest time)"),
        Over::Idle(limit) => format!("nothing moved for {limit:?} (the stream's idle timeout)"),
    }
}

impl Failure {
    /// Is it likely that the connection was being closed as the request was on its way?
    pub fn is_race(&self) -> bool {
        matches!(self, Self::Reset { lost: Some(Lost::Idle), .. })
    }

    /// It says something of the endpoint that was tried, rather than of how busy the proxy is.
    pub fn is_endpoints(&self) -> bool {
        match self {
            Self::Connect(_) => true,
            // A head that cannot be written as the upstream's protocol wants it is the client's doing.
            Self::Reset { broken, .. } => !matches!(broken, Broken::Head(_) | Broken::Header(_)),
            _ => false,
        }
    }

    /// May an app have seen the request?
    pub fn may_have_been_seen(&self) -> bool {
        match self {
            Self::Reset { broken, sent, .. } => *sent && !broken.is_refused_stream(),
            Self::PerTryTimeout { endpoint, .. } => endpoint.is_some(),
            _ => false,
        }
    }

    /// What the connection had been used for that ended before a byte of an answer.
    pub fn lost(&self) -> Option<Lost> {
        if let Self::Reset { lost, .. } = self { *lost } else { None }
    }

    /// As the retry policy sees it; `None` is never tried again.
    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            // Where too much is under way already, trying again makes it worse.
            Self::NoEndpoint { .. } | Self::Timeout(_) | Self::Overflow { .. } | Self::Waited { .. } => None,
            Self::Connect(_) => Some(Outcome::ConnectFailure),
            Self::Reset { broken, .. } if broken.is_refused_stream() => Some(Outcome::RefusedStream),
            Self::Reset { sent, .. } => Some(Outcome::Reset { sent: *sent }),
            Self::PerTryTimeout { .. } => Some(Outcome::PerTryTimeout),
        }
    }

    /// The same of a failed try at `cluster`, with what to look at where the two ends do not agree on mTLS, or on a port.
    pub fn reply_of(&self, conn: &Conn, cluster: &ClusterView, again: bool) -> Reply {
        let mut reply = self.reply(again);
        let clash = match self {
            Self::Connect(error) => {
                clash::of_failure(cluster, error).or_else(|| whose::of(conn, cluster, error, false))
            }
            Self::Reset { endpoint, lost: Some(Lost::Busy), .. } => clash::of_silence(cluster, *endpoint),
            _ => None,
        };
        let Some(clash) = clash else { return reply };
        if conn.direction == Direction::Outbound {
            reply.body =
                [&*reply.body, b": ", reply.reason.as_bytes(), b"; ", clash.as_bytes()].concat().into();
        }
        reply.besides(&clash)
    }

    /// What the client is told, in Envoy's words. `again`: this was not the first try.
    pub fn reply(&self, again: bool) -> Reply {
        use ResponseFlag as Flag;
        let reason = self.to_string();
        if let Some((words, flag)) = self.reset_reason() {
            let latest = if again { "retried and the latest " } else { "" };
            let body = format!(
                "upstream connect error or disconnect/reset before headers. {latest}reset reason: {words}"
            );
            let details = format!("upstream_reset_before_response_started{{{}}}", words.replace(' ', "_"));
            let mut reply = Reply::new(503, "", "").flag(flag).because(reason);
            reply.body = body.into_bytes().into();
            reply.details = details.into();
            if matches!(self, Self::Overflow { .. }) {
                reply.headers.push(("x-envoy-overloaded", "true".to_owned()));
            }
            return reply;
        }
        let (status, body, details, flag) = match self {
            // Of the mesh only its own apps ask, who may know.
            Self::NoEndpoint { cluster, why: NoEndpoint::Empty, .. } if Outbound::of(cluster).is_some() => {
                let details = match Outbound::of_subset(cluster) {
                    Some(_) => "subset_without_endpoints",
                    None => "no_healthy_upstream",
                };
                let mut reply = Reply::new(503, "", details).flag(Flag::NoHealthyUpstream);
                reply.body = format!("no healthy upstream: {reason}").into_bytes().into();
                return reply.because(reason);
            }
            Self::NoEndpoint { .. } => {
                (503, "no healthy upstream", "no_healthy_upstream", Flag::NoHealthyUpstream)
            }
            // All but what cannot be read have words of their own.
            Self::Overflow { .. } | Self::Connect(_) | Self::Reset { .. } => (
                502,
                "",
                "upstream_reset_before_response_started{protocol_error}",
                Flag::UpstreamProtocolError,
            ),
            Self::PerTryTimeout { .. } => {
                (504, "upstream request timeout", "upstream_per_try_timeout", Flag::UpstreamRequestTimeout)
            }
            Self::Timeout(Over::Request(_)) => {
                (408, "request timeout", "request_overall_timeout", Flag::DurationTimeout)
            }
            Self::Timeout(Over::Idle(_)) => {
                (504, "stream timeout", "stream_idle_timeout", Flag::StreamIdleTimeout)
            }
            Self::Timeout(Over::Whole(_)) => (
                504,
                "upstream max stream duration reached",
                "upstream_max_stream_duration_reached",
                Flag::UpstreamMaxStreamDurationReached,
            ),
            Self::Timeout(Over::Answer(_) | Over::PerTry(_)) | Self::Waited { .. } => {
                (504, "upstream request timeout", "response_timeout", Flag::UpstreamRequestTimeout)
            }
        };
        let mut reply = Reply::new(status, body, details).flag(flag).because(reason);
        // Envoy says UNAVAILABLE, which asks callers to try again what the app may have executed, or still works on.
        if status == 504 {
            reply.grpc = Some(DEADLINE_EXCEEDED);
        }
        reply
    }

    /// Why there was no answer, where Envoy has words for it.
    fn reset_reason(&self) -> Option<(&'static str, ResponseFlag)> {
        use ResponseFlag as Flag;
        Some(match self {
            Self::Overflow { .. } => ("overflow", Flag::UpstreamOverflow),
            Self::Connect(error) if error.is_timeout() => {
                ("connection timeout", Flag::UpstreamConnectionFailure)
            }
            Self::Connect(_) => ("remote connection failure", Flag::UpstreamConnectionFailure),
            Self::Reset {
                broken: Broken::Head(_) | Broken::Header(_) | Broken::Body(_) | Broken::Informational(_),
                ..
            } => return None,
            Self::Reset { broken: Broken::H2(error), .. } if error.is_reset() && error.is_remote() => {
                let refused = error.reason() == Some(h2::Reason::REFUSED_STREAM);
                let words = if refused { "remote refused stream reset" } else { "remote reset" };
                (words, Flag::UpstreamRemoteReset)
            }
            Self::Reset { .. } => ("connection termination", Flag::UpstreamConnectionTermination),
            _ => return None,
        })
    }
}

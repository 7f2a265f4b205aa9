//! One try: an endpoint, a connection to it, the head on its way. What can go wrong says whether a retry is safe.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use weft_http1::{Limits, RequestHead};
use weft_model::cluster::UpstreamProtocol;
use weft_policy::balance::NoEndpoint;
use weft_policy::retry::Outcome;
use weft_telemetry::{Protocol, ResponseFlag};

use super::h1::H1;
use super::message::{Broken, Length};
use super::plan::Plan;
use super::reply::Reply;
use crate::snapshot::EndpointView;
use crate::upstream::connect::{Carrier, ConnectError, Connected, Speaks, connect};
use crate::upstream::endpoint::InFlight;
use crate::upstream::h2_client::H2Client;
use crate::upstream::pick::pick;
use crate::upstream::pool::Spare;
use crate::upstream::stream::Upstream;
use crate::worker::Worker;

/// What is asked of a try.
pub struct Ask<'a> {
    /// Where it happens.
    pub worker: &'a Worker,
    /// What was decided.
    pub plan: &'a Plan,
    /// The body's length.
    pub length: Length,
    /// `http` or `https`, as the request's scheme.
    pub scheme: &'a str,
    /// What the client speaks.
    pub downstream: Protocol,
    /// The connection will belong to another protocol: HTTP/1.1 alone can do that here.
    pub upgrade: bool,
    /// Where a connection without endpoints of its own was going.
    pub original: Option<SocketAddr>,
}

/// A try that is on its way.
pub struct Sent {
    /// Its stream.
    pub upstream: Upstream,
    /// The endpoint.
    pub endpoint: EndpointView,
    /// Counted as in flight.
    pub in_flight: InFlight,
}

/// Why a try failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// There is no endpoint.
    #[error("cluster {cluster}: {why}")]
    NoEndpoint {
        /// Which cluster.
        cluster: String,
        /// Why.
        why: NoEndpoint,
    },
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The upstream ended it before an answer.
    #[error("{endpoint} ended the connection before it answered ({broken}){race}")]
    Reset {
        /// Which.
        endpoint: SocketAddr,
        /// How.
        broken: Broken,
        /// An app may have seen the request.
        sent: bool,
        /// More to say.
        race: &'static str,
    },
    /// No answer within a try's limit.
    #[error("{endpoint} did not answer within {limit:?} (perTryTimeout)")]
    PerTryTimeout {
        /// Which.
        endpoint: SocketAddr,
        /// The limit.
        limit: Duration,
    },
    /// No answer within the route's limit.
    #[error("no answer within {limit:?} (the route's timeout)")]
    Timeout {
        /// The limit.
        limit: Duration,
    },
}

impl Failure {
    /// As the retry policy sees it; `None` is never tried again.
    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::NoEndpoint { .. } | Self::Timeout { .. } => None,
            Self::Connect(_) => Some(Outcome::ConnectFailure),
            Self::Reset { broken, .. } if broken.is_refused_stream() => Some(Outcome::RefusedStream),
            Self::Reset { sent, .. } => Some(Outcome::Reset { sent: *sent }),
            Self::PerTryTimeout { .. } => Some(Outcome::PerTryTimeout),
        }
    }

    /// What the client is told, in Envoy's words.
    pub fn reply(&self) -> Reply {
        use ResponseFlag as Flag;
        let reason = self.to_string();
        let (status, body, details, flag) = match self {
            Self::NoEndpoint { .. } => {
                (503, "no healthy upstream", "no_healthy_upstream", Flag::NoHealthyUpstream)
            }
            Self::Connect(error) if error.is_timeout() => (
                503,
                "upstream connect error or disconnect/reset before headers. reset reason: connection timeout",
                "upstream_reset_before_response_started{connection_timeout}",
                Flag::UpstreamConnectionFailure,
            ),
            Self::Connect(_) => (
                503,
                "upstream connect error or disconnect/reset before headers. reset reason: connection failure",
                "upstream_reset_before_response_started{connection_failure}",
                Flag::UpstreamConnectionFailure,
            ),
            Self::Reset { broken: Broken::Head(_) | Broken::Header(_), .. } => (
                502,
                "",
                "upstream_reset_before_response_started{protocol_error}",
                Flag::UpstreamProtocolError,
            ),
            Self::Reset { .. } => (
                503,
                "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
                "upstream_reset_before_response_started{connection_termination}",
                Flag::UpstreamConnectionTermination,
            ),
            Self::PerTryTimeout { .. } => {
                (504, "upstream request timeout", "upstream_per_try_timeout", Flag::UpstreamRequestTimeout)
            }
            Self::Timeout { .. } => {
                (504, "upstream request timeout", "upstream_response_timeout", Flag::UpstreamRequestTimeout)
            }
        };
        Reply::new(status, body, details).flag(flag).because(reason)
    }
}

/// Picks an endpoint and sends the head to it; `tried` are the places of those that failed before.
///
/// # Errors
/// Nothing of the request was sent then.
pub async fn send(ask: &Ask<'_>, head: &mut RequestHead, tried: &mut Vec<usize>) -> Result<Sent, Failure> {
    let plan = ask.plan;
    let cluster = &plan.cluster;
    let no_endpoint = |why| Failure::NoEndpoint { cluster: cluster.cluster.settings.name.clone(), why };
    let picked = pick(ask.worker, plan.id, cluster, plan.hash, tried, ask.original);
    let (place, endpoint) = picked.map_err(no_endpoint)?;
    tried.push(place);
    let in_flight = endpoint.state.begin();
    let sent = to_endpoint(ask, &endpoint, head).await;
    if sent.is_err() {
        endpoint.state.connect_failures.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
    Ok(Sent { upstream: sent?, endpoint, in_flight })
}

async fn to_endpoint(
    ask: &Ask<'_>,
    endpoint: &EndpointView,
    head: &mut RequestHead,
) -> Result<Upstream, Failure> {
    let http = &ask.plan.cluster.cluster.settings.http;
    let reset = |broken| Failure::Reset { endpoint: endpoint.address, broken, sent: false, race: "" };
    let h2 = !ask.upgrade
        && match http.protocol {
            UpstreamProtocol::Http2 => true,
            UpstreamProtocol::Downstream | UpstreamProtocol::Auto => ask.downstream == Protocol::Http2,
            UpstreamProtocol::Http1 => false,
        };
    if h2 {
        let client = h2_client(ask, endpoint, head).await?;
        return Upstream::start_h2(&client, head, ask.length, ask.scheme).await.map_err(reset);
    }
    let idle = ask.worker.pools.borrow_mut().take_h1(endpoint.pool);
    let spare = match idle {
        Some(spare) => spare,
        None => {
            let connected = dial(ask, endpoint, Speaks::Http1, head).await?;
            Spare::new(H1::new(connected.io, Limits::default()), connected.peer, Instant::now())
        }
    };
    head.version = weft_http1::Version::Http11;
    Upstream::start_h1(spare, head, ask.length).map_err(reset)
}

async fn h2_client(ask: &Ask<'_>, endpoint: &EndpointView, head: &RequestHead) -> Result<H2Client, Failure> {
    let http = &ask.plan.cluster.cluster.settings.http;
    let (streams, requests) = (http.max_concurrent_streams, http.max_requests_per_connection);
    if let Some(client) = ask.worker.pools.borrow_mut().h2(endpoint.pool, streams, requests) {
        return Ok(client);
    }
    let connected = dial(ask, endpoint, Speaks::Http2, head).await?;
    let reset = |broken| Failure::Reset { endpoint: endpoint.address, broken, sent: false, race: "" };
    // Several requests may have dialled at once; each connection serves from now on.
    let client = H2Client::start(connected.io).await.map_err(reset)?;
    ask.worker.pools.borrow_mut().put_h2(endpoint.pool, client.clone());
    Ok(client)
}

async fn dial(
    ask: &Ask<'_>,
    endpoint: &EndpointView,
    speaks: Speaks,
    head: &RequestHead,
) -> Result<Connected, Failure> {
    let view = &ask.plan.cluster;
    let host = matches!(*endpoint.carrier, Carrier::Tls(_)).then(|| head.authority());
    Ok(connect(endpoint.address, &endpoint.carrier, speaks, view.socket, view.connect_timeout, host).await?)
}

/// Gives a connection back for another request, if the cluster lets it carry one more.
pub fn give_back(worker: &Worker, plan: &Plan, endpoint: &EndpointView, upstream: Upstream) {
    let http = &plan.cluster.cluster.settings.http;
    let Some(spare) = upstream.into_spare() else { return };
    let now = Instant::now();
    let spent = http.max_requests_per_connection.is_some_and(|most| most > 0 && spare.carried >= most)
        || http.max_connection_duration.is_some_and(|life| now.duration_since(spare.born) >= life);
    if !spent {
        worker.pools.borrow_mut().put_h1(endpoint.pool, spare, now);
    }
}

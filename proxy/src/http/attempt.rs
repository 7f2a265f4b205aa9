//! One try: an endpoint, a connection to it, the head on its way. What can go wrong says whether a retry is safe.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use weft_http1::{Limits, RequestHead};
use weft_model::cluster::UpstreamProtocol;
use weft_policy::balance::NoEndpoint;
use weft_policy::outlier;
use weft_policy::retry::Outcome;
use weft_telemetry::{Protocol, ResponseFlag};

use super::clock::Over;
use super::h1::H1;
use super::message::{Broken, Length};
use super::plan::{Plan, subset};
use super::reply::Reply;
use crate::snapshot::EndpointView;
use crate::upstream::connect::{Carrier, ConnectError, Connected, Speaks, connect};
use crate::upstream::endpoint::InFlight;
use crate::upstream::h2_client::H2Client;
use crate::upstream::outlier::note;
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
    /// Connections that were idle are not trusted: one has just turned out to be closed.
    pub fresh: bool,
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
    #[error("{endpoint} ended the connection before it answered ({broken}){}", said(*race))]
    Reset {
        /// Which.
        endpoint: SocketAddr,
        /// How.
        broken: Broken,
        /// An app may have seen the request.
        sent: bool,
        /// The connection had been idle, and no byte of an answer came.
        race: bool,
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

const fn said(race: bool) -> &'static str {
    if race { "; it had been idle before, so this is likely the keep-alive race" } else { "" }
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
        matches!(self, Self::Reset { race: true, .. })
    }

    /// As the retry policy sees it; `None` is never tried again.
    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::NoEndpoint { .. } | Self::Timeout(_) => None,
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
            Self::NoEndpoint { cluster, why: NoEndpoint::Empty } if subset(cluster).is_some() => {
                let (subset, host) = subset(cluster).unwrap_or_default();
                let why = format!("no pod of {host} has the labels of subset {subset:?}");
                let mut reply = Reply::new(503, "", "subset_without_endpoints").flag(Flag::NoHealthyUpstream);
                reply.body = format!("no healthy upstream: {why}").into_bytes().into();
                return reply.because(why);
            }
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
            Self::Reset { broken: Broken::Head(_) | Broken::Header(_) | Broken::Body(_), .. } => (
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
            Self::Timeout(Over::Answer(_) | Over::PerTry(_)) => {
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
    if plan.auto_host {
        follow_host(plan, place, head);
    }
    let sent = to_endpoint(ask, &endpoint, head).await;
    if sent.is_err() {
        endpoint.state.connect_failures.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        note(cluster, &endpoint, outlier::Outcome::LocalOrigin);
    }
    Ok(Sent { upstream: sent?, endpoint, in_flight })
}

/// Host becomes the endpoint's name (`auto_host_rewrite`), where it has one.
fn follow_host(plan: &Plan, place: usize, head: &mut RequestHead) {
    let endpoints = &plan.cluster.cluster.endpoints.endpoints;
    if let Some(name) = endpoints.get(place).map(|e| &e.settings.hostname).filter(|name| !name.is_empty()) {
        // A name that is no header value stays out of it: the request goes on under the client's.
        let _ = head.headers.set("host", name);
    }
}

async fn to_endpoint(
    ask: &Ask<'_>,
    endpoint: &EndpointView,
    head: &mut RequestHead,
) -> Result<Upstream, Failure> {
    let protocol = ask.plan.cluster.cluster.settings.http.protocol;
    let h2 = !ask.upgrade
        && match protocol {
            UpstreamProtocol::Http2 => true,
            UpstreamProtocol::Downstream | UpstreamProtocol::Auto => ask.downstream == Protocol::Http2,
            UpstreamProtocol::Http1 => false,
        };
    // Where the server's choice counts, whatever it chose before serves again.
    let either = protocol == UpstreamProtocol::Auto && !ask.upgrade;
    if (h2 || either)
        && let Some(client) = pooled_h2(ask, endpoint, head)
    {
        return start_h2(ask, endpoint, &client, head).await;
    }
    if (!h2 || either)
        && !ask.fresh
        && let Some(spare) = pooled_h1(ask, endpoint, head)
    {
        return start_h1(ask, endpoint, spare, head);
    }
    let speaks = if h2 { Speaks::Http2 } else { Speaks::Http1 };
    let name = sni(endpoint, head).map(Into::into);
    let connected = dial(ask, endpoint, speaks, head).await?;
    let agreed = match connected.alpn.as_deref() {
        Some(b"h2" | b"istio-h2") => !ask.upgrade,
        Some(b"http/1.1" | b"istio-http/1.1") => h2 && !either,
        _ => h2,
    };
    if !agreed {
        let spare = Spare::new(
            H1::new(connected.io, Limits::default()),
            (endpoint.address, name),
            connected.peer,
            Instant::now(),
        );
        return start_h1(ask, endpoint, spare, head);
    }
    let reset = |broken| Failure::Reset { endpoint: endpoint.address, broken, sent: false, race: false };
    // Several requests may have dialled at once; each connection serves from now on.
    let client = H2Client::start(connected.io, (endpoint.address, name)).await.map_err(reset)?;
    ask.worker.pools.borrow_mut().put_h2(endpoint.pool, client.clone());
    start_h2(ask, endpoint, &client, head).await
}

fn start_h1(
    ask: &Ask<'_>,
    endpoint: &EndpointView,
    spare: Spare,
    head: &mut RequestHead,
) -> Result<Upstream, Failure> {
    let reset = |broken| Failure::Reset { endpoint: endpoint.address, broken, sent: false, race: false };
    head.version = weft_http1::Version::Http11;
    Upstream::start_h1(spare, head, ask.length).map_err(reset)
}

async fn start_h2(
    ask: &Ask<'_>,
    endpoint: &EndpointView,
    client: &H2Client,
    head: &RequestHead,
) -> Result<Upstream, Failure> {
    let reset = |broken| Failure::Reset { endpoint: endpoint.address, broken, sent: false, race: false };
    Upstream::start_h2(client, head, ask.length, ask.scheme).await.map_err(reset)
}

/// The server name that a connection to this endpoint is made and verified for, if that follows the request.
fn sni<'a>(endpoint: &EndpointView, head: &'a RequestHead) -> Option<&'a str> {
    match &*endpoint.carrier {
        Carrier::Tls(tls) if tls.plain.follows_host() => Some(head.authority()),
        _ => None,
    }
}

fn pooled_h1(ask: &Ask<'_>, endpoint: &EndpointView, head: &RequestHead) -> Option<Spare> {
    let to = (endpoint.address, sni(endpoint, head));
    ask.worker.pools.borrow_mut().take_h1(endpoint.pool, to)
}

fn pooled_h2(ask: &Ask<'_>, endpoint: &EndpointView, head: &RequestHead) -> Option<H2Client> {
    let http = &ask.plan.cluster.cluster.settings.http;
    let to = (endpoint.address, sni(endpoint, head));
    ask.worker.pools.borrow_mut().h2(endpoint.pool, to, http)
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

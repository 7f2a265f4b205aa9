//! A connection to an endpoint: one that is there, or a new one, or, where the cluster may have no more of them, the next
//! that becomes free. Whoever waits is counted, stands in line, and waits no longer than the request may take.

use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use weft_http1::{Limits, RequestHead};
use weft_model::cluster::UpstreamProtocol;
use weft_telemetry::Protocol;

use super::attempt::{Ask, Been, Failure, overflow};
use super::h1::H1;
use crate::snapshot::EndpointView;
use crate::stream::{Io, Tcp};
use crate::upstream::chosen::{Chosen, InFlight};
use crate::upstream::connect::{Carrier, Connected, SocketSettings, Speaks, connect};
use crate::upstream::dial::Over;
use crate::upstream::h2_client::{H2Client, Home};
use crate::upstream::places::Place;
use crate::upstream::pool::{MadeFor, Wanted};
use crate::upstream::spare::Spare;

/// A connection that nothing of the request was sent on yet.
pub(super) enum Way {
    /// Of our own.
    H1(Box<Spare>),
    /// Shared.
    H2(H2Client),
}

/// What the wait was for.
enum Free {
    /// A connection may be made.
    Place(Place),
    /// A connection is there.
    Way(Way),
}

/// A connection to the endpoint that was chosen. One that comes back from another endpoint of the cluster is taken in its
/// place by whoever has waited, if nothing binds the request to its own.
pub(super) async fn reach(
    ask: &Ask<'_>,
    to: &mut InFlight,
    head: &RequestHead,
    been: &mut Been,
) -> Result<Way, Box<Failure>> {
    let cluster = &ask.plan.cluster;
    let state = &cluster.state;
    // Whoever has waited on this worker comes first; those of others are no reason to wait.
    let nobody_before = state.places.waiting() == 0 || ask.worker.line(ask.plan.id).is_empty();
    if nobody_before && let Some(way) = idle(ask, to.endpoint(), head, ask.began) {
        return Ok(way);
    }
    to.waits();
    let _pending = state.wait(&cluster.limits).map_err(|full| overflow(ask, full))?;
    if let Some(way) = shared(ask, to.endpoint(), head).await? {
        return Ok(way);
    }
    let place = match state.places.take() {
        Some(place) => place,
        None => match free(ask, to, head, &been.avoided).await? {
            Free::Place(place) => place,
            Free::Way(way) => return Ok(way),
        },
    };
    been.dialling = Some(to.endpoint().clone());
    let way = dial(ask, to.endpoint(), head, place).await;
    been.dialling = None;
    way
}

/// A connection that somebody else is making, where it will be shared; `None` if a request must make its own.
async fn shared(
    ask: &Ask<'_>,
    endpoint: &EndpointView,
    head: &RequestHead,
) -> Result<Option<Way>, Box<Failure>> {
    if !protocol(ask).0 {
        return Ok(None);
    }
    let streams = ask.plan.cluster.cluster.settings.http.max_concurrent_streams;
    let to = wanted(ask, endpoint, head);
    while let Some(wait) = ask.worker.dials.find(endpoint.pool, &to, streams) {
        match wait.over().await {
            Over::Shared => {
                if let Some(way) = idle(ask, endpoint, head, Instant::now()) {
                    return Ok(Some(way));
                }
            }
            Over::Alone => return Ok(None),
            Over::Failed(error) => return Err(Failure::from(error).into()),
            Over::Refused(why) => {
                let broken = std::io::Error::other(&*why).into();
                return Err(
                    Failure::Reset { endpoint: endpoint.address, broken, sent: false, lost: None }.into()
                );
            }
            Over::GivenUp => {}
        }
    }
    Ok(None)
}

async fn free(
    ask: &Ask<'_>,
    to: &mut InFlight,
    head: &RequestHead,
    avoided: &[usize],
) -> Result<Free, Box<Failure>> {
    let places = &ask.plan.cluster.state.places;
    // A connection elsewhere may have room.
    if ask.worker.line(ask.plan.id).is_empty()
        && let Some(way) = other(ask, to, head, avoided)
    {
        return Ok(Free::Way(way));
    }
    if let Some(place) = first_of_worker(ask) {
        return Ok(Free::Place(place));
    }
    places.note_refusal();
    let mut in_line = places.stand_in_line();
    let ticket = ask.worker.line(ask.plan.id).join();
    if ticket.is_first {
        // An idle connection to elsewhere makes room at once.
        ask.worker.pools.borrow_mut().give_up_one(places);
    }
    let waiting = async {
        loop {
            tokio::select! {
                biased;
                Ok(place) = &mut in_line.served => {
                    leave_the_ill(ask, to, avoided);
                    return Free::Place(place);
                }
                () = ticket.called() => {
                    leave_the_ill(ask, to, avoided);
                    if let Some(way) = idle(ask, to.endpoint(), head, Instant::now()).or_else(|| other(ask, to, head, avoided)) {
                        return Free::Way(way);
                    }
                    ask.worker.pools.borrow_mut().give_up_one(places);
                }
            }
        }
    };
    let limit = limit(ask);
    let too_long = |_| Failure::Waited {
        cluster: ask.plan.cluster.cluster.settings.name.clone(),
        limit,
        waiting: places.waiting(),
        connections: places.limit(),
    };
    Ok(tokio::time::timeout(limit, waiting).await.map_err(too_long)?)
}

/// Where HTTP/2 is spoken, a worker that has no connection to the cluster makes one beyond the limit, as Envoy's do: those of
/// others are never idle while there is traffic, however much room they have, so it would wait for ever.
fn first_of_worker(ask: &Ask<'_>) -> Option<Place> {
    let view = &ask.plan.cluster;
    let (places, dials) = (&view.state.places, &ask.worker.dials);
    let has_one = || {
        ask.worker.pools.borrow().has_h2(places)
            || view.endpoints.iter().any(|each| dials.is_dialling(each.pool))
    };
    (protocol(ask).0 && !has_one()).then(|| places.take_beyond())
}

/// Nobody waits for longer, where the request itself has no limit of time.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long a request waits for a connection: as long as it may take for its answer.
fn limit(ask: &Ask<'_>) -> Duration {
    let allowed = &ask.plan.allowed;
    [allowed.per_try, allowed.answer, allowed.whole].into_iter().flatten().min().unwrap_or(PATIENCE)
}

/// To another endpoint of the cluster.
fn go_to(ask: &Ask<'_>, to: &mut InFlight, place: usize) {
    if let Some(endpoint) = Chosen::at(&ask.plan.cluster, place) {
        *to = InFlight::to(endpoint, ask.worker.index, None);
    }
}

/// A connection to another endpoint, for a request that may go to any of them.
fn other(ask: &Ask<'_>, to: &mut InFlight, head: &RequestHead, avoided: &[usize]) -> Option<Way> {
    let found = others(ask, to.endpoint().place(), avoided);
    let now = Instant::now();
    let (place, way) = found.into_iter().find_map(|(place, of)| Some((place, idle(ask, of, head, now)?)))?;
    go_to(ask, to, place);
    Some(way)
}

/// Whoever was chosen may have been ejected, or called ill, while the request waited: then it goes to another that is not.
fn leave_the_ill(ask: &Ask<'_>, to: &mut InFlight, avoided: &[usize]) {
    if ask.plan.cluster.takes(to.endpoint()) {
        return;
    }
    let others = others(ask, to.endpoint().place(), avoided).into_iter();
    if let Some((place, _)) = others.min_by_key(|(_, endpoint)| endpoint.state.active()) {
        go_to(ask, to, place);
    }
}

/// The endpoints that a request which waits may go to in place of the one that was chosen, with their places.
fn others<'a>(ask: &'a Ask<'_>, chosen: usize, avoided: &[usize]) -> Vec<(usize, &'a Arc<EndpointView>)> {
    if ask.plan.hash.is_some() || ask.original.is_some() {
        return Vec::new();
    }
    let cluster = &ask.plan.cluster;
    let settings = &cluster.cluster.endpoints.endpoints;
    // What health and priority keep apart stays apart.
    let alike = |place: usize| {
        settings.get(place).zip(settings.get(chosen)).is_some_and(|(one, other)| {
            one.priority == other.priority && one.settings.health == other.settings.health
        })
    };
    let may = |place: usize| place != chosen && alike(place) && !avoided.contains(&place);
    let all = cluster.endpoints.iter().enumerate();
    all.filter(|(place, endpoint)| may(*place) && cluster.takes(endpoint)).collect()
}

/// Whether HTTP/2 is spoken, and whether the server chooses.
fn protocol(ask: &Ask<'_>) -> (bool, bool) {
    let protocol = ask.plan.cluster.cluster.settings.http.protocol;
    let h2 = !ask.upgrade
        && match protocol {
            UpstreamProtocol::Http2 => true,
            UpstreamProtocol::Downstream | UpstreamProtocol::Auto => ask.downstream == Protocol::Http2,
            UpstreamProtocol::Http1 => false,
        };
    (h2, protocol == UpstreamProtocol::Auto && !ask.upgrade)
}

/// A connection of this worker that is there.
fn idle(ask: &Ask<'_>, endpoint: &EndpointView, head: &RequestHead, now: Instant) -> Option<Way> {
    // Where the server's choice counts, whatever it chose before serves again.
    let (h2, either) = protocol(ask);
    let to = wanted(ask, endpoint, head);
    if !h2 && let Some(spare) = unspoken(ask, endpoint, &to) {
        return Some(Way::H1(Box::new(spare)));
    }
    let mut pools = ask.worker.pools.borrow_mut();
    if h2 || either {
        let http = &ask.plan.cluster.cluster.settings.http;
        if let Some(client) = pools.h2(endpoint.pool, &to, http) {
            return Some(Way::H2(client));
        }
    }
    let h1 = (!h2 || either) && !ask.fresh;
    h1.then(|| pools.take_h1(endpoint.pool, &to, now)).flatten().map(Way::H1)
}

/// One that was made to hear whether the server speaks first, which it did not.
fn unspoken(ask: &Ask<'_>, endpoint: &EndpointView, to: &Wanted<'_>) -> Option<Spare> {
    let (socket, place) = ask.worker.shared.unspoken.take(endpoint.pool, to)?;
    let io = Io::Plain(Tcp::new(TcpStream::from_std(socket).ok()?));
    let mut spare =
        Spare::new(H1::new(io, Limits::default()), MadeFor::from(*to), None, place, Instant::now());
    spare.conn.poll_idle(&mut Context::from_waker(Waker::noop())).is_pending().then_some(spare)
}

/// Which connections to this endpoint would do.
fn wanted<'a>(ask: &Ask<'_>, endpoint: &EndpointView, head: &'a RequestHead) -> Wanted<'a> {
    let source = ask.source.map(|client| client.address);
    Wanted { address: endpoint.address, name: sni(endpoint, head), source }
}

/// The server name that a connection to this endpoint is made and verified for, if that follows the request.
fn sni<'a>(endpoint: &EndpointView, head: &'a RequestHead) -> Option<&'a str> {
    match &*endpoint.carrier {
        Carrier::Tls(tls) if tls.plain.follows_host() => Some(head.authority()),
        _ => None,
    }
}

/// A new connection.
async fn dial(
    ask: &Ask<'_>,
    endpoint: &EndpointView,
    head: &RequestHead,
    place: Place,
) -> Result<Way, Box<Failure>> {
    let (h2, either) = protocol(ask);
    let speaks = if h2 { Speaks::Http2 } else { Speaks::Http1 };
    let made_for = MadeFor::from(wanted(ask, endpoint, head));
    let view = &ask.plan.cluster;
    let host = matches!(*endpoint.carrier, Carrier::Tls(_)).then(|| head.authority());
    let socket = SocketSettings { original_source: ask.source, ..view.socket };
    // Whoever comes while a connection is made that will be shared waits for it.
    let dialling = h2.then(|| ask.worker.dials.begin(endpoint.pool, made_for.clone()));
    let tell = |how: Over| {
        if let Some(dialling) = dialling {
            dialling.over(how);
        }
    };
    let connected =
        connect(endpoint.address, &endpoint.carrier, speaks, socket, view.connect_timeout, host).await;
    let Connected { io, alpn, peer } = match connected {
        Ok(connected) => connected,
        Err(error) => {
            view.state.cannot_connect(&endpoint.state);
            tell(Over::Failed(error.clone()));
            return Err(Failure::from(error).into());
        }
    };
    let agreed = match alpn.as_deref() {
        Some(b"h2" | b"istio-h2") => !ask.upgrade,
        Some(b"http/1.1" | b"istio-http/1.1") => h2 && !either,
        _ => h2,
    };
    if !agreed {
        tell(Over::Alone);
        let conn = H1::new(io, Limits::default());
        return Ok(Way::H1(Box::new(Spare::new(conn, made_for, peer, place, Instant::now()))));
    }
    let address = endpoint.address;
    let home = Home { place, line: ask.worker.line(ask.plan.id), peer };
    match H2Client::start(io, made_for, home).await {
        Ok(client) => {
            ask.worker.pools.borrow_mut().put_h2(endpoint.pool, client.clone());
            tell(Over::Shared);
            Ok(Way::H2(client))
        }
        Err(broken) => {
            view.state.cannot_connect(&endpoint.state);
            tell(Over::Refused(broken.to_string().into()));
            Err(Failure::Reset { endpoint: address, broken, sent: false, lost: None }.into())
        }
    }
}

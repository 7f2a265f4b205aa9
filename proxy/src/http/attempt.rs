//! One try: an endpoint, a connection to it, the head on its way. What can go wrong says whether a retry is safe.

use std::net::SocketAddr;
use std::time::Instant;

use smallvec::SmallVec;
use weft_http1::RequestHead;
use weft_policy::balance::Before;
use weft_policy::breaker::Full;
use weft_policy::outlier::Outcome;
use weft_telemetry::Protocol;

pub use super::failure::Failure;
use super::failure::Most;
use super::hop;
use super::message::Length;
use super::plan::Plan;
use super::reach::{self, Way};
use crate::snapshot::EndpointView;
use crate::upstream::chosen::{Chosen, Counted, InFlight};
use crate::upstream::connect::OriginalSource;
use crate::upstream::nobody;
use crate::upstream::outlier::note;
use crate::upstream::pick::pick;
use crate::upstream::spare::Spare;
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
    /// The client's address, where connections go on under that (TPROXY).
    pub source: Option<OriginalSource>,
    /// Connections that were idle are not trusted: one has just turned out to be closed.
    pub fresh: bool,
    /// When it begins. It looks for a connection in the same moment.
    pub began: Instant,
}

/// Places of endpoints in their cluster. Most requests are tried once or twice.
pub type Places = SmallVec<[usize; 4]>;

/// A try that is on its way.
pub struct Sent {
    /// Its stream.
    pub upstream: Upstream,
    /// Counted as in flight to its endpoint.
    pub in_flight: InFlight,
}

/// Where a request has been tried, by places in the cluster's set.
#[derive(Debug, Default)]
pub struct Been {
    /// In the order of the tries.
    pub places: Places,
    /// Of these, where it had better not go again: all, if the route says so (`previous_hosts`), else those that nothing
    /// could be sent to, or that died.
    pub avoided: Places,
    /// Where a connection is being made for it at the moment.
    pub dialling: Option<Chosen>,
}

impl Been {
    /// Who was tried last has died: it is left alone by the next try, be it the one that a key leads to.
    pub fn has_died(&mut self) {
        if let Some(place) = self.places.last().filter(|place| !self.avoided.contains(place)) {
            self.avoided.push(*place);
        }
    }

    /// The try's time is over. An endpoint to which a connection was still being made has failed it, and is left alone by
    /// the next: else one that takes nobody in would be asked for ever, by each request for as long as it may take.
    pub fn ran_out(&mut self, ask: &Ask<'_>) {
        if let Some(endpoint) = self.dialling.take() {
            self.places.push(endpoint.place());
            self.avoided.push(endpoint.place());
            // The try that would have counted itself has been given up.
            endpoint.state.asked(ask.worker.index);
            let cluster = &ask.plan.cluster;
            cluster.state.cannot_connect(&endpoint.state);
            note(cluster, &endpoint, Outcome::LocalOrigin);
        }
    }
}

/// Picks an endpoint and sends the head to it, better to none where it has been.
///
/// # Errors
/// Nothing of the request was sent then.
pub async fn send(ask: &Ask<'_>, head: &mut RequestHead, been: &mut Been) -> Result<Sent, Box<Failure>> {
    let plan = ask.plan;
    let cluster = &plan.cluster;
    // Before anything is taken or made for it.
    let counted = Counted::of(cluster, ask.worker.index).map_err(|full| overflow(ask, full))?;
    let no_endpoint = |why| Failure::NoEndpoint {
        cluster: cluster.cluster.settings.name.clone(),
        why,
        words: nobody::words(&ask.worker.snapshot(), cluster, why),
    };
    let before = Before {
        tried: &been.places,
        avoided: &been.avoided,
        priorities_after: plan.retry.as_ref().and_then(|retry| retry.avoid_previous_priorities),
    };
    let picked = pick(ask.worker, plan.id, cluster, plan.hash, before, ask.original);
    let mut in_flight = InFlight::to(picked.map_err(no_endpoint)?, ask.worker.index, Some(counted));
    let sent = to_endpoint(ask, &mut in_flight, head, been).await;
    let place = in_flight.endpoint().place();
    been.places.push(place);
    if sent.is_err() || plan.retry.as_ref().is_none_or(|retry| retry.avoid_previous_hosts) {
        been.avoided.push(place);
    }
    if sent.as_ref().is_err_and(|failure| failure.is_endpoints()) {
        in_flight.asked();
        note(cluster, in_flight.endpoint(), Outcome::LocalOrigin);
    }
    Ok(Sent { upstream: sent?, in_flight })
}

async fn to_endpoint(
    ask: &Ask<'_>,
    to: &mut InFlight,
    head: &mut RequestHead,
    been: &mut Been,
) -> Result<Upstream, Box<Failure>> {
    let way = reach::reach(ask, to, head, been).await?;
    if let Err(full) = to.goes() {
        // Others came in while it waited. The connection is of use to them.
        if let Way::H1(spare) = way {
            put_back(ask.worker, ask.plan, to.endpoint(), spare, Instant::now());
        }
        return Err(overflow(ask, full));
    }
    if ask.plan.auto_host {
        follow_host(ask.plan, to.endpoint().place(), head);
    }
    let address = to.endpoint().address;
    let reset = |broken| Box::new(Failure::Reset { endpoint: address, broken, sent: false, lost: None });
    match way {
        Way::H1(spare) => {
            head.version = weft_http1::Version::Http11;
            Upstream::start_h1(spare, head, ask.length).map_err(reset)
        }
        Way::H2(client) => Upstream::start_h2(&client, head, ask.length, ask.scheme).await.map_err(reset),
    }
}

/// A limit of the cluster is reached.
pub(super) fn overflow(ask: &Ask<'_>, full: Full) -> Box<Failure> {
    let cluster = &ask.plan.cluster;
    let places = &cluster.state.places;
    Box::new(Failure::Overflow {
        cluster: cluster.cluster.settings.name.clone(),
        full,
        open: places.open(),
        connections: Most(places.limit()),
    })
}

/// Host becomes the endpoint's name (`auto_host_rewrite`), where it has one.
fn follow_host(plan: &Plan, place: usize, head: &mut RequestHead) {
    let endpoints = &plan.cluster.cluster.endpoints.endpoints;
    if let Some(name) = endpoints.get(place).map(|e| &e.settings.hostname).filter(|name| !name.is_empty()) {
        // A name that is no header value stays out of it: the request goes on under the client's.
        let _ = hop::rewrite_host(head, name);
    }
}

/// Gives a connection back for another request, if the cluster lets it carry one more.
pub fn give_back(worker: &Worker, plan: &Plan, endpoint: &EndpointView, upstream: Upstream, now: Instant) {
    if let Some(spare) = upstream.into_spare() {
        put_back(worker, plan, endpoint, spare, now);
    }
}

fn put_back(worker: &Worker, plan: &Plan, endpoint: &EndpointView, spare: Box<Spare>, now: Instant) {
    let http = &plan.cluster.cluster.settings.http;
    let places = &plan.cluster.state.places;
    let limit = spare.may_idle(http, now);
    let spent = spare.is_spent(http.max_requests_per_connection)
        || limit.is_some_and(|limit| limit.is_zero())
        || places.has_surplus();
    if !spent {
        worker.pools.borrow_mut().put_h1(endpoint.pool, spare, limit, now);
        let waiting = places.waiting();
        if waiting > 0 {
            worker.line(plan.id).came_back(waiting);
        }
    }
}

//! Where a request goes: Envoy's route selection on a compiled [`RouteTable`].
//!
//! Nothing is allocated: a decision borrows from the table. What a rewrite makes of path and host is written by
//! [`rewritten_path`] and [`rewritten_host`] into the caller's buffer, and only when it is asked for.

mod matching;
mod rewrite;

use rand::Rng;
use weft_model::request::RequestView;
use weft_model::route::TlsRequirement;
use weft_model::table::RouteTable;
use weft_model::table::route::{Action, Destination, Forward, Host, Redirect, Route, Target};

use crate::canary;

pub use self::matching::falls_in;
pub(crate) use self::matching::{header_matches, parameter};
pub use self::rewrite::{location, rewritten_host, rewritten_path, tls_location};

/// What is done with a request.
#[derive(Debug, Clone, Copy)]
pub enum Decision<'a> {
    /// It goes to a cluster.
    Forward(Forwarding<'a>),
    /// It is sent elsewhere: [`location`] says where.
    Redirect {
        /// The virtual host.
        host: &'a Host,
        /// The route.
        route: &'a Route,
        /// Its redirect.
        redirect: &'a Redirect,
    },
    /// It is answered in place.
    DirectResponse {
        /// The virtual host.
        host: &'a Host,
        /// The route.
        route: &'a Route,
        /// The status.
        status: u16,
        /// The body.
        body: &'a [u8],
    },
    /// It is sent to https: [`tls_location`] says where; 301.
    TlsRedirect {
        /// The virtual host.
        host: &'a Host,
    },
    /// No virtual host is for it: 404.
    NoHost,
    /// No route of its virtual host is for it: 404.
    NoRoute {
        /// The virtual host.
        host: &'a Host,
    },
    /// The first route that is or may be for it cannot be decided or done: 500.
    Refused {
        /// The virtual host.
        host: &'a Host,
        /// The route.
        route: &'a Route,
        /// In words.
        why: &'a str,
    },
}

impl<'a> Decision<'a> {
    /// The route that takes the request, where one does and can be done.
    pub fn route(&self) -> Option<&'a Route> {
        match self {
            Self::Forward(Forwarding { route, .. })
            | Self::Redirect { route, .. }
            | Self::DirectResponse { route, .. } => Some(route),
            Self::TlsRedirect { .. } | Self::NoHost | Self::NoRoute { .. } | Self::Refused { .. } => None,
        }
    }
}

/// To a cluster.
#[derive(Debug, Clone, Copy)]
pub struct Forwarding<'a> {
    /// The virtual host.
    pub host: &'a Host,
    /// The route.
    pub route: &'a Route,
    /// What it asks for.
    pub forward: &'a Forward,
    /// Which cluster.
    pub to: Choice<'a>,
}

impl Forwarding<'_> {
    /// A request with this key goes where all of that key go, where the route asks for it.
    pub fn stick(&mut self, key: u64) {
        if let (true, Target::Weighted { of, total, .. }) =
            (self.forward.settings.sticky, &self.forward.target)
        {
            self.to = Choice::Cluster(canary::by_key(of, *total, key));
        }
    }
}

/// Which cluster a request goes to.
#[derive(Debug, Clone, Copy)]
pub enum Choice<'a> {
    /// This one.
    Cluster(&'a Destination),
    /// The one whose name the request's header of this name holds.
    NamedByHeader(&'a str),
}

/// Decides where a worker's request goes. `rng` chooses for routes that take only a share.
pub fn route<'a>(
    table: &'a RouteTable,
    request: &impl RequestView,
    worker: usize,
    rng: &mut impl Rng,
) -> Decision<'a> {
    route_at(table, request.authority(), request, worker, rng)
}

/// Decides where a worker's request goes whose virtual host is that of `authority`, whatever the request itself says.
pub fn route_at<'a>(
    table: &'a RouteTable,
    authority: &str,
    request: &impl RequestView,
    worker: usize,
    rng: &mut impl Rng,
) -> Decision<'a> {
    let Some(host) = table.host(authority) else { return Decision::NoHost };
    if wants_tls(host, request) {
        return Decision::TlsRedirect { host };
    }
    let path = weft_model::table::path_alone(request.path());
    for route in host.candidates(path) {
        match matching::matches(route, request, path, rng) {
            Some(false) => {}
            Some(true) => return act(host, route, worker),
            None => return Decision::Refused { host, route, why: matching::why(route) },
        }
    }
    Decision::NoRoute { host }
}

fn wants_tls(host: &Host, request: &impl RequestView) -> bool {
    match host.require_tls {
        TlsRequirement::None => false,
        // Nobody here can tell an internal client from an external one, so that both are sent to https.
        TlsRequirement::All | TlsRequirement::ExternalOnly => !request.scheme().eq_ignore_ascii_case("https"),
    }
}

fn act<'a>(host: &'a Host, route: &'a Route, worker: usize) -> Decision<'a> {
    match &route.action {
        Action::Forward(forward) => {
            let to = match &forward.target {
                Target::Cluster(destination) => Choice::Cluster(destination),
                Target::Header(name) => Choice::NamedByHeader(name),
                Target::Weighted { of, total, turns } => {
                    Choice::Cluster(canary::in_turn(of, *total, turns, worker))
                }
            };
            Decision::Forward(Forwarding { host, route, forward, to })
        }
        Action::Redirect(redirect) => Decision::Redirect { host, route, redirect },
        Action::DirectResponse { status, body } => {
            Decision::DirectResponse { host, route, status: *status, body }
        }
        Action::Refuse(why) => Decision::Refused { host, route, why },
    }
}

#[cfg(test)]
mod tests;

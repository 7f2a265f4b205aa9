//! A compiled route configuration.

use std::sync::Arc;

use crate::route as settings;
use crate::table::affix::Affixes;
use crate::table::cors::Cors;
use crate::table::header::{HeaderMatch, QueryMatch};
use crate::table::kept::Turns;
use crate::table::limit::Limit;
use crate::table::names::ClusterRef;
use crate::table::re2::{Re2, Substitution};
use crate::table::retry::Retry;
use crate::table::template::Template;

/// A compiled route configuration.
#[derive(Debug, Clone)]
pub struct RouteTable {
    /// Its name; empty where it stands in a listener.
    pub name: Arc<str>,
    /// Its virtual hosts.
    pub hosts: Vec<Arc<Host>>,
    /// Applied to every request and response.
    pub headers: settings::HeaderOperations,
    pub(crate) by_domain: Affixes<u32>,
    pub(crate) catch_all: Option<u32>,
    pub(crate) ignore_port: bool,
}

impl RouteTable {
    /// The virtual host of an authority: exact, then longest suffix, then longest prefix, then `*`; letters' case does not count.
    pub fn host(&self, authority: &str) -> Option<&Arc<Host>> {
        let name = if self.ignore_port { without_port(authority) } else { authority };
        let found = self.by_domain.whole(name.as_bytes());
        let found = found.or_else(|| self.by_domain.longest_suffix(name.as_bytes()));
        let found = found.or_else(|| self.by_domain.longest_prefix(name.as_bytes()));
        let place = found.copied().or(self.catch_all)?;
        self.hosts.get(place as usize)
    }
}

/// An authority without its port.
pub fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if is_port(port) && (!host.contains(':') || host.ends_with(']')) => host,
        _ => authority,
    }
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A compiled virtual host.
#[derive(Debug, Clone)]
pub struct Host {
    /// `host:port`, `allow_any`, `inbound|http|80`.
    pub name: Box<str>,
    /// In order; the first match wins.
    pub routes: Vec<Route>,
    /// Applied to every request and response.
    pub headers: settings::HeaderOperations,
    /// Plain HTTP is redirected.
    pub require_tls: settings::TlsRequirement,
    /// Sets `x-envoy-attempt-count` on requests.
    pub include_request_attempt_count: bool,
    pub(crate) index: Option<PathIndex>,
}

impl Host {
    /// The routes that a path can meet, in order. The path is without its query.
    pub fn candidates<'a>(&'a self, path: &str) -> impl Iterator<Item = &'a Route> {
        let mut lists = Lists::new();
        match &self.index {
            None => lists.rest = 0..self.routes.len(),
            Some(index) => {
                lists.push(&index.any);
                index.by_path.each(path.as_bytes(), |_, list| lists.push(list));
            }
        }
        lists.map(|place| &self.routes[place])
    }
}

/// Which routes a path can meet, in lists that rise.
#[derive(Debug, Clone, Default)]
pub(crate) struct PathIndex {
    pub(crate) by_path: Affixes<Vec<u32>>,
    pub(crate) any: Vec<u32>,
}

/// Several rising lists as one.
struct Lists<'a> {
    heads: smallvec::SmallVec<[&'a [u32]; 16]>,
    rest: std::ops::Range<usize>,
}

impl<'a> Lists<'a> {
    fn new() -> Self {
        Self { heads: smallvec::SmallVec::new(), rest: 0..0 }
    }

    fn push(&mut self, list: &'a [u32]) {
        if !list.is_empty() {
            self.heads.push(list);
        }
    }
}

impl Iterator for Lists<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let lowest = self.heads.iter().filter_map(|list| list.first()).min().copied();
        let Some(lowest) = lowest else { return self.rest.next() };
        for list in &mut self.heads {
            if list.first() == Some(&lowest) {
                *list = &list[1..];
            }
        }
        Some(lowest as usize)
    }
}

/// A compiled route.
#[derive(Debug, Clone)]
pub struct Route {
    /// The VirtualService's route name, `default`, `allow_any`.
    pub name: Arc<str>,
    /// How the path is matched.
    pub path: Path,
    /// Headers that must match.
    pub headers: Vec<HeaderMatch>,
    /// Query parameters that must match.
    pub query: Vec<QueryMatch>,
    /// Only gRPC.
    pub grpc: bool,
    /// Only this share of requests.
    pub fraction: Option<settings::Fraction>,
    /// What is done.
    pub action: Action,
    /// Applied to requests and responses.
    pub operations: settings::HeaderOperations,
    /// The VirtualService that it was made from.
    pub config: Box<str>,
    /// The name in traces.
    pub operation: Box<str>,
    /// Fault injection.
    pub fault: Option<settings::Fault>,
    /// CORS.
    pub cors: Option<Cors>,
    /// How many requests it takes.
    pub limit: Option<Limit>,
    /// It has said of itself that nothing is limited, whatever the filter says.
    pub unlimited: bool,
}

/// How a path is matched.
#[derive(Debug, Clone)]
pub enum Path {
    /// It begins so.
    Prefix {
        /// The beginning.
        prefix: Box<str>,
        /// Letters' case does not count.
        ignore_case: bool,
    },
    /// It is this.
    Exact {
        /// The path.
        path: Box<str>,
        /// Letters' case does not count.
        ignore_case: bool,
    },
    /// All of it matches.
    Regex(Re2),
    /// It is this, or begins with this and a slash.
    Separated {
        /// The beginning, without a slash at its end.
        prefix: Box<str>,
        /// Letters' case does not count.
        ignore_case: bool,
    },
    /// A template.
    Template(Box<Template>),
    /// A CONNECT request.
    Connect,
    /// Nothing can match it.
    Never,
    /// It cannot be decided, and why.
    Broken(Box<str>),
}

/// What is done with a matching request.
#[derive(Debug, Clone)]
pub enum Action {
    /// It goes to a cluster.
    Forward(Box<Forward>),
    /// It is sent elsewhere.
    Redirect(Box<Redirect>),
    /// It is answered in place.
    DirectResponse {
        /// The status.
        status: u16,
        /// The body.
        body: Arc<[u8]>,
    },
    /// It is answered with an error, and why.
    Refuse(Box<str>),
}

/// To a cluster.
#[derive(Debug, Clone)]
pub struct Forward {
    /// As it arrived: timeouts, hash policies, upgrades and host rewrite stand here.
    pub settings: settings::Forward,
    /// Where.
    pub target: Target,
    /// The path's matches become something else.
    pub regex_rewrite: Option<Substitution>,
    /// When it is tried again.
    pub retry: Option<Arc<Retry>>,
    /// Copies.
    pub mirrors: Vec<Mirror>,
}

/// Where a request goes.
#[derive(Debug, Clone)]
pub enum Target {
    /// One cluster.
    Cluster(Destination),
    /// One of several.
    Weighted {
        /// They.
        of: Vec<Destination>,
        /// The sum of their weights; above zero.
        total: u64,
        /// Whose turn it is.
        turns: Turns,
    },
    /// The cluster that a header names.
    Header(Box<str>),
}

/// One cluster to go to.
#[derive(Debug, Clone)]
pub struct Destination {
    /// Which.
    pub cluster: ClusterRef,
    /// Its share of the sum.
    pub weight: u32,
    /// Applied to requests and responses that go there.
    pub headers: settings::HeaderOperations,
    /// What Host becomes.
    pub host_rewrite: Option<String>,
}

/// A copy of requests.
#[derive(Debug, Clone)]
pub struct Mirror {
    /// Where it goes.
    pub cluster: ClusterRef,
    /// As it arrived.
    pub settings: settings::Mirror,
}

/// To another URL.
#[derive(Debug, Clone)]
pub struct Redirect {
    /// As it arrived.
    pub settings: settings::Redirect,
    /// The path's matches become something else.
    pub regex: Option<Substitution>,
}

#[cfg(test)]
mod tests;

//! One stream's session on the server: what the client holds, what it should hold, what to send next. Sans-IO.
//!
//! Nothing is queued: a response is derived when it is asked for ([`Session::next_response`]), so that any number of
//! states between two responses costs one. The order of responses is told in [the module above](super).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest};

use super::subscription::Subscription;
use crate::{Protocol, Request, ResourceSet, Resources, type_url};

mod respond;
mod status;

pub use status::{Mark, Refusal, TypeStatus};

/// What one stream may cost, and how many there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Streams of one service.
    pub streams: usize,
    /// Streams of one node and caller; a newer one ends the oldest. Two, since a proxy that lost its network comes back
    /// before its old stream is found dead.
    pub streams_per_node: usize,
    /// How long a new stream may keep its first request to itself.
    pub first_request: Duration,
    /// Bytes of one request.
    pub request_bytes: usize,
    /// Types a stream may ask for.
    pub types: usize,
    /// Names a stream may ask for, or claim to hold, of one type.
    pub names: usize,
    /// Bytes of a name or a type URL.
    pub name_length: usize,
    /// How long an unanswered response may hold back what depends on it.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            streams: 10_000,
            streams_per_node: 2,
            first_request: Duration::from_secs(10),
            request_bytes: 16 << 20,
            types: 32,
            names: 100_000,
            name_length: 4096,
            patience: Duration::from_secs(10),
        }
    }
}

/// A request that ends its stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum Violation {
    #[error("missing node information")]
    NoNode,
    #[error("a request without type_url")]
    NoType,
    #[error("a delta request on a state-of-the-world stream, or the other way round")]
    WrongProtocol,
    #[error("more than {0} resource types on one stream")]
    TooManyTypes(usize),
    #[error("more than {limit} names of {type_url} on one stream")]
    TooManyNames { limit: usize, type_url: String },
    #[error("a name or type URL of more than {0} bytes")]
    NameTooLong(usize),
}

/// A client's answer to a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The type of the response.
    pub type_url: Arc<str>,
    /// The revision of the set that it was made from.
    pub revision: Arc<str>,
    /// Why it was refused; `None` if it is in force.
    pub error: Option<String>,
}

/// The longest reason that is kept of a NACK.
const LONGEST_REASON: usize = 4096;

/// One type of one stream.
#[derive(Debug, Default)]
struct Watched {
    subscription: Subscription,
    sent: Option<Mark>,
    acked: Option<Mark>,
    nacked: Option<Refusal>,
    /// SotW: the nonce last sent; anything but it is stale.
    last_nonce: String,
    /// Delta: whether the first request, which may claim versions and mean everything, is behind us.
    begun: bool,
    /// SotW: whether names were ever given, after which none means none.
    named: bool,
}

/// One stream's state.
#[derive(Debug)]
pub struct Session {
    protocol: Protocol,
    limits: Limits,
    opened: Instant,
    target: Option<Arc<ResourceSet>>,
    /// In push order.
    watched: Vec<(Arc<str>, Watched)>,
    nonces: u64,
    /// Endpoints of clusters that were sent, which the client has not asked for yet, and since when.
    awaited: BTreeSet<String>,
    awaited_since: Instant,
}

impl Session {
    /// The session of a stream that opened at `now`.
    #[must_use]
    pub fn new(protocol: Protocol, limits: Limits, now: Instant) -> Self {
        Self {
            protocol,
            limits,
            opened: now,
            target: None,
            watched: Vec::new(),
            nonces: 0,
            awaited: BTreeSet::new(),
            awaited_since: now,
        }
    }

    /// The state that the client is to have from now on.
    pub fn retarget(&mut self, target: Arc<ResourceSet>) {
        let old = self.target.replace(Arc::clone(&target));
        for (type_url, watched) in &mut self.watched {
            let before = old.as_ref().and_then(|set| set.of(type_url));
            let same = match (before, target.of(type_url)) {
                (Some(before), Some(now)) => Arc::ptr_eq(before, now),
                (None, None) => old.is_some(),
                _ => false,
            };
            watched.subscription.dirty |= !same;
        }
    }

    /// The state that the client is to have; `None` while it is not known.
    #[must_use]
    pub fn target(&self) -> Option<&Arc<ResourceSet>> {
        self.target.as_ref()
    }

    /// Takes a request in; the verdict, if it holds one that is not stale.
    ///
    /// # Errors
    /// If it breaks the protocol or a limit; the stream should end.
    pub fn request(&mut self, request: Request, now: Instant) -> Result<Option<Verdict>, Violation> {
        let type_url = request.type_url();
        if type_url.is_empty() {
            return Err(Violation::NoType);
        }
        let index = match self.watched.iter().position(|(url, _)| **url == *type_url) {
            Some(index) => index,
            None => self.begin(type_url)?,
        };
        match (self.protocol, request) {
            (Protocol::Delta, Request::Delta(request)) => self.delta_request(index, request, now),
            (Protocol::Sotw, Request::Sotw(request)) => self.sotw_request(index, request, now),
            _ => Err(Violation::WrongProtocol),
        }
    }

    fn begin(&mut self, type_url: &str) -> Result<usize, Violation> {
        if self.watched.len() >= self.limits.types {
            return Err(Violation::TooManyTypes(self.limits.types));
        }
        if type_url.len() > self.limits.name_length {
            return Err(Violation::NameTooLong(self.limits.name_length));
        }
        let order = (type_url::rank(type_url), type_url);
        let index = self.watched.partition_point(|(url, _)| (type_url::rank(url), &**url) < order);
        self.watched.insert(index, (type_url.into(), Watched::default()));
        Ok(index)
    }

    fn delta_request(
        &mut self,
        index: usize,
        request: DeltaDiscoveryRequest,
        now: Instant,
    ) -> Result<Option<Verdict>, Violation> {
        let first = !std::mem::replace(&mut self.watched[index].1.begun, true);
        let subscribe = &request.resource_names_subscribe;
        self.check_names(index, subscribe.iter().chain(request.initial_resource_versions.keys()))?;
        let error = request.error_detail.map(|status| status.message);
        let verdict = self.answer(index, &request.response_nonce, error, now);

        let subscription = &mut self.watched[index].1.subscription;
        if first && subscribe.is_empty() {
            subscription.wildcard = true;
            subscription.dirty = true;
        }
        for name in request.resource_names_subscribe {
            if name == "*" {
                subscription.wildcard = true;
                subscription.dirty = true;
            } else {
                subscription.subscribe(name.into());
            }
        }
        if first {
            subscription.owes_first = subscription.wildcard && request.initial_resource_versions.is_empty();
            for (name, version) in request.initial_resource_versions {
                let name: Arc<str> = name.into();
                if !subscription.wildcard {
                    subscription.subscribe(Arc::clone(&name));
                }
                subscription.claim(name, version);
            }
        }
        for name in request.resource_names_unsubscribe {
            if name == "*" {
                subscription.unsubscribe_all();
            } else {
                subscription.unsubscribe(&name);
            }
        }
        self.welcome_awaited(index);
        Ok(verdict)
    }

    fn sotw_request(
        &mut self,
        index: usize,
        request: DiscoveryRequest,
        now: Instant,
    ) -> Result<Option<Verdict>, Violation> {
        let watched = &self.watched[index].1;
        if !request.response_nonce.is_empty() && request.response_nonce != watched.last_nonce {
            // About a response that a newer one has overtaken; the answer to that one repeats the names.
            return Ok(None);
        }
        let first = watched.sent.is_none();
        self.check_names(index, request.resource_names.iter())?;
        let error = request.error_detail.map(|status| status.message);
        let verdict = self.answer(index, &request.response_nonce, error, now);

        let watched = &mut self.watched[index].1;
        let subscription = &mut watched.subscription;
        let named = request.resource_names.iter().any(|name| name != "*");
        let starred = request.resource_names.iter().any(|name| name == "*");
        watched.named |= named;
        let everything = starred || (!named && !watched.named);
        if everything && !subscription.wildcard {
            subscription.wildcard = true;
            subscription.dirty = true;
        }
        let wanted: BTreeSet<&str> =
            request.resource_names.iter().map(String::as_str).filter(|name| *name != "*").collect();
        let dropped: Vec<Arc<str>> =
            subscription.names().iter().filter(|name| !wanted.contains(&***name)).cloned().collect();
        dropped.iter().for_each(|name| subscription.unsubscribe(name));
        for name in wanted {
            if !subscription.names().contains(name) {
                subscription.subscribe(name.into());
            }
        }
        if !everything && subscription.wildcard {
            subscription.unsubscribe_all();
        }
        if first && (subscription.wildcard || !subscription.names().is_empty()) {
            subscription.owes_first = true;
            subscription.dirty = true;
        }
        self.welcome_awaited(index);
        Ok(verdict)
    }

    fn check_names<'a>(
        &self,
        index: usize,
        names: impl Iterator<Item = &'a String>,
    ) -> Result<(), Violation> {
        let (type_url, watched) = &self.watched[index];
        let limit = self.limits.names;
        let mut count = if self.protocol == Protocol::Delta { watched.subscription.names().len() } else { 0 };
        for name in names {
            if name.len() > self.limits.name_length {
                return Err(Violation::NameTooLong(self.limits.name_length));
            }
            count += usize::from(!watched.subscription.names().contains(name.as_str()));
        }
        if count > limit {
            return Err(Violation::TooManyNames { limit, type_url: type_url.to_string() });
        }
        Ok(())
    }

    /// Takes an answer in, unless its nonce is stale.
    fn answer(&mut self, index: usize, nonce: &str, error: Option<String>, now: Instant) -> Option<Verdict> {
        let (type_url, watched) = &mut self.watched[index];
        let subscription = &mut watched.subscription;
        let pending = subscription.pending.as_ref().filter(|pending| pending.nonce == nonce)?;
        let mark = Mark { revision: Arc::clone(&pending.revision), at: now };
        let revision = Arc::clone(&mark.revision);
        let error = error.map(|mut message| {
            message.truncate(message.floor_char_boundary(LONGEST_REASON));
            message
        });
        match &error {
            None => {
                subscription.accepted(self.protocol == Protocol::Sotw);
                watched.acked = Some(mark);
            }
            Some(message) => {
                let divisible = self.protocol == Protocol::Delta || !type_url::full_state(type_url);
                subscription.rejected(divisible);
                if **type_url == *type_url::CLUSTER {
                    // Which clusters came into being is unknown, so nobody may ever ask.
                    self.awaited.clear();
                }
                watched.nacked = Some(Refusal { message: message.clone(), mark });
            }
        }
        Some(Verdict { type_url: Arc::clone(type_url), revision, error })
    }

    /// When [`next_response`](Self::next_response) may answer otherwise although nothing came in.
    #[must_use]
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        if !self.watched.iter().any(|(_, watched)| watched.subscription.dirty) {
            return None;
        }
        let pendings = self.watched.iter().filter_map(|(_, watched)| watched.subscription.pending.as_ref());
        pendings
            .map(|pending| pending.since)
            .chain([self.opened])
            .chain((!self.awaited.is_empty()).then_some(self.awaited_since))
            .map(|since| since + self.limits.patience)
            .filter(|deadline| *deadline > now)
            .min()
    }
}

/// The resources of a type that the set does not speak of.
static NONE: Resources = Resources::new();

fn resources_of<'a>(set: &'a ResourceSet, type_url: &str) -> &'a Resources {
    set.of(type_url).map_or(&NONE, |resources| resources)
}

#[cfg(test)]
mod tests;

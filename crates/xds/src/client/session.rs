//! A client's session: what it wants, what it holds, what it has to say next. Sans-IO.
//!
//! The session outlives its streams: [`Session::connected`] begins a new one, and what is held is told to the server
//! there, so that only differences travel. Requests are not queued but derived when asked for
//! ([`Session::next_request`]), so that any number of changes between two requests costs one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::interest::{Answer, Held, Interest, Verdict};
use super::reading::{Malformed, Reading};
use crate::{Node, Protocol, Request, Resource, Response, type_url};

/// Names one update; unlike its nonce it is unique in the session, so that an answer never meets the wrong stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(u64);

/// News of one type. The application answers each with [`Session::ack`] or [`Session::nack`], in the order of arrival.
#[derive(Debug, Clone)]
pub struct Update {
    /// What the answer must quote.
    pub ticket: Ticket,
    /// The type of everything within.
    pub type_url: Arc<str>,
    /// New and changed resources. What the application has accepted before in the same bytes is left out. An update
    /// that waited in a queue may bring names that were unsubscribed meanwhile: they are to be ignored.
    pub updated: Vec<Resource>,
    /// Names that are gone, or do not exist although they were asked for.
    pub removed: Vec<Arc<str>>,
    /// How many resources came again unchanged.
    pub unchanged: usize,
    /// The server's name for the response, for people.
    pub nonce: String,
    /// The server's name for the state that it is from, for people; may be empty.
    pub version: String,
}

/// The longest reason that a NACK carries.
const LONGEST_REASON: usize = 16 * 1024;

/// The most resources of one type that a client holds.
const MOST_RESOURCES: usize = 1_000_000;

/// One client's side of one ADS conversation, over as many streams as it takes.
#[derive(Debug)]
pub struct Session {
    protocol: Protocol,
    node: Node,
    /// Keyed so that requests leave in push order.
    interests: BTreeMap<(u8, Arc<str>), Interest>,
    greeted: bool,
    stream: u64,
    tickets: u64,
    open: HashMap<Ticket, Open>,
}

/// An update whose answer is awaited.
#[derive(Debug)]
struct Open {
    type_url: Arc<str>,
    stream: u64,
    nonce: String,
    version: String,
    names: Vec<Arc<str>>,
}

impl Session {
    /// A session that has not spoken yet. Subscribe, then [`connected`](Self::connected).
    #[must_use]
    pub fn new(node: Node, protocol: Protocol) -> Self {
        Self {
            protocol,
            node,
            interests: BTreeMap::new(),
            greeted: false,
            stream: 0,
            tickets: 0,
            open: HashMap::new(),
        }
    }

    /// Wants every resource of the type that the server sees fit for this node.
    pub fn subscribe_all(&mut self, type_url: &str) {
        let interest = self.interest(type_url);
        if !interest.wildcard {
            interest.set_wildcard();
        }
    }

    /// Wants these resources too.
    pub fn subscribe<N: Into<Arc<str>>>(&mut self, type_url: &str, names: impl IntoIterator<Item = N>) {
        let interest = self.interest(type_url);
        names.into_iter().for_each(|name| interest.add(name.into()));
    }

    /// Wants these resources no longer; what is held of them is forgotten, without an event.
    pub fn unsubscribe<N: AsRef<str>>(&mut self, type_url: &str, names: impl IntoIterator<Item = N>) {
        let interest = self.interest(type_url);
        names.into_iter().for_each(|name| interest.drop_name(name.as_ref()));
    }

    /// Wants exactly these resources: subscribes what is new, unsubscribes the rest.
    pub fn subscribe_only<N: Into<Arc<str>>>(&mut self, type_url: &str, names: impl IntoIterator<Item = N>) {
        let wanted: std::collections::BTreeSet<Arc<str>> = names.into_iter().map(Into::into).collect();
        let interest = self.interest(type_url);
        let dropped: Vec<Arc<str>> = interest.names.difference(&wanted).cloned().collect();
        dropped.iter().for_each(|name| interest.drop_name(name));
        wanted.into_iter().for_each(|name| interest.add(name));
    }

    /// A new stream is open and everything must be said again. Returns its number.
    pub fn connected(&mut self) -> u64 {
        self.stream += 1;
        self.greeted = false;
        self.interests.values_mut().for_each(Interest::reset);
        self.stream
    }

    /// The number of the present stream; zero before the first.
    #[must_use]
    pub fn stream(&self) -> u64 {
        self.stream
    }

    /// The variant that this session speaks.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Updates that the application has not answered yet.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.open.len()
    }

    /// Takes a response in. `None` if it brings nothing new (it is answered already) or nobody asked for its type.
    ///
    /// # Errors
    /// If it is refused as a whole; the server is told by itself, the error is for the log.
    pub fn receive(&mut self, response: Response) -> Result<Option<Update>, Malformed> {
        let key = key(response.type_url());
        let sotw = self.protocol == Protocol::Sotw;
        let nonce = response.nonce().to_owned();
        let Some(interest) = self.interests.get_mut(&key) else { return Ok(None) };
        let (_, type_url) = key;
        interest.arrived(&nonce);
        let reading = Reading::of(response).and_then(|reading| {
            // Counts repetitions twice: the limit is a fuse, not a measure.
            match interest.held.len() + reading.resources.len() <= MOST_RESOURCES {
                true => Ok(reading),
                false => Err(Malformed::TooMany { limit: MOST_RESOURCES, type_url: type_url.to_string() }),
            }
        });
        let reading = match reading {
            Ok(reading) => reading,
            Err(malformed) => {
                interest.answer(Answer { nonce, error: Some(malformed.to_string()) }, sotw);
                return Err(malformed);
            }
        };

        let ticket = Ticket(self.tickets);
        let removed = removals(interest, &reading, sotw && type_url::full_state(&type_url));
        let (updated, unchanged) = news(interest, reading.resources, ticket);
        let first = !std::mem::replace(&mut interest.seen, true);
        if updated.is_empty() && removed.is_empty() && !first {
            interest.accepted = reading.version;
            interest.answer(Answer { nonce, error: None }, sotw);
            return Ok(None);
        }
        self.tickets += 1;
        self.open.insert(
            ticket,
            Open {
                type_url: Arc::clone(&type_url),
                stream: self.stream,
                nonce: nonce.clone(),
                version: reading.version.clone(),
                names: updated.iter().map(|r| Arc::clone(&r.name)).collect(),
            },
        );
        Ok(Some(Update { ticket, type_url, updated, removed, unchanged, nonce, version: reading.version }))
    }

    /// The update is in force.
    pub fn ack(&mut self, ticket: Ticket) {
        self.answer(ticket, None);
    }

    /// The update was refused, wholly or in part; `reason` names the resources and says why.
    pub fn nack(&mut self, ticket: Ticket, reason: &str) {
        let end = reason.floor_char_boundary(LONGEST_REASON);
        let reason = if reason.is_empty() { "refused, no reason given" } else { &reason[..end] };
        self.answer(ticket, Some(reason.to_owned()));
    }

    fn answer(&mut self, ticket: Ticket, error: Option<String>) {
        let Some(open) = self.open.remove(&ticket) else { return };
        let (sotw, stream) = (self.protocol == Protocol::Sotw, self.stream);
        let interest = self.interest(&open.type_url);
        let verdict = if error.is_none() { Verdict::Accepted } else { Verdict::Refused };
        for name in &open.names {
            if let Some(held) = interest.held.get_mut(name)
                && held.verdict == Verdict::Open(ticket)
            {
                held.verdict = verdict;
            }
        }
        if open.stream == stream {
            if error.is_none() {
                interest.accepted = open.version;
            }
            interest.answer(Answer { nonce: open.nonce, error }, sotw);
        }
    }

    /// What to send next on the present stream; `None` until something changes.
    pub fn next_request(&mut self) -> Option<Request> {
        if self.stream == 0 {
            return None;
        }
        let protocol = self.protocol;
        // What is newly wanted leaves before what is answered: the server may act on an acknowledged cluster at once,
        // and should know by then that its endpoints are wanted.
        let mut request = [true, false].into_iter().find_map(|news_first| {
            let interests = self.interests.iter_mut();
            let mut turn = interests.filter(|(_, interest)| interest.has_news() == news_first);
            turn.find_map(|((_, type_url), interest)| match protocol {
                Protocol::Delta => interest.next_delta().map(|mut request| {
                    request.type_url = type_url.to_string();
                    Request::Delta(request)
                }),
                Protocol::Sotw => interest.next_sotw().map(|mut request| {
                    request.type_url = type_url.to_string();
                    Request::Sotw(request)
                }),
            })
        })?;
        if !std::mem::replace(&mut self.greeted, true) {
            let node = Some(self.node.clone());
            match &mut request {
                Request::Delta(request) => request.node = node,
                Request::Sotw(request) => request.node = node,
            }
        }
        Some(request)
    }

    fn interest(&mut self, type_url: &str) -> &mut Interest {
        self.interests.entry(key(type_url)).or_default()
    }
}

fn key(type_url: &str) -> (u8, Arc<str>) {
    (type_url::rank(type_url), type_url.into())
}

/// Takes out of `held` what the response says is gone, and names it.
fn removals(interest: &mut Interest, reading: &Reading, absence_is_removal: bool) -> Vec<Arc<str>> {
    let mut removed = Vec::new();
    for name in &reading.removed {
        if reading.resources.contains_key(name.as_str()) {
            continue;
        }
        let held = interest.held.remove_entry(name.as_str()).map(|(name, _)| name);
        // Asked for and not held: the news is that it does not exist.
        let name = held.or_else(|| interest.names.get(name.as_str()).cloned());
        removed.extend(name);
    }
    if absence_is_removal {
        let gone: Vec<_> =
            interest.held.keys().filter(|name| !reading.resources.contains_key(*name)).cloned().collect();
        for name in gone {
            interest.held.remove(&name);
            removed.push(name);
        }
    }
    removed
}

/// Puts into `held` what the response brings, and tells news from repetitions.
fn news(
    interest: &mut Interest,
    resources: BTreeMap<Arc<str>, Resource>,
    ticket: Ticket,
) -> (Vec<Resource>, usize) {
    let mut updated = Vec::new();
    let mut unchanged = 0;
    for (name, resource) in resources {
        if !interest.wants(&name) {
            continue;
        }
        let (version, digest) = (Arc::clone(&resource.version), resource.digest());
        match interest.held.get_mut(&name) {
            Some(held) if held.verdict == Verdict::Accepted && held.digest == digest => {
                held.version = version;
                unchanged += 1;
            }
            _ => {
                interest.held.insert(name, Held { version, digest, verdict: Verdict::Open(ticket) });
                updated.push(resource);
            }
        }
    }
    (updated, unchanged)
}

#[cfg(test)]
mod tests;

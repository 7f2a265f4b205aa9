//! One request as its two sidecars saw it: their accounts are joined, so that it is told once, with the reason that
//! only one of them knows.

use super::entry::{Entry, Outcome, Side};
use super::names::Names;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;
use time::OffsetDateTime;

/// Accounts that end further apart than this are not of one request.
const APART: Duration = Duration::from_secs(2);

/// One sidecar's account.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Account {
    /// The pod whose sidecar it is.
    pub(super) owner: String,
    pub(super) entry: Entry,
    /// The line, as it was written.
    pub(super) line: String,
}

/// A request or a TCP connection.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Request {
    pub(super) started: OffsetDateTime,
    pub(super) caller: String,
    pub(super) callee: String,
    /// What it is, where it is none of those that the caller's sidecar tells of.
    beside: Option<&'static str>,
    /// What the caller's sidecar wrote.
    pub(super) at_caller: Option<Account>,
    /// What the callee's sidecar wrote.
    pub(super) at_callee: Option<Account>,
}

impl Request {
    /// What the caller's sidecar says before what the callee's does: it knows what the caller got.
    pub(super) fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.at_caller.iter().chain(&self.at_callee)
    }

    /// The worse of what the two saw.
    pub(super) fn outcome(&self) -> Outcome {
        self.accounts().map(|account| account.entry.outcome()).max().unwrap_or(Outcome::Fine)
    }

    /// What it is, where it is not what an app asked its sidecar for.
    pub(super) fn is_else(&self) -> Option<&'static str> {
        let mut entries = self.accounts().map(|account| &account.entry);
        if entries.any(Entry::is_a_health_check) { Some("a health check") } else { self.beside }
    }

    fn id(&self) -> Option<String> {
        self.accounts().find_map(|account| account.entry.request_id.clone())
    }

    fn lacks(&self, side: Side) -> bool {
        match side {
            Side::Caller => self.at_caller.is_none(),
            Side::Callee => self.at_callee.is_none(),
        }
    }

    fn ended(&self) -> OffsetDateTime {
        let longest = self.accounts().map(|account| account.entry.duration).max();
        self.started + Duration::from_millis(longest.unwrap_or_default())
    }
}

type Key = (Option<String>, String, String);

/// As many calls are remembered of those that were shown, to tell copies of them.
const MOST_CALLS: usize = 10_000;

/// Requests, of which one account may still be missing.
#[derive(Debug)]
pub(super) struct Join {
    names: Names,
    requests: Vec<Request>,
    /// Those in `requests` that lack an account.
    halves: HashMap<Key, Vec<usize>>,
    /// What callers' sidecars tell, by `x-request-id` and caller.
    calls: HashMap<(Option<String>, String), Calls>,
}

/// The calls of one caller that have one `x-request-id`.
#[derive(Debug, Default)]
struct Calls {
    callees: BTreeSet<String>,
    /// One of them was tried more than once.
    tried_again: bool,
}

impl Join {
    pub(super) fn new(names: Names) -> Self {
        Self { names, requests: Vec::new(), halves: HashMap::new(), calls: HashMap::new() }
    }

    /// Those that were taken so far.
    pub(super) fn requests(&self) -> impl Iterator<Item = &Request> {
        self.requests.iter()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    /// Takes a line of `owner`'s access log; false if it is not in weft's own format.
    pub(super) fn add(&mut self, owner: &str, line: &str) -> bool {
        let Some((entry, side, started)) = Entry::read(line) else { return false };
        let (caller, callee) = self.names.ends(owner, side, &entry);
        if side == Side::Caller {
            let calls = self.calls.entry((entry.request_id.clone(), caller.clone())).or_default();
            calls.callees.insert(callee.clone());
            calls.tried_again |= entry.attempts.is_none_or(|tries| tries > 1);
        }
        let key: Key = (entry.request_id.clone(), caller.clone(), callee.clone());
        let ended = started + Duration::from_millis(entry.duration);
        let account = Account { owner: owner.to_owned(), entry, line: line.to_owned() };
        let halves = self.halves.entry(key).or_default();
        let fits = |at: &usize| {
            let other = self.requests.get(*at);
            other.is_some_and(|other| other.lacks(side) && (other.ended() - ended).abs() <= APART)
        };
        if let Some(place) = halves.iter().position(fits)
            && let Some(request) = self.requests.get_mut(halves.remove(place))
        {
            // The callee hears of it later than the caller began it.
            request.started = request.started.min(started);
            match side {
                Side::Caller => request.at_caller = Some(account),
                Side::Callee => request.at_callee = Some(account),
            }
            return true;
        }
        halves.push(self.requests.len());
        let (at_caller, at_callee) = match side {
            Side::Caller => (Some(account), None),
            Side::Callee => (None, Some(account)),
        };
        self.requests.push(Request { started, caller, callee, beside: None, at_caller, at_callee });
        true
    }

    /// The oldest requests but `keep`, by their start.
    pub(super) fn take_but(&mut self, keep: usize) -> Vec<Request> {
        self.requests.sort_by_key(|request| request.started);
        let rest = self.requests.split_off(self.requests.len().saturating_sub(keep));
        let mut taken = std::mem::replace(&mut self.requests, rest);
        self.index();
        self.tell_others(&mut taken);
        for request in &taken {
            self.calls.remove(&(request.id(), request.caller.clone()));
        }
        taken
    }

    /// Those that are whole, and those that were there before at least two calls: nobody will complete them.
    pub(super) fn take_settled(&mut self, waited: &mut usize) -> Vec<Request> {
        let (mut settled, mut rest) = (Vec::new(), Vec::new());
        for (nth, request) in std::mem::take(&mut self.requests).into_iter().enumerate() {
            let is_whole = request.at_caller.is_some() && request.at_callee.is_some();
            if is_whole || nth < *waited { settled.push(request) } else { rest.push(request) }
        }
        *waited = rest.len();
        self.requests = rest;
        self.index();
        settled.sort_by_key(|request| request.started);
        self.tell_others(&mut settled);
        if self.calls.len() > MOST_CALLS {
            self.calls.clear();
        }
        settled
    }

    /// A sidecar writes of what its app asks for, and not of the copies that it sends, which have the same `x-request-id`: so
    /// what another callee alone tells of is one if it came from a sidecar; else the app may have sent it around its own. Of a
    /// call that was tried again each callee that was tried may tell.
    fn tell_others(&self, requests: &mut [Request]) {
        for request in requests.iter_mut().filter(|request| request.at_caller.is_none()) {
            let calls = request.id().and_then(|id| self.calls.get(&(Some(id), request.caller.clone())));
            let calls = calls.filter(|calls| !calls.tried_again && !calls.callees.contains(&request.callee));
            let from_a_sidecar = request.accounts().any(|account| account.entry.is_from_a_sidecar());
            request.beside = calls.map(|_| match from_a_sidecar {
                true => "a mirrored copy",
                false => "a copy, or sent around the sidecar",
            });
        }
    }

    fn index(&mut self) {
        self.halves.clear();
        for (at, request) in self.requests.iter().enumerate() {
            if request.at_caller.is_some() && request.at_callee.is_some() {
                continue;
            }
            let key = (request.id(), request.caller.clone(), request.callee.clone());
            self.halves.entry(key).or_default().push(at);
        }
    }
}

#[cfg(test)]
mod tests;

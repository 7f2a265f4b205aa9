//! A request as one line for people: when, who called whom, what, how it went, how long it took, and why.

use super::entry::{Entry, Outcome};
use super::request::Request;
use std::fmt::Write;

/// Columns do not grow beyond this; what is longer stands out of its column, whole.
const WIDEST: usize = 44;

/// Writes lines whose columns are as wide as what was in them so far.
#[derive(Debug, Default)]
pub(super) struct Lines {
    colour: bool,
    calls: usize,
    whats: usize,
}

/// What a colour is for.
#[derive(Debug, Clone, Copy)]
enum Tint {
    Time,
    Good,
    Odd,
    Bad,
}

impl Lines {
    pub(super) fn new(colour: bool) -> Self {
        Self { colour, ..Self::default() }
    }

    /// Makes room for what is to come, so that its first line is aligned with its last.
    pub(super) fn make_room(&mut self, requests: &[Request]) {
        let (mut calls, mut whats) = (self.calls, self.whats);
        let fitting =
            |text: &str| Some(text.chars().count()).filter(|width| *width <= WIDEST).unwrap_or_default();
        for request in requests {
            calls = calls.max(fitting(&call(request)));
            whats = whats.max(fitting(&what(request)));
        }
        (self.calls, self.whats) = (calls, whats);
    }

    /// The line of `request`.
    pub(super) fn line(&mut self, request: &Request) -> String {
        self.make_room(std::slice::from_ref(request));
        let time = request.started.time();
        let time =
            format!("{:02}:{:02}:{:02}.{:03}", time.hour(), time.minute(), time.second(), time.millisecond());
        let status = status(request);
        let tint = match request.outcome() {
            Outcome::Denied | Outcome::Failed => Tint::Bad,
            Outcome::Fine if status.starts_with(['3', '4']) => Tint::Odd,
            Outcome::Fine => Tint::Good,
        };
        let took = request.accounts().next().map(|account| account.entry.duration).unwrap_or_default();
        let mut line = format!(
            "{}  {:calls$}  {:whats$}  {}  {:>9}",
            self.tinted(Tint::Time, &time),
            call(request),
            what(request),
            self.tinted(tint, &format!("{status:>3}")),
            duration(took),
            calls = self.calls,
            whats = self.whats,
        );
        if let Some(why) = why(request) {
            let why = if request.outcome() == Outcome::Fine { self.tinted(Tint::Time, &why) } else { why };
            let _ = write!(line, "  {why}");
        }
        line
    }

    fn tinted(&self, tint: Tint, text: &str) -> String {
        let code = match tint {
            Tint::Time => "2",
            Tint::Good => "32",
            Tint::Odd => "33",
            Tint::Bad => "1;31",
        };
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn call(request: &Request) -> String {
    printable(&format!("{} -> {}", request.caller, request.callee))
}

fn what(request: &Request) -> String {
    let Some(entry) = request.accounts().next().map(|account| &account.entry) else { return String::new() };
    if !entry.is_tcp() {
        let word = |of: &Option<String>| of.clone().unwrap_or_else(|| "?".to_owned());
        // CONNECT names no path.
        let target = entry.path.as_ref().or(entry.authority.as_ref());
        let what_else = request.is_else().map(|what| format!(" ({what})")).unwrap_or_default();
        let target = target.map_or("?", String::as_str);
        return printable(&format!("{} {target}{what_else}", word(&entry.method)));
    }
    let port = entry.port().map(|port| format!(" :{port}")).unwrap_or_default();
    format!("TCP{port}, {} B sent, {} B received", entry.bytes_received, entry.bytes_sent)
}

fn status(request: &Request) -> String {
    let entry = request.accounts().next().map(|account| &account.entry);
    match entry {
        Some(entry) if !entry.is_tcp() => match (entry.status(), entry.grpc_status) {
            (Some(code), Some(grpc)) if grpc != 0 => format!("{code} grpc-status {grpc}"),
            (Some(code), _) => code.to_string(),
            (None, _) => "---".to_owned(),
        },
        _ if request.outcome() == Outcome::Fine => "ok".to_owned(),
        _ => "cut".to_owned(),
    }
}

fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0..10_000 => format!("{milliseconds} ms"),
        _ => format!("{}.{} s", milliseconds / 1000, milliseconds / 100 % 10),
    }
}

/// What is to be said beyond the status: whose doing it was, why, and by which policy.
fn why(request: &Request) -> Option<String> {
    let outcome = request.outcome();
    // Who saw the trouble knows the reason; of two the callee's sidecar is closer to it. But where its client went away, the
    // client knows better: it may have had its answer, and have tried again.
    let at_callee = request.at_callee.as_ref();
    let at_callee = at_callee.filter(|account| request.at_caller.is_none() || !account.entry.was_left());
    let witness = at_callee
        .into_iter()
        .chain(&request.at_caller)
        .find(|account| account.entry.outcome() == outcome && !account.entry.came_from_upstream());
    let tries =
        request.at_caller.as_ref().and_then(|account| account.entry.attempts).filter(|tries| *tries > 1);
    let mut text = match (outcome, witness) {
        (Outcome::Fine, _) => {
            let allowed = || request.at_callee.as_ref().and_then(allowed_by);
            not_by_the_apps(request).or_else(allowed).unwrap_or_default()
        }
        (Outcome::Denied, Some(account)) => {
            let why = account.entry.why().unwrap_or_else(|| "no reason was given".to_owned());
            format!("denied by the sidecar of {}: {}", account.owner, said(&why, &account.entry))
        }
        (_, Some(account)) => {
            let why = account.entry.why().unwrap_or_else(|| "no reason was given".to_owned());
            format!("failed at the sidecar of {}: {}", account.owner, policies(&why))
        }
        (_, None) => format!("the app of {} answered so", request.callee),
    };
    if let Some(tries) = tries {
        let _ = write!(text, "{}{tries} tries", if text.is_empty() { "" } else { "; " });
    }
    (!text.is_empty()).then(|| printable(&text))
}

/// Why it was answered with an error, whoever's doing that was.
pub(super) fn why_an_error(request: &Request) -> Option<String> {
    if request.outcome() != Outcome::Fine {
        return why(request);
    }
    let answered = || match &request.at_callee {
        Some(_) => format!("the app of {} answered so", request.callee),
        None => format!("{} answered so", request.callee),
    };
    Some(not_by_the_apps(request).map_or_else(|| printable(&answered()), |why| printable(&why)))
}

/// What went otherwise than an app meant it, though nothing failed by the metrics: a request that a sidecar answered
/// itself or held up, or one that was broken off. It is the caller's doing, so the caller's sidecar is closer to it.
fn not_by_the_apps(request: &Request) -> Option<String> {
    let odd = |entry: &Entry| !entry.is_the_apps() || entry.was_held_up();
    request.accounts().filter(|account| odd(&account.entry)).find_map(|account| {
        let why = account.entry.why()?;
        Some(format!("at the sidecar of {}: {}", account.owner, policies(&why)))
    })
}

fn allowed_by(account: &super::request::Account) -> Option<String> {
    let policy = account.entry.policy.as_deref().filter(|policy| *policy != "none")?;
    Some(format!("allowed by {}", policies(policy)))
}

/// The reason, and the policy where the reason does not name it.
fn said(why: &str, entry: &Entry) -> String {
    match entry.policy.as_deref() {
        Some(policy) if policy != "none" && !why.contains(policy) => {
            format!("{} ({})", policies(why), policies(policy))
        }
        _ => policies(why),
    }
}

/// `ns[shop]-policy[carts]-rule[0]`, Istio's name of a rule, as people say it: `AuthorizationPolicy shop/carts rule 0`.
fn policies(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("ns[") {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let parts = (|| {
            let (namespace, after) = from.strip_prefix("ns[")?.split_once("]-policy[")?;
            let (name, after) = after.split_once("]-rule[")?;
            let (rule, after) = after.split_once(']')?;
            Some((namespace, name, rule, after))
        })();
        let Some((namespace, name, rule, after)) = parts else {
            out.push_str(from);
            return out;
        };
        let _ = write!(out, "AuthorizationPolicy {namespace}/{name} rule {rule}");
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Without what could move a terminal's cursor: paths come from strangers.
pub(super) fn printable(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests;

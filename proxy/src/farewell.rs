//! The end of a sidecar: it goes on taking connections, for peers send until they have learned of it, but asks them to
//! go; and it lives as long as its app does, whose last words still need a way out.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use weft_runtime::signals::Signals;

use crate::listeners::Listeners;

/// How often it is looked whether somebody is still there.
const LOOK: Duration = Duration::from_millis(50);
/// Ports of the sidecar itself, or of what stands beside it in the same container.
const OWN: [u16; 8] = [15000, 15001, 15004, 15006, 15020, 15021, 15053, 15090];

/// How long an end takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// So long even where nobody is seen: peers have not heard of it yet, and an app that listens nowhere may call others.
    pub least: Duration,
    /// So long whoever is there.
    pub most: Duration,
}

/// Drains until nothing is in flight and, where `with_app`, the app listens nowhere any more; for as long as `span` says, and
/// until the next signal.
pub async fn farewell(listeners: &Mutex<Listeners>, with_app: bool, span: Span, signals: &mut Signals) {
    let listeners = || listeners.lock().unwrap_or_else(PoisonError::into_inner);
    listeners().drain();
    let began = Instant::now();
    while began.elapsed() < span.most {
        let seen = || listeners().active() > 0 || (with_app && app_listens(&listeners().ports()));
        if !span.goes_on(began.elapsed(), seen) {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = signals.next() => return,
        }
    }
    tracing::info!(limit = ?span.most, "the time to drain is over; what is still open is cut");
}

impl Span {
    /// Whether it is too early to go after so long a time, for somebody's sake who is seen or may be there.
    fn goes_on(self, after: Duration, seen: impl FnOnce() -> bool) -> bool {
        after < self.most && (after < self.least || seen())
    }
}

/// Whether anybody but the sidecar listens in this pod.
fn app_listens(own: &BTreeSet<u16>) -> bool {
    let table = |path| std::fs::read_to_string(path).unwrap_or_default();
    let tables = [table("/proc/net/tcp"), table("/proc/net/tcp6")];
    tables.iter().flat_map(|table| listening(table)).any(|port| !OWN.contains(&port) && !own.contains(&port))
}

/// The ports that somebody listens on, by a table of the kernel's.
fn listening(table: &str) -> impl Iterator<Item = u16> + '_ {
    table.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (local, state) = (fields.next()?, fields.nth(1)?);
        let port = local.rsplit(':').next()?;
        (state == "0A").then(|| u16::from_str_radix(port, 16).ok())?
    })
}

#[cfg(test)]
mod tests;

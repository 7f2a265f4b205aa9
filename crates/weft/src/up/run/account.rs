//! What other commands are to tell of this mesh, and only `weft up` knows: who is not ready, whose processes end again and again,
//! what the files were warned of.

use super::Up;
use crate::run_directory::{ACCOUNT, Account, Waiting};
use crate::supervisor::Event;
use crate::up::ready::{self, Key, Progress};
use std::time::{Duration, Instant};

/// Whoever has run for so long is not failing.
const STABLE: Duration = Duration::from_secs(60);

/// A pod's processes that ended by themselves.
#[derive(Debug)]
pub(super) struct Ends {
    at: Instant,
    times: u32,
    /// How the last one did.
    how: String,
    /// Whose log tells more.
    log: String,
}

impl Ends {
    /// The next after `before`.
    fn after(before: Option<&Self>, at: Instant, how: String, log: String) -> Self {
        let goes_on = before.filter(|before| at.duration_since(before.at) < STABLE);
        Self { at, times: goes_on.map_or(1, |before| before.times.saturating_add(1)), how, log }
    }

    fn said(&self) -> String {
        let times = if self.times > 1 { format!(", {} times by now", self.times) } else { String::new() };
        format!("{}{times} (weft logs {})", self.how, self.log)
    }
}

impl Up {
    /// Notes that a process of that pod ended, or could not be started.
    pub(super) fn has_ended(&mut self, key: &Key, event: &Event) {
        let (name, how) = match event {
            Event::Ended { name, how, .. } => (name, how.clone()),
            Event::NotStarted { name, error, .. } => (name, format!("cannot be started: {error}")),
            Event::Started { .. } => return,
        };
        let which = if name.starts_with("app ") { "app" } else { "sidecar" };
        let (how, log) = (format!("its {which} {how}"), format!("{} --of {which}", key.1));
        let of_pod = self.ends.entry(key.clone()).or_default();
        let next = Ends::after(of_pod.get(which), Instant::now(), how, log);
        of_pod.insert(which, next);
    }

    /// Writes down who is not ready and what was warned of, where that is something new.
    pub(super) fn keep_account(&mut self, waiting: &[(Key, Progress)]) {
        self.ends.retain(|_, of_pod| {
            of_pod.retain(|_, ends| ends.at.elapsed() < STABLE);
            !of_pod.is_empty()
        });
        let is_there =
            |key: &Key| !self.ready.contains(key) && self.plan.pods.iter().any(|pod| ready::key(pod) == *key);
        let of = |(key, progress): &(Key, Progress)| {
            let why = ready::reason(progress).filter(|_| is_there(key))?;
            let ends = self.ends.get(key).and_then(|of_pod| of_pod.values().max_by_key(|ends| ends.at));
            Some(Waiting {
                namespace: key.0.clone(),
                name: key.1.clone(),
                why: ends.map_or(why, Ends::said),
                fails: ends.is_some(),
            })
        };
        let account = Account {
            waiting: waiting.iter().filter_map(of).collect(),
            warnings: self.report.warnings().to_vec(),
            refused: self.report.refusal().map(str::to_owned),
        };
        if account == self.account {
            return;
        }
        let written = serde_json::to_vec(&account)
            .map_err(anyhow::Error::from)
            .and_then(|account| self.write(ACCOUNT, &account));
        if self.or_say(written).is_some() {
            self.account = account;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_counted_as_long_as_they_follow_each_other() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let next =
            |before, seconds, how: &str| Ends::after(before, at(seconds), how.into(), "a-1 --of app".into());
        let first = next(None, 0, "its app ended with status 1");
        assert_eq!(first.said(), "its app ended with status 1 (weft logs a-1 --of app)");
        let second = next(Some(&first), 59, "its app ended with status 2");
        assert_eq!(second.said(), "its app ended with status 2, 2 times by now (weft logs a-1 --of app)");
        assert_eq!(next(Some(&second), 119, "").times, 1);
    }
}

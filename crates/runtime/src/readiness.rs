//! Readiness: named conditions, and in words what is still missing.
//!
//! A process is ready when every condition that was announced is met, and not before the first was announced:
//! readiness that answers "yes" because nobody has begun would be a lie.

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

type Conditions = Vec<(Arc<str>, Option<Arc<str>>)>;

/// The conditions of one process; cheap to clone.
#[derive(Debug, Clone)]
pub struct Readiness {
    conditions: Arc<watch::Sender<Conditions>>,
}

/// The handle of whoever brings one condition about. Dropping it leaves the condition as it is.
#[derive(Debug)]
pub struct Condition {
    name: Arc<str>,
    conditions: Arc<watch::Sender<Conditions>>,
}

/// What readiness amounts to now; its text is what a person reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadinessState {
    /// Every condition is met.
    Ready,
    /// No condition was announced yet.
    NotBegun,
    /// These conditions are not met: name, and what they wait for.
    Waiting(Vec<(Arc<str>, Arc<str>)>),
}

impl Readiness {
    /// Readiness without conditions, which is not ready.
    pub fn new() -> Self {
        Self { conditions: Arc::new(watch::Sender::new(Vec::new())) }
    }

    /// Announces a condition that is not met, with what it waits for ("waiting for the first answer of the
    /// control plane"). A name that was announced before is taken over.
    pub fn expect(&self, name: &str, waiting_for: &str) -> Condition {
        let condition = Condition { name: name.into(), conditions: Arc::clone(&self.conditions) };
        condition.unmet(waiting_for);
        condition
    }

    /// What is the matter now.
    pub fn state(&self) -> ReadinessState {
        state_of(&self.conditions.borrow())
    }

    /// Whether every condition is met now.
    pub fn is_ready(&self) -> bool {
        self.state() == ReadinessState::Ready
    }

    /// Waits until every condition is met.
    pub async fn ready(&self) {
        let mut conditions = self.conditions.subscribe();
        // The sender lives in `self`, so the channel cannot close.
        let _ = conditions.wait_for(|conditions| state_of(conditions) == ReadinessState::Ready).await;
    }

    /// Waits until each of the conditions of these names is announced and met, whatever the others are.
    pub async fn met(&self, names: &[&str]) {
        let mut conditions = self.conditions.subscribe();
        let is_met =
            |name: &&str, all: &Conditions| all.iter().any(|(of, waits)| **of == **name && waits.is_none());
        let _ = conditions.wait_for(|all| names.iter().all(|name| is_met(name, all))).await;
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

impl Condition {
    /// The condition is met.
    pub fn met(&self) {
        self.set(None);
    }

    /// The condition is not met, or not any more, and why.
    pub fn unmet(&self, waiting_for: &str) {
        self.set(Some(waiting_for.into()));
    }

    /// Whether it is met now.
    pub fn is_met(&self) -> bool {
        self.conditions.borrow().iter().any(|(name, waits)| *name == self.name && waits.is_none())
    }

    fn set(&self, waiting_for: Option<Arc<str>>) {
        self.conditions.send_if_modified(|conditions| {
            match conditions.iter_mut().find(|(name, _)| *name == self.name) {
                Some((_, now)) if *now == waiting_for => return false,
                Some((_, now)) => *now = waiting_for,
                None => conditions.push((Arc::clone(&self.name), waiting_for)),
            }
            true
        });
    }
}

fn state_of(conditions: &Conditions) -> ReadinessState {
    if conditions.is_empty() {
        return ReadinessState::NotBegun;
    }
    let missing: Vec<_> =
        conditions.iter().filter_map(|(name, why)| Some((Arc::clone(name), why.clone()?))).collect();
    if missing.is_empty() { ReadinessState::Ready } else { ReadinessState::Waiting(missing) }
}

impl fmt::Display for ReadinessState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("ready"),
            Self::NotBegun => f.write_str("not ready: starting"),
            Self::Waiting(missing) => {
                f.write_str("not ready: ")?;
                for (i, (name, why)) in missing.iter().enumerate() {
                    let separator = if i == 0 { "" } else { "; " };
                    write!(f, "{separator}{name}: {why}")?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests;

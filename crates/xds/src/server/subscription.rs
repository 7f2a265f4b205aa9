//! One type on one stream: what the client asked for, what it holds, what is on its way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use crate::{Resource, Resources};

/// What we believe the client has under a name.
#[derive(Debug)]
enum Held {
    /// This version. SotW keeps the resource, to repeat it while its removal has to wait.
    Version(Arc<str>, Option<Arc<Resource>>),
    /// Something, but which version is not known: it was refused, or claimed without a version.
    Unknown,
    /// The client was told that it does not exist.
    Absent,
}

/// A response that has not been answered.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) nonce: String,
    pub(super) since: Instant,
    pub(super) revision: Arc<str>,
    sent: BTreeMap<Arc<str>, Arc<Resource>>,
    removed: BTreeSet<Arc<str>>,
    /// Names that must be sent again whatever becomes of this response.
    again: BTreeSet<Arc<str>>,
}

/// What separates a client from the state it should have.
#[derive(Debug, Default)]
pub(super) struct Diff {
    /// New or changed.
    pub(super) send: Vec<Arc<Resource>>,
    /// Held, and no more.
    pub(super) gone: Vec<Arc<str>>,
    /// Asked for, never held, and not there.
    pub(super) absent: Vec<Arc<str>>,
}

impl Diff {
    pub(super) fn is_empty(&self) -> bool {
        self.send.is_empty() && self.gone.is_empty() && self.absent.is_empty()
    }
}

/// One type's state on one stream.
#[derive(Debug, Default)]
pub(super) struct Subscription {
    pub(super) wildcard: bool,
    names: BTreeSet<Arc<str>>,
    held: BTreeMap<Arc<str>, Held>,
    /// Refused versions (`None`: a refused removal): not sent again until something else is wanted.
    refused: BTreeMap<Arc<str>, Option<Arc<str>>>,
    /// Groups of names that travelled with something that was refused. Each goes again by itself, so that in the end
    /// the refused resource stands alone and the others are in force.
    suspects: VecDeque<BTreeSet<Arc<str>>>,
    pub(super) pending: Option<Pending>,
    /// Whether a diff may find something.
    pub(super) dirty: bool,
    /// A fresh client waits for the first response, even an empty one.
    pub(super) owes_first: bool,
}

impl Subscription {
    pub(super) fn wants(&self, name: &str) -> bool {
        self.wildcard || self.names.contains(name)
    }

    pub(super) fn names(&self) -> &BTreeSet<Arc<str>> {
        &self.names
    }

    /// How many resources the client has.
    pub(super) fn held(&self) -> usize {
        self.held.values().filter(|held| !matches!(held, Held::Absent)).count()
    }

    /// Asks for a name. Asked for again it is sent again: the client may have dropped it meanwhile.
    pub(super) fn subscribe(&mut self, name: Arc<str>) {
        self.forget(&name);
        self.held.remove(&name);
        self.names.insert(name);
        self.dirty = true;
    }

    /// Asks for a name no longer.
    pub(super) fn unsubscribe(&mut self, name: &str) {
        let known = self.names.remove(name);
        self.forget(name);
        self.held.remove(name);
        if self.wildcard && known {
            // Still part of "everything": sent again, or reported gone.
            self.held.insert(name.into(), Held::Unknown);
        }
        self.dirty = true;
    }

    /// No longer asks for everything.
    pub(super) fn unsubscribe_all(&mut self) {
        self.wildcard = false;
        let names = &self.names;
        self.held.retain(|name, _| names.contains(name));
        self.refused.retain(|name, _| names.contains(name));
    }

    /// What the client says it holds from an earlier stream.
    pub(super) fn claim(&mut self, name: Arc<str>, version: String) {
        let held = if version.is_empty() { Held::Unknown } else { Held::Version(version.into(), None) };
        self.held.insert(name, held);
        self.dirty = true;
    }

    /// Makes sure that a resource is sent (again), whatever the client holds, refused or is about to get.
    pub(super) fn forget(&mut self, name: &str) {
        if self.names.contains(name) {
            self.held.remove(name);
        } else if let Some(held) = self.held.get_mut(name) {
            *held = Held::Unknown;
        }
        self.refused.remove(name);
        if let Some(pending) = &mut self.pending {
            pending.again.insert(name.into());
        }
        self.dirty = true;
    }

    pub(super) fn diff(&self, target: &Resources) -> Diff {
        let mut diff = Diff::default();
        let mut consider = |resource: &Arc<Resource>| {
            let refused =
                self.refused.get(&resource.name).is_some_and(|v| v.as_ref() == Some(&resource.version));
            if !self.holds(resource) && !refused {
                diff.send.push(Arc::clone(resource));
            }
        };
        if self.wildcard {
            target.values().for_each(&mut consider);
        } else {
            self.names.iter().filter_map(|name| target.get(name)).for_each(&mut consider);
        }
        let refused_removal = |name: &Arc<str>| self.refused.get(name) == Some(&None);
        for (name, held) in &self.held {
            if !matches!(held, Held::Absent) && !target.contains_key(name) && !refused_removal(name) {
                diff.gone.push(Arc::clone(name));
            }
        }
        for name in &self.names {
            if !target.contains_key(name) && !self.held.contains_key(name) && !refused_removal(name) {
                diff.absent.push(Arc::clone(name));
            }
        }
        diff
    }

    /// Whether what the client refused is still what it should have.
    pub(super) fn refuses(&self, target: &Resources) -> bool {
        self.refused.iter().any(|(name, version)| target.get(name).map(|r| &r.version) == version.as_ref())
    }

    /// Notes a response on its way.
    pub(super) fn sent(
        &mut self,
        nonce: String,
        revision: Arc<str>,
        now: Instant,
        sent: Vec<Arc<Resource>>,
        removed: Vec<Arc<str>>,
    ) {
        let removed: BTreeSet<_> = removed.into_iter().collect();
        let sent: BTreeMap<_, _> = sent.into_iter().map(|r| (Arc::clone(&r.name), r)).collect();
        self.refused.retain(|name, _| !sent.contains_key(name) && !removed.contains(name));
        self.owes_first = false;
        self.pending = Some(Pending { nonce, since: now, revision, sent, removed, again: BTreeSet::new() });
    }

    /// The pending response is in force.
    pub(super) fn accepted(&mut self, keep_resources: bool) {
        let Some(pending) = self.pending.take() else { return };
        for (name, resource) in pending.sent {
            if self.wants(&name) && !pending.again.contains(&name) {
                let version = Arc::clone(&resource.version);
                self.held.insert(name, Held::Version(version, keep_resources.then_some(resource)));
            }
        }
        for name in pending.removed.into_iter().filter(|name| !pending.again.contains(name)) {
            if self.names.contains(&name) {
                self.held.insert(name, Held::Absent);
            } else {
                self.held.remove(&name);
            }
        }
    }

    /// The pending response was refused. Which part of it took effect is unknown, so the versions that it brought are
    /// taken for neither there nor not there, nor what it removed for gone. A resource that was alone is the culprit; several are halved and sent
    /// again, unless the protocol can only send them together. Removals get one more chance by themselves.
    pub(super) fn rejected(&mut self, divisible: bool) {
        let Some(pending) = self.pending.take() else { return };
        self.dirty = true;
        for name in &pending.removed {
            if let Some(held) = self.held.get_mut(name) {
                *held = Held::Unknown;
            }
        }
        if pending.sent.is_empty() || !divisible {
            let removed = pending.removed.into_iter().filter(|name| !pending.again.contains(name));
            self.refused.extend(removed.map(|name| (name, None)));
        }
        let divisible = divisible && pending.sent.len() > 1;
        let mut news = pending.sent;
        news.retain(|name, resource| {
            self.wants(name) && !self.holds(resource) && !pending.again.contains(name)
        });
        self.held.extend(news.keys().map(|name| (Arc::clone(name), Held::Unknown)));
        if divisible {
            let mut half: BTreeSet<Arc<str>> = news.into_keys().collect();
            let middle = half.iter().nth(half.len() / 2).cloned();
            let other = middle.map(|middle| half.split_off(&middle)).unwrap_or_default();
            self.suspects.push_front(other);
            self.suspects.push_front(half);
        } else {
            self.refused.extend(news.into_iter().map(|(name, r)| (name, Some(Arc::clone(&r.version)))));
        }
    }

    /// While there are suspects, one group of them at a time is all that is sent; whether that left something out.
    pub(super) fn single_out(&mut self, diff: &mut Diff) -> bool {
        while let Some(group) = self.suspects.pop_front() {
            let (chosen, rest): (Vec<_>, Vec<_>) =
                diff.send.drain(..).partition(|resource| group.contains(&resource.name));
            if chosen.is_empty() {
                diff.send = rest;
                continue;
            }
            *diff = Diff { send: chosen, ..Diff::default() };
            return true;
        }
        false
    }

    fn holds(&self, resource: &Resource) -> bool {
        matches!(self.held.get(&resource.name), Some(Held::Version(version, _)) if *version == resource.version)
    }

    /// SotW: forgets resources whose removal that protocol has no words for.
    pub(super) fn drop_silently(&mut self, diff: &mut Diff) {
        for name in diff.gone.drain(..).chain(diff.absent.drain(..)) {
            if self.names.contains(&name) {
                self.held.insert(name, Held::Absent);
            } else {
                self.held.remove(&name);
            }
        }
    }

    /// SotW: everything that a whole state takes away, refused before or not, but for what is held back (sorted).
    pub(super) fn absent_from(&self, target: &Resources, held_back: &[Arc<str>]) -> Vec<Arc<str>> {
        let gone = |name: &&Arc<str>| !target.contains_key(*name) && held_back.binary_search(name).is_err();
        self.held.keys().filter(gone).cloned().collect()
    }

    /// SotW: the resources of these names as the client has them, as far as they are still known.
    pub(super) fn still_held<'a>(
        &'a self,
        names: &'a [Arc<str>],
    ) -> impl Iterator<Item = &'a Arc<Resource>> + 'a {
        names.iter().filter_map(|name| match self.held.get(name) {
            Some(Held::Version(_, Some(resource))) => Some(resource),
            _ => None,
        })
    }
}

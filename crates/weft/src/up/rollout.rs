//! The next steps from the pods that are there to the pods that are wanted. Pure; asked again after each step.
//!
//! As Kubernetes' controllers decide: a Deployment's new pods start beside the old ones, which go as the new become
//! ready; a StatefulSet's are replaced in their places, one by one; with `Recreate` all old ones go first.

use super::plan::Pod;
use super::pods::Kind;
use super::ready::{Key, key};
use super::update::Update;
use std::collections::BTreeMap;

/// A pod that is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct There<'a> {
    pub(crate) pod: &'a Pod,
    pub(crate) ready: bool,
    /// It was told to stop, and has not yet.
    pub(crate) leaving: bool,
}

/// What is to be done now.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Steps {
    pub(crate) starts: Vec<Pod>,
    pub(crate) stops: Vec<Key>,
    /// Nothing is left to be done, now or later.
    pub(crate) settled: bool,
}

/// One workload's pods.
#[derive(Default)]
struct Group<'a> {
    wanted: Vec<&'a Pod>,
    there: Vec<There<'a>>,
}

/// Decides for all workloads.
pub(crate) fn steps(wanted: &[Pod], there: &[There<'_>]) -> Steps {
    let mut groups: BTreeMap<_, Group<'_>> = BTreeMap::new();
    let of = |pod: &Pod| (pod.namespace.clone(), pod.kind.name(), pod.workload.clone());
    wanted.iter().for_each(|pod| groups.entry(of(pod)).or_default().wanted.push(pod));
    there.iter().for_each(|there| groups.entry(of(there.pod)).or_default().there.push(*there));
    let mut steps = Steps { settled: true, ..Steps::default() };
    for group in groups.values() {
        let update = group.wanted.first().map(|pod| pod.update);
        match update {
            // The workload is no more, or has no replicas.
            None => steps.stops.extend(group.staying().map(|there| key(there.pod))),
            Some(Update::Surge { surge, unavailable }) => group.surge(surge, unavailable, &mut steps),
            Some(Update::InPlace { partition }) => group.in_place(partition, &mut steps),
            Some(Update::Recreate) => group.recreate(&mut steps),
        }
        steps.settled &= group.is_settled(update);
    }
    steps
}

impl<'a> Group<'a> {
    fn staying(&self) -> impl Iterator<Item = &There<'a>> {
        self.there.iter().filter(|there| !there.leaving)
    }

    fn is_wanted(&self, pod: &Pod) -> bool {
        self.wanted.iter().any(|wanted| key(wanted) == key(pod) && wanted.template == pod.template)
    }

    /// Those whose template, or place, is no longer wanted.
    fn outdated(&self) -> impl Iterator<Item = &There<'a>> {
        self.staying().filter(|there| !self.is_wanted(there.pod))
    }

    /// Those that are wanted and of whose name nobody is there, not even one that is leaving.
    fn missing(&self) -> impl Iterator<Item = &'a Pod> {
        let is_there = |pod: &Pod| self.there.iter().any(|there| key(there.pod) == key(pod));
        self.wanted.iter().copied().filter(move |pod| !is_there(pod))
    }

    fn surge(&self, surge: u32, unavailable: u32, steps: &mut Steps) {
        let (replicas, surge) = (self.wanted.len(), surge as usize);
        let least = replicas.saturating_sub(unavailable as usize);
        let there = self.staying().count();
        let starts: Vec<Pod> =
            self.missing().take((replicas + surge).saturating_sub(there)).cloned().collect();
        let new = self.staying().filter(|there| self.is_wanted(there.pod) && !there.ready).count();
        // One that does not serve is no loss, except that new ones need its room until they are ready.
        let mut room = (there + starts.len()).saturating_sub(least + new + starts.len());
        let mut spare = self.staying().filter(|there| there.ready).count().saturating_sub(least);
        let mut outdated: Vec<_> = self.outdated().collect();
        outdated.sort_by_key(|there| (there.ready, std::cmp::Reverse(ordinal(there.pod))));
        for there in outdated {
            if room == 0 || (there.ready && spare == 0) {
                break;
            }
            room -= 1;
            spare -= usize::from(there.ready);
            steps.stops.push(key(there.pod));
        }
        steps.starts.extend(starts);
    }

    fn in_place(&self, partition: u32, steps: &mut Steps) {
        steps.starts.extend(self.missing().cloned());
        let is_busy = self.missing().next().is_some()
            || self.there.iter().any(|there| there.leaving || (self.is_wanted(there.pod) && !there.ready));
        let (mut replaced, surplus): (Vec<&There<'_>>, Vec<&There<'_>>) =
            self.outdated().partition(|there| self.wanted.iter().any(|wanted| key(wanted) == key(there.pod)));
        steps.stops.extend(surplus.iter().map(|there| key(there.pod)));
        replaced.retain(|there| !is_held(there.pod, partition));
        replaced.sort_by_key(|there| (there.ready, std::cmp::Reverse(ordinal(there.pod))));
        let one = replaced.iter().find(|there| there.ready).filter(|_| !is_busy);
        let idle = replaced.iter().filter(|there| !there.ready);
        steps.stops.extend(idle.chain(one).map(|there| key(there.pod)));
    }

    fn recreate(&self, steps: &mut Steps) {
        let before = steps.stops.len();
        steps.stops.extend(self.outdated().map(|there| key(there.pod)));
        if steps.stops.len() == before && !self.there.iter().any(|there| there.leaving) {
            steps.starts.extend(self.missing().cloned());
        }
    }

    fn is_settled(&self, update: Option<Update>) -> bool {
        let held = |there: &There<'_>| match update {
            Some(Update::InPlace { partition }) => is_held(there.pod, partition),
            _ => false,
        };
        self.missing().next().is_none()
            && self.there.iter().all(|there| !there.leaving && (self.is_wanted(there.pod) || held(there)))
    }
}

/// Whether a StatefulSet's partition keeps this pod as it is.
fn is_held(pod: &Pod, partition: u32) -> bool {
    pod.kind != Kind::Pod && ordinal(pod) < partition
}

/// The number at the end of its place's name.
fn ordinal(pod: &Pod) -> u32 {
    pod.place.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests;

//! Which loopback addresses a mesh of this machine uses. Pure, but for the probe that its caller brings.
//!
//! | address | whose |
//! |---|---|
//! | `127.(B-1).0.1` | the control plane (xDS and certificates on port 15012) |
//! | `127.(B+N/256).(N%256).1` | pod N as others see it: its sidecar's inbound side |
//! | `127.(B+N/256).(N%256).2` | the pod's own "localhost": its app, its HTTP proxy (15007), its admin port (15000) |
//! | `127.(B+N/256).(N%256).10` and up | the TCP services that pod N can reach |
//!
//! B is 64 for the first mesh of a machine; a second one that runs at the same time takes the next of
//! [`BASES`]. Pods count from 1.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// Second octets at which a mesh may start, in the order they are tried.
pub(crate) const BASES: [u8; 7] = [64, 96, 32, 128, 160, 192, 224];
/// Second octets a mesh has for its pods; the one below them is its control plane's.
const WIDTH: u32 = 31;
/// As many pods as fit; number 0 is not given away.
pub(crate) const MAX_PODS: u32 = WIDTH * 256 - 1;
/// TCP services that one pod can have an address for: `.10` to `.249`.
pub(crate) const MAX_TCP: usize = 240;
const FIRST_TCP: u8 = 10;

/// The part of 127/8 that one mesh uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Base(u8);

impl Base {
    /// The first base that `is_free`.
    pub(crate) fn probe(mut is_free: impl FnMut(Self) -> bool) -> Option<Self> {
        BASES.into_iter().map(Base).find(|base| is_free(*base))
    }

    /// The control plane's address.
    pub(crate) const fn control(self) -> Ipv4Addr {
        Ipv4Addr::new(127, self.0 - 1, 0, 1)
    }

    /// The addresses of pod `number`, which lies in `1..=MAX_PODS`.
    pub(crate) fn block(self, number: u32) -> Block {
        // Both parts are below 256 by the bounds of `number` and of the bases.
        let high = self.0.saturating_add(u8::try_from(number / 256).unwrap_or(u8::MAX));
        Block { high, low: u8::try_from(number % 256).unwrap_or(u8::MAX) }
    }
}

impl Default for Base {
    fn default() -> Self {
        Self(BASES[0])
    }
}

/// The addresses of one pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    high: u8,
    low: u8,
}

impl Block {
    /// The pod as others see it.
    pub(crate) const fn pod(self) -> Ipv4Addr {
        Ipv4Addr::new(127, self.high, self.low, 1)
    }

    /// The pod's own localhost.
    pub(crate) const fn localhost(self) -> Ipv4Addr {
        Ipv4Addr::new(127, self.high, self.low, 2)
    }

    /// The address of the pod's n-th TCP service, from 0.
    pub(crate) fn tcp(self, nth: usize) -> Option<Ipv4Addr> {
        let last = u8::try_from(nth).ok().filter(|_| nth < MAX_TCP)?;
        Some(Ipv4Addr::new(127, self.high, self.low, FIRST_TCP + last))
    }

    /// The whole block, as a range.
    pub(crate) fn cidr(self) -> String {
        format!("127.{}.{}.0/24", self.high, self.low)
    }
}

/// Numbers for `pods`: who has one keeps it, so that an edit moves nobody; the rest get the lowest free ones in
/// their order. `None` if they do not fit.
pub(crate) fn number<K: Ord + Clone>(pods: &[K], before: &BTreeMap<K, u32>) -> Option<BTreeMap<K, u32>> {
    let mut numbers: BTreeMap<K, u32> =
        pods.iter().filter_map(|pod| Some((pod.clone(), *before.get(pod)?))).collect();
    let taken: BTreeSet<u32> = numbers.values().copied().collect();
    let mut free = (1..=MAX_PODS).filter(|number| !taken.contains(number));
    let mut new: Vec<&K> = pods.iter().filter(|pod| !before.contains_key(pod)).collect();
    new.sort();
    for pod in new {
        numbers.insert(pod.clone(), free.next()?);
    }
    Some(numbers)
}

#[cfg(test)]
mod tests;

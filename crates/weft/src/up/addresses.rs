//! Which loopback addresses a mesh of this machine uses. Pure, but for the probe that its caller brings.
//!
//! | address | whose |
//! |---|---|
//! | `127.(B-1).0.1` | the control plane (xDS and certificates on port 15012) |
//! | `127.(B+N/256).(N%256).1` | pod N as others see it: its sidecar's inbound side |
//! | `127.(B+N/256).(N%256).2` | the pod's own "localhost": its app, its HTTP proxy (15007), its admin port (15000) |
//! | `127.(B+N/256).(N%256).10` and up | the TCP services that pod N can reach |
//!
//! In network namespaces (`--netns`) the control plane is at `10.244.0.1`, pod N at `10.244.0.1 + N`, and each pod's
//! localhost is 127.0.0.1; a pod whose connections nobody turns has its TCP services at `127.0.0.10` and up. All others
//! have an address of IPv6 beside: pod N `fd00:10:244::1 + N`, behind the bridge's `fd00:10:244::1`.
//!
//! B is 64 for the first mesh of a machine; a second one that runs at the same time takes the next of
//! [`BASES`]. Pods count from 1.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Second octets at which a mesh may start, in the order they are tried.
pub(crate) const BASES: [u8; 7] = [64, 96, 32, 128, 160, 192, 224];
/// Second octets a mesh has for its pods; the one below them is its control plane's.
const WIDTH: u32 = 31;
/// As many pods as fit; number 0 is not given away.
pub(crate) const MAX_PODS: u32 = WIDTH * 256 - 1;
/// TCP services that one pod can have an address for: `.10` to `.249`.
pub(crate) const MAX_TCP: usize = 240;
const FIRST_TCP: u8 = 10;

/// Where the addresses of one mesh are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Base {
    /// The part of 127/8 that begins at this second octet.
    Loopback(u8),
    /// 10.244/16, in network namespaces of the mesh of this number.
    Namespaces(u32),
}

/// Where the mesh has namespaces: the network of the bridge and of all pods.
pub(crate) const PODS: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(10, 244, 0, 0), 16);
/// The same of IPv6.
pub(crate) const PODS_SIX: Ipv6Net =
    Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0x10, 0x244, 0, 0, 0, 0, 0), 64);
/// Where services have the addresses that nobody gives them.
pub(crate) const SERVICES: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(10, 96, 0, 0), 16);
/// The same of IPv6.
pub(crate) const SERVICES_SIX: Ipv6Net =
    Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0x10, 0x96, 0, 0, 0, 0, 0), 112);
/// Where hosts of the world outside have them.
pub(crate) const OUTSIDE: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(240, 240, 0, 0), 16);

/// All of a mesh in namespaces: nobody else knows who is at any of these.
pub(crate) fn ranges() -> [IpNet; 6] {
    let loopback = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
    [PODS.into(), SERVICES.into(), OUTSIDE.into(), loopback.into(), PODS_SIX.into(), SERVICES_SIX.into()]
}

/// The control plane's address where the mesh has namespaces: the bridge's.
const HUB: Ipv4Addr = Ipv4Addr::from_bits(PODS.addr().to_bits() + 1);
/// The bridge's address of IPv6.
pub(crate) const HUB_SIX: Ipv6Addr = Ipv6Addr::from_bits(PODS_SIX.addr().to_bits() + 1);

impl Base {
    /// The first part of loopback that `is_free`.
    pub(crate) fn probe(mut is_free: impl FnMut(Self) -> bool) -> Option<Self> {
        BASES.into_iter().map(Self::Loopback).find(|base| is_free(*base))
    }

    /// The control plane's address.
    pub(crate) const fn control(self) -> Ipv4Addr {
        match self {
            Self::Loopback(base) => Ipv4Addr::new(127, base - 1, 0, 1),
            Self::Namespaces(_) => HUB,
        }
    }

    /// The addresses of pod `number`, which lies in `1..=MAX_PODS`.
    pub(crate) fn block(self, number: u32) -> Block {
        let low = |number: u32| u8::try_from(number % 256).unwrap_or(u8::MAX);
        let high = u8::try_from(number / 256).unwrap_or(u8::MAX);
        match self {
            // Both parts are below 256 by the bounds of `number` and of the bases.
            Self::Loopback(base) => Block::Loopback { high: base.saturating_add(high), low: low(number) },
            // Behind the bridge's own.
            Self::Namespaces(_) => Block::Own(Ipv4Addr::from(u32::from(HUB) + number)),
        }
    }

    /// The address of IPv6 of pod `number`, if it has a network of its own.
    pub(crate) fn six(self, number: u32) -> Option<Ipv6Addr> {
        let own = || Ipv6Addr::from(u128::from(HUB_SIX) + u128::from(number));
        self.hub().map(|_| own())
    }

    /// The namespace of the bridge, if there is one.
    pub(crate) fn hub(self) -> Option<String> {
        match self {
            Self::Loopback(_) => None,
            Self::Namespaces(id) => Some(format!("{}{id}", crate::netns::network::PREFIX)),
        }
    }

    /// The namespace of pod `number`, if it has one.
    pub(crate) fn namespace(self, number: u32) -> Option<String> {
        self.hub().map(|hub| format!("{hub}-{number}"))
    }
}

impl Default for Base {
    fn default() -> Self {
        Self::Loopback(BASES[0])
    }
}

/// The addresses of one pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Block {
    /// A part of 127/8.
    Loopback { high: u8, low: u8 },
    /// One address, and a localhost that is nobody else's.
    Own(Ipv4Addr),
}

impl Block {
    /// The pod as others see it.
    pub(crate) const fn pod(self) -> Ipv4Addr {
        match self {
            Self::Loopback { high, low } => Ipv4Addr::new(127, high, low, 1),
            Self::Own(address) => address,
        }
    }

    /// The pod's own localhost.
    pub(crate) const fn localhost(self) -> Ipv4Addr {
        match self {
            Self::Loopback { high, low } => Ipv4Addr::new(127, high, low, 2),
            Self::Own(_) => Ipv4Addr::LOCALHOST,
        }
    }

    /// The address of the pod's n-th TCP service, from 0; for pods whose connections nobody turns.
    pub(crate) fn tcp(self, nth: usize) -> Option<Ipv4Addr> {
        let (high, low) = match self {
            Self::Loopback { high, low } => (high, low),
            Self::Own(_) => (0, 0),
        };
        let last = u8::try_from(nth).ok().filter(|_| nth < MAX_TCP)?;
        Some(Ipv4Addr::new(127, high, low, FIRST_TCP + last))
    }

    /// Whether it is all alone with its localhost.
    pub(crate) const fn is_own(self) -> bool {
        matches!(self, Self::Own(_))
    }

    /// The whole block, as a range.
    pub(crate) fn cidr(self) -> String {
        match self {
            Self::Loopback { high, low } => format!("127.{high}.{low}.0/24"),
            Self::Own(address) => format!("{address}/32"),
        }
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

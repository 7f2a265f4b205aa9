//! Which priority, and which locality of it, takes a request: Envoy's rules of spill-over and panic.

use rand::{Rng, RngExt};
use smallvec::SmallVec;
use weft_model::cluster::Balancing;
use weft_model::endpoint::Health;
use weft_model::table::endpoints::{EndpointSet, Group, LocalityGroup, Priority};
use xxhash_rust::xxh64::xxh64;

use super::Load;

/// Where to pick from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Level {
    pub(super) priority: usize,
    locality: Option<usize>,
    degraded: bool,
    /// Too few are well: all are used, well or not.
    pub(super) panic: bool,
}

impl Level {
    /// The endpoints that are meant.
    pub(super) fn group<'a>(&self, priority: &'a Priority) -> &'a Group {
        match self.locality {
            _ if self.panic || self.degraded => &priority.all,
            Some(locality) => &priority.localities[locality].healthy,
            None => &priority.healthy,
        }
    }
}

impl Level {
    /// Outside of panic: is it for this level, which is the healthy's or the degraded's?
    pub(super) fn takes(&self, set: &EndpointSet, load: &impl Load, endpoint: usize) -> bool {
        match set.endpoints[endpoint].settings.health {
            Health::Degraded => self.degraded,
            Health::Unknown | Health::Healthy => self.degraded == load.degraded(endpoint),
            Health::Unhealthy | Health::Draining => false,
        }
    }
}

/// Envoy's default: below half, panic.
const PANIC_BELOW: f64 = 50.0;

/// Chooses; `None` if nobody may be used. The priorities of `skipped` (one bit each) are left out while there is another.
pub(super) fn choose(
    set: &EndpointSet,
    balancing: &Balancing,
    load: &impl Load,
    hash: Option<u64>,
    skipped: u64,
    rng: &mut impl Rng,
) -> Option<Level> {
    let all_usable = load.all_usable();
    // The usual case, without counting anybody.
    if all_usable
        && let [only] = &set.priorities[..]
        && only.healthy.members.len() == only.total
        && only.localities.is_empty()
    {
        return (only.total > 0).then_some(Level {
            priority: 0,
            locality: None,
            degraded: false,
            panic: false,
        });
    }
    let count = |group: &Group, degraded: bool| -> usize {
        let members = group.members.iter().map(|of| *of as usize);
        members.filter(|of| load.usable(*of) && load.degraded(*of) == degraded).count()
    };
    let usable = |group: &Group| if all_usable { group.members.len() } else { count(group, false) };
    let degraded = |of: &Priority| match all_usable {
        true => of.degraded.members.len(),
        false => {
            of.degraded.members.iter().filter(|of| load.usable(**of as usize)).count()
                + count(&of.healthy, true)
        }
    };
    // The draw of a hashed request hangs on its key, so that it stays where it is.
    let mut draw = |bound: u64| match hash {
        Some(key) => xxh64(&key.to_le_bytes(), bound) % bound,
        None => rng.random_range(0..bound),
    };
    let counts: Counts = set
        .priorities
        .iter()
        .map(|of| Count { total: of.total, healthy: usable(&of.healthy), degraded: degraded(of) })
        .collect();
    let left = |(priority, of): (u32, &Count)| match skipped.checked_shr(priority).unwrap_or(0) & 1 {
        0 => *of,
        _ => Count { healthy: 0, degraded: 0, ..*of },
    };
    let elsewhere = if skipped == 0 {
        None
    } else {
        let counts: Counts = (0..).zip(&counts).map(left).collect();
        by_share(&counts, set.overprovisioning, balancing, &mut draw)
    };
    let level = elsewhere.or_else(|| match is_panic_everywhere(&counts, set.overprovisioning, balancing) {
        true => by_number(set, &mut draw),
        false => by_share(&counts, set.overprovisioning, balancing, &mut draw),
    });
    let mut level = level?;
    if !level.panic && !level.degraded {
        level.locality = locality(&set.priorities[level.priority], set.overprovisioning, usable, &mut draw);
    }
    Some(level)
}

type Counts = SmallVec<[Count; 4]>;

/// How many of a priority's endpoints may be used.
#[derive(Clone, Copy)]
struct Count {
    total: usize,
    healthy: usize,
    degraded: usize,
}

fn threshold(balancing: &Balancing) -> f64 {
    balancing.panic_threshold.unwrap_or(PANIC_BELOW)
}

/// What share of its load so many of all can carry, in percent.
fn availability(count: usize, total: usize, overprovisioning: u32) -> u64 {
    if total == 0 {
        return 0;
    }
    (u64::from(overprovisioning) * count as u64 / total as u64).clamp(u64::from(count > 0), 100)
}

/// What all priorities together can carry, in percent.
fn carried(counts: &[Count], overprovisioning: u32) -> u64 {
    let shares = counts.iter().flat_map(|of| [(of.healthy, of.total), (of.degraded, of.total)]);
    shares.map(|(count, total)| availability(count, total, overprovisioning)).sum::<u64>().min(100)
}

/// Are too few of a priority well, where all together cannot carry everything?
fn is_panic(of: &Count, carried: u64, balancing: &Balancing) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "a percentage of endpoints")]
    let well = 100.0 * (of.healthy + of.degraded) as f64 / of.total.max(1) as f64;
    carried < 100 && well < threshold(balancing)
}

/// Are too few of every priority well?
fn is_panic_everywhere(counts: &[Count], overprovisioning: u32, balancing: &Balancing) -> bool {
    let carried = carried(counts, overprovisioning);
    carried < 100 && counts.iter().all(|of| is_panic(of, carried, balancing))
}

/// Everybody is used alike, wherever he stands: a priority gets as much as it has of all endpoints.
fn by_number(set: &EndpointSet, draw: &mut impl FnMut(u64) -> u64) -> Option<Level> {
    let sum: usize = set.priorities.iter().map(|of| of.all.members.len()).sum();
    if sum == 0 {
        return None;
    }
    let mut drawn = draw(sum as u64);
    let priority = set.priorities.iter().position(|of| {
        let own = of.all.members.len() as u64;
        let here = drawn < own;
        drawn = drawn.saturating_sub(own);
        here
    })?;
    Some(Level { priority, locality: None, degraded: false, panic: true })
}

/// Each priority takes what its healthy can carry of what those before it left; the degraded take what is left then.
fn by_share(
    counts: &[Count],
    overprovisioning: u32,
    balancing: &Balancing,
    draw: &mut impl FnMut(u64) -> u64,
) -> Option<Level> {
    let healthy = counts.iter().enumerate().map(|(priority, of)| (priority, false, of.healthy, of.total));
    let degraded = counts.iter().enumerate().map(|(priority, of)| (priority, true, of.degraded, of.total));
    let shares = healthy.chain(degraded).map(|(priority, degraded, count, total)| {
        (priority, degraded, availability(count, total, overprovisioning))
    });
    let sum = carried(counts, overprovisioning);
    if sum == 0 {
        return None;
    }
    let mut drawn = draw(sum);
    for (priority, degraded, share) in shares {
        if drawn < share {
            let panic = is_panic(&counts[priority], sum, balancing);
            return Some(Level { priority, locality: None, degraded, panic });
        }
        drawn -= share;
    }
    None
}

/// One of the localities, by weight and by how many of its endpoints are well; `None` if they are not weighted.
fn locality(
    priority: &Priority,
    overprovisioning: u32,
    usable: impl Fn(&Group) -> usize,
    draw: &mut impl FnMut(u64) -> u64,
) -> Option<usize> {
    let weight = |of: &LocalityGroup| {
        u64::from(of.weight) * availability(usable(&of.healthy), of.total, overprovisioning)
    };
    let sum: u64 = priority.localities.iter().map(weight).sum();
    if sum == 0 {
        return None;
    }
    let mut drawn = draw(sum);
    priority.localities.iter().position(|of| {
        let own = weight(of);
        let here = drawn < own;
        drawn = drawn.saturating_sub(own);
        here
    })
}

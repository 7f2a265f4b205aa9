//! The choice inside one group of endpoints.

use std::sync::{Arc, Weak};

use rand::{Rng, RngExt};
use weft_model::table::endpoints::{EndpointSet, Group};

use super::{Load, Newcomers};

/// Whose turn it is, for one cluster and one worker.
#[derive(Debug, Default)]
pub struct Turn {
    of: Weak<EndpointSet>,
    next: usize,
    credits: Vec<i64>,
    /// The newcomers of whom the last is warm.
    warm: Option<Newcomers>,
}

impl Turn {
    /// Has everybody warmed up that has come so far?
    pub(super) fn all_are_warm(&mut self, set: &EndpointSet, newcomers: Newcomers, load: &impl Load) -> bool {
        if self.warm != Some(newcomers) && (0..set.endpoints.len()).all(|one| load.warmth(one) >= 1.0) {
            self.warm = Some(newcomers);
        }
        self.warm == Some(newcomers)
    }
}

/// How often chance is asked before everybody is looked at.
const DRAWS: usize = 4;

/// So many owners are looked at for one that was not tried before.
const LONGEST_WALK: usize = 4096;

/// The first owner of a key that is fresh, or at least usable.
pub(super) fn by_key(
    owners: impl Iterator<Item = u32>,
    length: usize,
    fresh: impl Fn(usize) -> bool,
    usable: impl Fn(usize) -> bool,
) -> Option<usize> {
    let mut second = None;
    for (step, owner) in owners.take(length).enumerate() {
        // One that was tried before is better than a walk all around.
        if step > LONGEST_WALK && second.is_some() {
            break;
        }
        let endpoint = owner as usize;
        if fresh(endpoint) {
            return Some(endpoint);
        }
        if second.is_none() && usable(endpoint) {
            second = Some(endpoint);
        }
    }
    second
}

/// Smooth weighted turns: of weights 5, 1, 1 the heavy one comes five times in seven, never all at once.
pub(super) fn in_turn(
    group: &Group,
    set: &Arc<EndpointSet>,
    turn: &mut Turn,
    wanted: &dyn Fn(usize) -> bool,
    rng: &mut impl Rng,
) -> Option<usize> {
    let count = group.members.len();
    if count == 0 {
        return None;
    }
    if !std::ptr::eq(turn.of.as_ptr(), Arc::as_ptr(set)) {
        turn.of = Arc::downgrade(set);
        // Workers and proxies do not all begin with the same endpoint.
        turn.next = rng.random_range(0..count);
        turn.credits.clear();
        turn.credits.resize(set.endpoints.len(), 0);
    }
    if group.equal {
        let place = (0..count)
            .map(|step| (turn.next + step) % count)
            .find(|place| wanted(group.members[*place] as usize))?;
        turn.next = (place + 1) % count;
        return Some(group.members[place] as usize);
    }
    let mut sum = 0;
    let mut best: Option<usize> = None;
    for (place, endpoint) in group.members.iter().enumerate() {
        let endpoint = *endpoint as usize;
        if !wanted(endpoint) {
            continue;
        }
        let weight = i64::try_from(group.weight(place)).unwrap_or(i64::MAX / 2);
        sum += weight;
        turn.credits[endpoint] += weight;
        if best.is_none_or(|best| turn.credits[endpoint] > turn.credits[best]) {
            best = Some(endpoint);
        }
    }
    let best = best?;
    turn.credits[best] -= sum;
    Some(best)
}

/// The least busy, for its weight, of some drawn by weight.
pub(super) fn least(
    group: &Group,
    choices: u32,
    load: &impl Load,
    wanted: &dyn Fn(usize) -> bool,
    rng: &mut impl Rng,
) -> Option<usize> {
    let busy = |place: usize| u64::from(load.active(group.members[place] as usize));
    let mut best: Option<usize> = None;
    for _ in 0..choices.clamp(2, 64) {
        let Some(place) = drawn(group, wanted, rng) else { break };
        // a/wa < b/wb, without dividing.
        if best.is_none_or(|best| busy(place) * group.weight(best) < busy(best) * group.weight(place)) {
            best = Some(place);
        }
    }
    best.map(|place| group.members[place] as usize)
}

/// One by chance, by weight.
pub(super) fn by_chance(group: &Group, wanted: &dyn Fn(usize) -> bool, rng: &mut impl Rng) -> Option<usize> {
    drawn(group, wanted, rng).map(|place| group.members[place] as usize)
}

/// A place in the group, by weight among those wanted.
fn drawn(group: &Group, wanted: &dyn Fn(usize) -> bool, rng: &mut impl Rng) -> Option<usize> {
    if group.members.is_empty() {
        return None;
    }
    for _ in 0..DRAWS {
        let place = if group.equal {
            rng.random_range(0..group.members.len())
        } else {
            group.drawn(rng.random_range(0..group.total()))
        };
        if wanted(group.members[place] as usize) {
            return Some(place);
        }
    }
    // Most are not wanted: among the others exactly.
    let places = || (0..group.members.len()).filter(|place| wanted(group.members[*place] as usize));
    let sum: u64 = places().map(|place| group.weight(place)).sum();
    if sum == 0 {
        return None;
    }
    let mut draw = rng.random_range(0..sum);
    places().find(|place| {
        let weight = group.weight(*place);
        let here = draw < weight;
        draw = draw.saturating_sub(weight);
        here
    })
}

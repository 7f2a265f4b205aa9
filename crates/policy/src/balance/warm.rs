//! Some of a group warm up: who is chosen counts only by that part of the choices that its warmth is of the warmest's, so
//! that each gets its weight times its warmth, whatever the rule.

use rand::{Rng, RngExt};
use weft_model::table::endpoints::Group;

use super::Load;

/// A choice that does not count is made again so often; then whoever is chosen has it.
const MOST: usize = 16;

/// How warm the warmest is.
pub(super) struct Warm {
    warmest: f64,
}

impl Warm {
    /// `None` where all are equally warm.
    pub(super) fn of(group: &Group, load: &impl Load, usable: &dyn Fn(usize) -> bool) -> Option<Self> {
        let usable = group.members.iter().map(|of| *of as usize).filter(|of| usable(*of));
        let (coldest, warmest) = usable
            .map(|of| load.warmth(of))
            .fold((f64::INFINITY, 0.0_f64), |(coldest, warmest), own| (coldest.min(own), warmest.max(own)));
        (coldest < warmest).then_some(Self { warmest })
    }

    pub(super) fn choose<R: Rng>(
        &self,
        mut once: impl FnMut(&mut R) -> Option<usize>,
        load: &impl Load,
        rng: &mut R,
    ) -> Option<usize> {
        for _ in 1..MOST {
            let chosen = once(rng)?;
            if rng.random::<f64>() * self.warmest < load.warmth(chosen) {
                return Some(chosen);
            }
        }
        once(rng)
    }
}

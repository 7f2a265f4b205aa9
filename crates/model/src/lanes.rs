//! What workers write with every request, once for each lane of them.
//!
//! Were it one number, the line of the cache that it lies on would go from processor to processor with each request. A worker
//! has a lane, or shares it with a few others.

use crate::padded::Padded;

/// So many lanes there are, as Istio gives a sidecar workers; those beyond share them. Each costs every endpoint a line.
pub const LANES: usize = 2;

/// One for each lane.
#[derive(Debug, Default)]
pub struct PerLane<T>([Padded<T>; LANES]);

impl<T> PerLane<T> {
    /// As `of` makes them, by the lane's number.
    pub fn from_fn(mut of: impl FnMut(usize) -> T) -> Self {
        Self(std::array::from_fn(|lane| Padded(of(lane))))
    }

    /// That of a worker's lane; workers count from 0.
    pub fn of(&self, worker: usize) -> &T {
        &self.0[worker % LANES]
    }

    /// Each as something else.
    pub fn each<U>(&self, mut of: impl FnMut(&T) -> U) -> [U; LANES] {
        std::array::from_fn(|lane| of(&self.0[lane]))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|lane| &lane.0)
    }
}

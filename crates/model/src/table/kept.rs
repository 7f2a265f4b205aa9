//! Numbers that outlive configurations: whose turn it is among weighted clusters, what is left in a bucket.
//!
//! They are found again by what they are for, and workers write them with every request. So each lies on a line of the cache
//! that nothing else does.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};

use crate::lanes::PerLane;
use crate::padded::Padded;

/// What is left in a bucket, in the form that is `policy::limit`'s own; 0: nobody has taken any.
pub type Left = Arc<Padded<AtomicU64>>;

/// Whose turn it is, as each lane of workers counts it.
pub type Turns = Arc<PerLane<AtomicU64>>;

/// All of a kind. What no configuration holds any more is forgotten.
#[derive(Debug)]
pub(super) struct Keeper<T> {
    all: HashMap<String, Weak<T>>,
    prune_at: usize,
}

impl<T> Default for Keeper<T> {
    fn default() -> Self {
        Self { all: HashMap::new(), prune_at: 0 }
    }
}

impl<T> Keeper<T> {
    /// That of `what`; a new one is made.
    pub(super) fn find(&mut self, what: String, new: impl FnOnce(&str) -> T) -> Arc<T> {
        if let Some(kept) = self.all.get(&what).and_then(Weak::upgrade) {
            return kept;
        }
        if self.all.len() >= self.prune_at {
            self.all.retain(|_, kept| kept.strong_count() > 0);
            self.prune_at = 1024.max(2 * self.all.len());
        }
        let kept = Arc::new(new(&what));
        self.all.insert(what, Arc::downgrade(&kept));
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_found_again_as_long_as_somebody_holds_it() {
        let mut keeper = Keeper::default();
        let seven = keeper.find("a".into(), |_| 7);
        assert_eq!(*keeper.find("a".into(), |_| 8), 7);
        assert_eq!(*keeper.find("b".into(), |_| 9), 9);
        drop(seven);
        assert_eq!(*keeper.find("a".into(), |_| 8), 8);
    }

    #[test]
    fn what_comes_and_goes_for_days_takes_no_more_than_is_held() {
        let mut keeper = Keeper::default();
        let held: Vec<_> = (0..100).map(|n| keeper.find(format!("held {n}"), |_| n)).collect();
        for n in 0..10_000 {
            keeper.find(n.to_string(), |_| n);
        }
        assert!(keeper.all.len() <= 2048, "{}", keeper.all.len());
        assert!((0..100).all(|n| Arc::ptr_eq(&held[n], &keeper.find(format!("held {n}"), |_| 0))));
    }
}

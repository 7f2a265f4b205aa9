//! Numbers that outlive configurations: whose turn it is among weighted clusters, what is left in a bucket.
//!
//! They are found again by what they are for, and shared by all workers, each of which writes them with every request: so each
//! has a line of the cache of its own, and what lies beside it is not fetched anew for that.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};

use crate::padded::Padded;

/// One such number.
pub type Kept = Arc<Padded<AtomicU64>>;

/// All of them. What no configuration holds any more is forgotten.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keeper {
    all: HashMap<String, Weak<Padded<AtomicU64>>>,
    chance: RandomState,
    prune_at: usize,
}

impl Keeper {
    /// The number for `what`, 0 if it is new.
    pub(crate) fn number(&mut self, what: String) -> Kept {
        self.find(what, |_, _| 0)
    }

    /// The number for `what`; a new one begins anywhere, so that a thousand proxies do not begin alike.
    pub(crate) fn turn(&mut self, what: String) -> Kept {
        self.find(what, |chance, what| chance.hash_one(what))
    }

    fn find(&mut self, what: String, first: impl FnOnce(&RandomState, &str) -> u64) -> Kept {
        if let Some(known) = self.all.get(&what).and_then(Weak::upgrade) {
            return known;
        }
        if self.all.len() >= self.prune_at {
            self.all.retain(|_, kept| kept.strong_count() > 0);
            self.prune_at = 1024.max(2 * self.all.len());
        }
        let kept = Arc::new(Padded(AtomicU64::new(first(&self.chance, &what))));
        self.all.insert(what, Arc::downgrade(&kept));
        kept
    }
}

//! Numbers that outlive configurations: whose turn it is among weighted clusters, what is left in a bucket.
//!
//! They are found again by what they are for, and shared by all workers, each of which writes them with every request. So they
//! lie on lines of the cache that nothing else does, and those of one route that are new together, which the same requests
//! write, on one.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::ops::Deref;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};

use crate::padded::Padded;

/// So many lie on one line. A route has two: whose turn it is, what is left.
const PLACES: usize = 2;

type Line = Padded<[AtomicU64; PLACES]>;

/// One such number.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    line: Arc<Line>,
    place: Place,
}

#[derive(Debug, Clone, Copy, Default)]
enum Place {
    #[default]
    First,
    Second,
}

impl Deref for Kept {
    type Target = AtomicU64;

    fn deref(&self) -> &AtomicU64 {
        let [first, second] = &**self.line;
        match self.place {
            Place::First => first,
            Place::Second => second,
        }
    }
}

/// All of them. What no configuration holds any more is forgotten, along with what shares its line.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    all: HashMap<String, (Weak<Line>, Place)>,
    /// Lines on which one place is free, by whose they are.
    free: HashMap<String, Weak<Line>>,
    chance: RandomState,
    prune_at: usize,
}

impl Keeper {
    /// The number for `what`, 0 if it is new; written along with others that are `of` the same.
    pub(crate) fn number(&mut self, what: String, of: &str) -> Kept {
        self.find(what, of, |_, _| 0)
    }

    /// The number for `what`; a new one begins anywhere, so that a thousand proxies do not begin alike.
    pub(crate) fn turn(&mut self, what: String, of: &str) -> Kept {
        self.find(what, of, |chance, what| chance.hash_one(what))
    }

    fn find(&mut self, what: String, of: &str, first: impl FnOnce(&RandomState, &str) -> u64) -> Kept {
        if let Some((line, place)) = self.all.get(&what)
            && let Some(line) = line.upgrade()
        {
            return Kept { line, place: *place };
        }
        if self.all.len() >= self.prune_at {
            self.all.retain(|_, (line, _)| line.strong_count() > 0);
            self.free.retain(|_, line| line.strong_count() > 0);
            self.prune_at = 1024.max(2 * self.all.len());
        }
        let kept = match self.free.remove(of).and_then(|line| line.upgrade()) {
            Some(line) => Kept { line, place: Place::Second },
            None => {
                let line = Arc::default();
                self.free.insert(of.to_owned(), Arc::downgrade(&line));
                Kept { line, place: Place::First }
            }
        };
        kept.store(first(&self.chance, &what), std::sync::atomic::Ordering::Relaxed);
        self.all.insert(what, (Arc::downgrade(&kept.line), kept.place));
        kept
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    #[test]
    fn two_of_one_route_share_a_line_and_nothing_else() {
        let mut keeper = Keeper::default();
        let [left, turn, third, other] = [("left", "a"), ("turn", "a"), ("third", "a"), ("left b", "b")]
            .map(|(what, of)| keeper.number(what.into(), of));
        let numbers = [&left, &turn, &third, &other];
        for (number, kept) in (1..).zip(numbers) {
            kept.store(number, Relaxed);
        }
        assert_eq!(numbers.map(|kept| kept.load(Relaxed)), [1, 2, 3, 4]);
        let lines = numbers.map(|kept| Arc::as_ptr(&kept.line));
        assert_eq!(lines[0], lines[1]);
        assert!(lines[2] != lines[0] && lines[3] != lines[0] && lines[2] != lines[3]);
    }

    #[test]
    fn a_number_is_found_again_as_long_as_somebody_holds_it_or_its_neighbour() {
        let mut keeper = Keeper::default();
        let (left, turn) = (keeper.number("left".into(), "a"), keeper.number("turn".into(), "a"));
        left.store(7, Relaxed);
        assert_eq!(keeper.number("left".into(), "another route").load(Relaxed), 7);
        drop(left);
        assert_eq!(keeper.number("left".into(), "a").load(Relaxed), 7);
        drop(turn);
        assert_eq!(keeper.number("left".into(), "a").load(Relaxed), 0);
    }
}

//! Which of many rules can match a text at all, by what they ask of its whole, its beginning or its end.
//!
//! One pass over the text, one look-up a length that some rule has; nothing is allocated. Keys come from the
//! configuration, so a stranger's text can at most cost one comparison per look-up.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Values by exact text, by prefix and by suffix.
#[derive(Debug, Clone, Default)]
pub struct Affixes<V> {
    exact: Keys<V>,
    prefixes: Keys<V>,
    suffixes: Keys<V>,
    fold_case: bool,
}

/// What a key asks of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// To be it.
    Whole,
    /// To begin with it.
    Prefix,
    /// To end with it.
    Suffix,
}

impl<V: Default> Affixes<V> {
    /// An empty one; `fold_case`: ASCII letters' case does not count.
    pub fn new(fold_case: bool) -> Self {
        Self { fold_case, ..Self::default() }
    }

    /// The value of a key, new if need be.
    pub fn entry(&mut self, part: Part, key: &[u8]) -> &mut V {
        let fold_case = self.fold_case;
        let key: Box<[u8]> = if fold_case { key.to_ascii_lowercase().into() } else { key.into() };
        match part {
            Part::Whole => self.exact.entry(hash(key.iter()), key),
            Part::Prefix => self.prefixes.entry(hash(key.iter()), key),
            Part::Suffix => self.suffixes.entry(hash(key.iter().rev()), key),
        }
    }
}

impl<V> Affixes<V> {
    /// There is no key.
    pub fn is_empty(&self) -> bool {
        [&self.exact, &self.prefixes, &self.suffixes].iter().all(|keys| keys.lengths.is_empty())
    }

    /// The value of the text itself.
    pub fn whole(&self, text: &[u8]) -> Option<&V> {
        if !self.exact.has_length(text.len()) {
            return None;
        }
        self.exact.find(self.hash(text.iter()), text, self.fold_case)
    }

    /// The values of every key that the text meets: prefixes from short to long, then suffixes from short to long, then the whole.
    pub fn each<'a>(&'a self, text: &[u8], mut visit: impl FnMut(Part, &'a V)) {
        self.prefixes.walk(
            text.iter(),
            text.len(),
            self.fold_case,
            |length| &text[..length],
            |v| visit(Part::Prefix, v),
        );
        let from_end = |length| &text[text.len() - length..];
        self.suffixes
            .walk(text.iter().rev(), text.len(), self.fold_case, from_end, |v| visit(Part::Suffix, v));
        if let Some(value) = self.whole(text) {
            visit(Part::Whole, value);
        }
    }

    /// The value of the longest suffix that is shorter than the text.
    pub fn longest_suffix(&self, text: &[u8]) -> Option<&V> {
        let mut longest = None;
        let from_end = |length| &text[text.len() - length..];
        let limit = text.len().saturating_sub(1);
        self.suffixes.walk(text.iter().rev(), limit, self.fold_case, from_end, |value| longest = Some(value));
        longest
    }

    /// The value of the longest prefix that is shorter than the text.
    pub fn longest_prefix(&self, text: &[u8]) -> Option<&V> {
        let mut longest = None;
        let limit = text.len().saturating_sub(1);
        self.prefixes.walk(
            text.iter(),
            limit,
            self.fold_case,
            |length| &text[..length],
            |value| longest = Some(value),
        );
        longest
    }

    fn hash<'t>(&self, bytes: impl Iterator<Item = &'t u8>) -> u64 {
        bytes.fold(SEED, |state, byte| step(state, fold(*byte, self.fold_case)))
    }
}

/// Keys of one hash, nearly always one.
type SameHash<V> = Vec<(Box<[u8]>, V)>;

/// Keys of one part, by their hash.
#[derive(Debug, Clone)]
struct Keys<V> {
    by_hash: HashMap<u64, SameHash<V>, BuildHasherDefault<Given>>,
    lengths: Vec<bool>,
}

impl<V> Default for Keys<V> {
    fn default() -> Self {
        Self { by_hash: HashMap::default(), lengths: Vec::new() }
    }
}

impl<V> Keys<V> {
    fn has_length(&self, length: usize) -> bool {
        self.lengths.get(length).copied().unwrap_or(false)
    }

    fn find(&self, hash: u64, key: &[u8], fold_case: bool) -> Option<&V> {
        let same = |own: &[u8]| if fold_case { own.eq_ignore_ascii_case(key) } else { own == key };
        self.by_hash.get(&hash)?.iter().find(|(own, _)| same(own)).map(|(_, value)| value)
    }

    fn walk<'a, 't>(
        &'a self,
        bytes: impl Iterator<Item = &'t u8>,
        limit: usize,
        fold_case: bool,
        key: impl Fn(usize) -> &'t [u8],
        mut visit: impl FnMut(&'a V),
    ) {
        let limit = limit.min(self.lengths.len().wrapping_sub(1));
        if self.lengths.is_empty() {
            return;
        }
        let mut state = SEED;
        let mut bytes = bytes;
        for length in 0..=limit {
            if self.lengths[length]
                && let Some(value) = self.find(state, key(length), fold_case)
            {
                visit(value);
            }
            match bytes.next() {
                Some(byte) => state = step(state, fold(*byte, fold_case)),
                None => break,
            }
        }
    }
}

impl<V: Default> Keys<V> {
    fn entry(&mut self, hash: u64, key: Box<[u8]>) -> &mut V {
        if self.lengths.len() <= key.len() {
            self.lengths.resize(key.len() + 1, false);
        }
        self.lengths[key.len()] = true;
        let same = self.by_hash.entry(hash).or_default();
        let place = same.iter().position(|(own, _)| *own == key).unwrap_or_else(|| {
            same.push((key, V::default()));
            same.len() - 1
        });
        &mut same[place].1
    }
}

// FNV-1a: it grows byte by byte, so that one pass yields the hash of every beginning (or end).
const SEED: u64 = 0xcbf2_9ce4_8422_2325;

fn step(state: u64, byte: u8) -> u64 {
    (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
}

fn fold(byte: u8, fold_case: bool) -> u8 {
    if fold_case { byte.to_ascii_lowercase() } else { byte }
}

fn hash<'t>(bytes: impl Iterator<Item = &'t u8>) -> u64 {
    bytes.fold(SEED, |state, byte| step(state, *byte))
}

/// The key is a hash already; its halves are mixed, because the map looks at the highest and lowest bits.
#[derive(Debug, Clone, Copy, Default)]
struct Given(u64);

impl Hasher for Given {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |state, byte| step(state, *byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
mod tests;

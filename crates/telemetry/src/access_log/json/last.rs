//! The line before. Of two records of one worker and peer most says the same: whose they are, whose certificates, which
//! cluster, which status. So the line is kept, and what says something else is replaced in it.

use std::cell::RefCell;
use std::ops::Range;

use super::aspect::Set;
use super::seen::Seen;
use super::{Dictionary, Field};
use crate::identifier::Identifier;
use crate::record::{Record, Reporter};

thread_local! {
    /// A worker's lines as the client's sidecar, and behind them those as the server's, which have little in common. Peers take
    /// turns, so there are several of each; whose was used last comes first.
    static LINES: RefCell<[Option<Box<Line>>; 2 * PEERS]> = const { RefCell::new([const { None }; 2 * PEERS]) };
}

/// So many of each.
const PEERS: usize = 4;

/// A longer line is not kept.
const LONG: usize = 16 * 1024;

/// The line of a record.
#[derive(Debug)]
struct Line {
    of: (Identifier, bool),
    peer: Option<Identifier>,
    seen: Seen,
    /// Its fields, each with a comma in front.
    text: Vec<u8>,
    /// Where each field begins in the text, and where the last one ends. Of a field that is left out both are one place.
    bounds: Vec<usize>,
    /// A value on its way into the text.
    value: Vec<u8>,
}

/// Appends the fields of `record`, each with a comma in front.
pub(super) fn write(dictionary: &Dictionary, record: &Record<'_>, omit_empty: bool, out: &mut Vec<u8>) {
    let (first, peer) = match record.reporter {
        Reporter::Source => (0, record.destination),
        Reporter::Destination => (PEERS, record.source),
    };
    let (of, peer) = ((dictionary.id, omit_empty), peer.map(|peer| peer.id()));
    LINES.with_borrow_mut(|lines| {
        let lines = &mut lines[first..first + PEERS];
        let is_peers =
            |line: &Option<Box<Line>>| line.as_ref().is_some_and(|line| line.peer == peer && line.of == of);
        // Whoever is new takes over the one that was used the longest ago.
        let found = lines.iter().position(is_peers).unwrap_or(PEERS - 1);
        (0..found).rev().for_each(|place| lines.swap(place, place + 1));
        // Taken out, so that nothing half done stays.
        let known = lines[0].take().filter(|line| line.of == of);
        let mut line = known.unwrap_or_else(|| Box::new(Line::new(of, dictionary)));
        line.peer = peer;
        line.turn_into(dictionary, record, omit_empty);
        out.extend_from_slice(&line.text);
        if line.text.len() <= LONG {
            lines[0] = Some(line);
        }
    });
}

impl Line {
    /// Nothing of it is written yet.
    fn new(of: (Identifier, bool), dictionary: &Dictionary) -> Self {
        Self {
            of,
            peer: None,
            seen: Seen::new(dictionary.reads),
            text: Vec::new(),
            bounds: vec![0; dictionary.fields.len() + 1],
            value: Vec::new(),
        }
    }

    fn turn_into(&mut self, dictionary: &Dictionary, record: &Record<'_>, omit_empty: bool) {
        let is_new = self.text.is_empty();
        let changed = self.seen.turn_into(record);
        let changed = if is_new { Set::ALL } else { changed };
        for (readers, block) in dictionary.readers.iter().zip((0..).step_by(64)) {
            let touched = changed.iter().fold(Set::NONE, |touched, aspect| touched.and(readers[aspect]));
            for place in touched.iter() {
                let field = &dictionary.fields[block + place];
                self.value.clear();
                super::write(&field.node, record, omit_empty, &mut self.value);
                self.put(block + place, field);
            }
        }
    }

    /// Gives the field at `place` its new value; none, and it is left out.
    fn put(&mut self, place: usize, field: &Field) {
        let old = self.bounds[place]..self.bounds[place + 1];
        if !old.is_empty() && !self.value.is_empty() {
            return self.replace(old.start + field.key.len()..old.end, place);
        }
        if !self.value.is_empty() {
            self.value.splice(..0, field.key.iter().copied());
        }
        self.replace(old, place);
    }

    /// Puts the value in place of what is at the end of the field at `place`.
    fn replace(&mut self, old: Range<usize>, place: usize) {
        let new = old.start..old.start + self.value.len();
        if new.end != old.end {
            let end = self.text.len();
            self.text.resize(end.max(end + new.end - old.end), 0);
            self.text.copy_within(old.end..end, new.end);
            self.text.truncate(end + new.end - old.end);
            for bound in &mut self.bounds[place + 1..] {
                *bound = *bound + new.end - old.end;
            }
        }
        self.text[new].copy_from_slice(&self.value);
    }
}

#[cfg(test)]
mod tests;

//! The line before. Of two records of one worker and peer most says the same: whose they are, whose certificates, which cluster,
//! which status. So the line is kept, and what says something else is replaced in it.

use std::cell::RefCell;
use std::ops::Range;

use super::aspect::Set;
use super::seen::Seen;
use super::{Dictionary, Field};
use crate::identifier::Identifier;
use crate::record::{Record, Reporter};

thread_local! {
    /// A worker's lines as the client's sidecar and as the server's, which have little in common; and of each some of several
    /// peers, whose requests take turns.
    static LINES: RefCell<[Option<Box<Line>>; 2 * PEERS]> = const { RefCell::new([const { None }; 2 * PEERS]) };
}

/// Lines are kept of so many peers at once.
const PEERS: usize = 4;

/// A longer line is not kept.
const LONG: usize = 16 * 1024;

/// The line of a record.
#[derive(Debug)]
struct Line {
    of: (Identifier, bool),
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
    let place = first + peer.map_or(0, |peer| peer.id().among(PEERS));
    let of = (dictionary.id, omit_empty);
    LINES.with_borrow_mut(|lines| {
        let place = &mut lines[place];
        // Taken out, so that nothing half done stays.
        let known = place.take().filter(|line| line.of == of);
        let mut line = known.unwrap_or_else(|| Box::new(Line::new(of, dictionary)));
        line.turn_into(dictionary, record, omit_empty);
        out.extend_from_slice(&line.text);
        if line.text.len() <= LONG {
            *place = Some(line);
        }
    });
}

impl Line {
    /// Nothing of it is written yet.
    fn new(of: (Identifier, bool), dictionary: &Dictionary) -> Self {
        Self {
            of,
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

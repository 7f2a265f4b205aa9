//! What bodies are made of, so that a byte that is lost, doubled or moved is seen.

use bytes::Bytes;

/// Its length divides no power of two: a piece that is moved by a buffer's length does not fit any more.
const ALPHABET: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
/// A piece of about 64 KiB that may follow itself.
const PIECE: usize = ALPHABET.len() * 1057;

/// A piece of the pattern, from its beginning; pieces that follow each other are the pattern.
pub(crate) fn piece() -> Bytes {
    ALPHABET.repeat(PIECE / ALPHABET.len()).into()
}

/// The first so many bytes.
pub(crate) fn whole(length: usize) -> Bytes {
    let mut bytes = ALPHABET.repeat(length / ALPHABET.len() + 1);
    bytes.truncate(length);
    bytes.into()
}

/// Compares what arrives, in parts of any length, with the pattern.
#[derive(Debug)]
pub(crate) struct Compared {
    piece: Bytes,
    seen: u64,
    differs: bool,
}

impl Compared {
    pub(crate) fn new() -> Self {
        Self { piece: piece(), seen: 0, differs: false }
    }

    pub(crate) fn next(&mut self, mut part: &[u8]) {
        while !part.is_empty() {
            let at = (self.seen % PIECE as u64) as usize;
            let length = part.len().min(PIECE - at);
            let (now, later) = part.split_at(length);
            self.differs |= self.piece.get(at..at + length) != Some(now);
            self.seen += length as u64;
            part = later;
        }
    }

    /// How many bytes there were, if all were the pattern's.
    pub(crate) fn seen(&self) -> Option<u64> {
        (!self.differs).then_some(self.seen)
    }
}

#[cfg(test)]
mod tests;

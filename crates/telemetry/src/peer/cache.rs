//! From header bytes to the peer they describe, once for all the requests that repeat them.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use foldhash::quality::RandomState;

use super::{Peer, PeerMetadata};
use crate::identifier::NumberHash;

/// Peers kept; whoever sends more different headers than this only makes the cache start over.
const CAPACITY: usize = 1024;

/// One worker's cache.
#[derive(Debug)]
pub struct PeerCache {
    peers: HashMap<u64, Entry, NumberHash>,
    /// The places of the last two: mostly the next is one of them, and to hash a header costs more than to compare it.
    last: [u64; 2],
    /// Of chance, so that nobody can aim two headers at one place.
    places: RandomState,
}

#[derive(Debug)]
struct Entry {
    header: Option<Box<[u8]>>,
    peer: Arc<Peer>,
}

impl PeerCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self { peers: HashMap::default(), last: [0; 2], places: RandomState::default() }
    }

    /// The peer that sent `header` over a connection on which it proved to be `principal`. A header that
    /// cannot be read is an unknown peer: labels must not fail a request.
    pub fn peer(&mut self, header: Option<&[u8]>, principal: Option<&str>) -> Arc<Peer> {
        let [last, before] = self.last;
        if let Some(peer) = self.known(last, header, principal) {
            return peer;
        }
        if let Some(peer) = self.known(before, header, principal) {
            self.last = [before, last];
            return peer;
        }
        let place = self.places.hash_one((header, principal));
        self.last = [place, last];
        if let Some(peer) = self.known(place, header, principal) {
            return peer;
        }
        let metadata = header.and_then(|header| PeerMetadata::decode(header).ok()).unwrap_or_default();
        let peer = Arc::new(Peer::new(metadata, principal));
        if header.is_some_and(|header| header.len() > super::MAX_HEADER) {
            return peer;
        }
        if self.peers.len() >= CAPACITY {
            self.peers.clear();
        }
        self.peers.insert(place, Entry { header: header.map(Into::into), peer: Arc::clone(&peer) });
        peer
    }

    /// What stands at that place, if it is what is looked for: the place is only a hash, the bytes decide.
    fn known(&self, place: u64, header: Option<&[u8]>, principal: Option<&str>) -> Option<Arc<Peer>> {
        let entry = self.peers.get(&place)?;
        let same = entry.header.as_deref() == header && entry.peer.principal() == principal;
        same.then(|| Arc::clone(&entry.peer))
    }
}

impl Default for PeerCache {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;

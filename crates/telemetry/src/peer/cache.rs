//! From header bytes to the peer they describe, once for all the requests that repeat them.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use xxhash_rust::xxh64::Xxh64;

use super::{Peer, PeerMetadata};

/// Peers kept; whoever sends more different headers than this only makes the cache start over.
const CAPACITY: usize = 1024;

/// One worker's cache.
#[derive(Debug)]
pub struct PeerCache {
    peers: HashMap<u64, Entry>,
    seed: u64,
}

#[derive(Debug)]
struct Entry {
    header: Option<Box<[u8]>>,
    peer: Arc<Peer>,
}

impl PeerCache {
    /// An empty cache.
    pub fn new() -> Self {
        // A seed of chance, so that nobody can aim two headers at one place.
        Self { peers: HashMap::new(), seed: RandomState::new().hash_one(0_u8) }
    }

    /// The peer that sent `header` over a connection on which it proved to be `principal`. A header that
    /// cannot be read is an unknown peer: labels must not fail a request.
    pub fn peer(&mut self, header: Option<&[u8]>, principal: Option<&str>) -> Arc<Peer> {
        let place = self.place(header, principal);
        if let Some(entry) = self.peers.get(&place)
            // The place is only a hash; the bytes decide.
            && entry.header.as_deref() == header
            && entry.peer.principal() == principal
        {
            return Arc::clone(&entry.peer);
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

    fn place(&self, header: Option<&[u8]>, principal: Option<&str>) -> u64 {
        let mut hash = Xxh64::new(self.seed);
        hash.update(header.unwrap_or_default());
        hash.update(&[0xFF, u8::from(header.is_some()), u8::from(principal.is_some())]);
        hash.update(principal.unwrap_or_default().as_bytes());
        hash.digest()
    }
}

impl Default for PeerCache {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;

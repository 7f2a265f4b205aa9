//! Connections that have not arrived yet: neither their chain is chosen nor their handshake over. A listener holds so
//! many of them and no more; where one more comes, the one that has been silent for longest makes room.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

/// So many connections of one listening socket may be arriving.
pub const MOST: usize = 4096;

/// So many while the proxy itself uses too much memory: each holds some KiB, in the middle of its handshake tens. Those of
/// HTTP that come then count until they end, and are not kept behind their first answer.
pub const FEW: usize = 64;

/// Those of one listening socket; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Arrivals {
    places: Arc<Mutex<Places>>,
}

#[derive(Debug, Default)]
struct Places {
    taken: usize,
    next: u64,
    /// Who has said nothing yet, in the order of coming.
    silent: BTreeMap<u64, oneshot::Sender<()>>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Arriving {
    number: u64,
    crowded: oneshot::Receiver<()>,
    arrivals: Arrivals,
}

impl Arrivals {
    /// One more comes where `most` may be; `None`: there is no room, and nobody silent to make any.
    pub fn enter(&self, most: usize) -> Option<Arriving> {
        let mut places = self.places();
        if places.taken >= most {
            let (_, oldest) = places.silent.pop_first()?;
            // Whoever is just leaving needs not be told.
            let _ = oldest.send(());
        }
        let (number, (tell, crowded)) = (places.next, oneshot::channel());
        places.next += 1;
        places.taken += 1;
        places.silent.insert(number, tell);
        drop(places);
        Some(Arriving { number, crowded, arrivals: self.clone() })
    }

    fn places(&self) -> std::sync::MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Arriving {
    /// It has said something: from now on it is given its time. `false`: it was to make room already.
    pub fn has_spoken(&mut self) -> bool {
        self.arrivals.places().silent.remove(&self.number).is_some()
    }

    /// Waits until it has to make room, being silent.
    pub async fn crowded(&mut self) {
        if (&mut self.crowded).await.is_err() {
            // It has spoken: nobody asks any more.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        let mut places = self.arrivals.places();
        places.silent.remove(&self.number);
        places.taken -= 1;
    }
}

#[cfg(test)]
mod tests;

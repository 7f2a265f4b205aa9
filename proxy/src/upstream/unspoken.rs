//! Connections to an app on which nothing was said. A caller's sidecar has one made, in mTLS for bytes, to hear whether the
//! server speaks first; when its client then speaks HTTP, it leaves that and comes again with a request, perhaps to another
//! worker. The request goes out on the connection that is there, so that the app sees none for nothing.

use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::places::Place;
use super::pool::{MadeFor, PoolKey, Wanted};

/// A caller that comes again comes within this time.
pub const LIFE: Duration = Duration::from_secs(2);

/// So many are kept at most, of all clusters.
const MOST: usize = 64;

/// Those of all workers. Where there are none, as almost always, whoever asks reads one number.
#[derive(Debug, Default)]
pub struct Unspoken {
    count: AtomicUsize,
    kept: Mutex<Vec<Kept>>,
}

#[derive(Debug)]
struct Kept {
    key: PoolKey,
    made_for: MadeFor,
    socket: TcpStream,
    place: Place,
    until: Instant,
}

impl Unspoken {
    /// Keeps one for [`LIFE`]; the oldest makes room.
    pub fn keep(&self, key: PoolKey, made_for: MadeFor, socket: TcpStream, place: Place, now: Instant) {
        let mut kept = self.lock();
        if kept.len() >= MOST {
            kept.remove(0);
        }
        kept.push(Kept { key, made_for, socket, place, until: now + LIFE });
        self.count.store(kept.len(), Ordering::Release);
    }

    /// One that serves what is wanted.
    pub fn take(&self, key: PoolKey, wanted: &Wanted<'_>) -> Option<(TcpStream, Place)> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut kept = self.lock();
        let place = kept.iter().position(|one| one.key == key && one.made_for.serves(wanted))?;
        let one = kept.remove(place);
        self.count.store(kept.len(), Ordering::Release);
        Some((one.socket, one.place))
    }

    /// Closes those whose time is over.
    pub fn expire(&self, now: Instant) {
        let mut kept = self.lock();
        kept.retain(|one| one.until > now);
        self.count.store(kept.len(), Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

//! Callers that have said nothing yet on a connection in mTLS, where the app may have to speak first. A caller's sidecar
//! whose client speaks HTTP in the end leaves such a connection and comes again with the request; here another worker may
//! meet that before the first one has seen that it was left. The kernel knows by then: it is asked, so that the request
//! waits for what the first worker makes of it, and for nothing else.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::upstream::unspoken::LIFE;

/// Those of all workers. Where there are none, as mostly, whoever asks reads one number.
#[derive(Debug, Default)]
pub struct Silences(Arc<All>);

#[derive(Debug, Default)]
struct All {
    count: AtomicUsize,
    callers: Mutex<Callers>,
}

#[derive(Debug, Default)]
struct Callers {
    next: u64,
    silent: Vec<Caller>,
}

#[derive(Debug)]
struct Caller {
    number: u64,
    destination: SocketAddr,
    /// Its socket once more: what it has sent is looked at and not taken.
    socket: TcpStream,
    /// Who waits for the end of its silence; nothing else is told.
    awaited: Vec<oneshot::Sender<Infallible>>,
}

/// One of them, until it is dropped: somebody has spoken, or what was left in silence is where a request finds it.
#[derive(Debug)]
pub struct Silence {
    number: u64,
    all: Arc<All>,
}

impl Silences {
    /// A caller of `destination` says nothing on `socket`. Nothing is to be opened for it before it is known that it has
    /// not [left](Silence::is_left): what one worker does not see there the other sees in [`Silences::news_of`].
    pub fn begin(&self, destination: SocketAddr, socket: TcpStream) -> Silence {
        let mut callers = self.0.lock();
        let number = callers.next;
        callers.next += 1;
        callers.silent.push(Caller { number, destination, socket, awaited: Vec::new() });
        self.0.count.store(callers.silent.len(), Ordering::Release);
        Silence { number, all: self.0.clone() }
    }

    /// Waits until it is known what became of those callers of `destination` who have left in silence by now.
    pub async fn news_of(&self, destination: SocketAddr) {
        if self.0.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let ends: Vec<_> = {
            let mut callers = self.0.lock();
            let left = |caller: &&mut Caller| caller.destination == destination && caller.has_left();
            callers.silent.iter_mut().filter(left).map(Caller::end).collect()
        };
        let all = async {
            for end in ends {
                // Nothing is ever told, so it is over.
                let _ = end.await;
            }
        };
        // A worker that has not seen it by then will not give back what it has in time.
        let _ = tokio::time::timeout(LIFE, all).await;
    }

    /// Does anybody wait for such news?
    pub fn are_awaited(&self) -> bool {
        self.0.lock().silent.iter().any(|caller| !caller.awaited.is_empty())
    }
}

impl Silence {
    /// Has its caller left without a word?
    pub fn is_left(&self) -> bool {
        self.all.lock().silent.iter().any(|caller| caller.number == self.number && caller.has_left())
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        let mut callers = self.all.lock();
        callers.silent.retain(|caller| caller.number != self.number);
        self.all.count.store(callers.silent.len(), Ordering::Release);
    }
}

impl Caller {
    /// It has ended the connection, and there is nothing before that which nobody has read.
    fn has_left(&self) -> bool {
        match self.socket.peek(&mut [0]) {
            Ok(there_is) => there_is == 0,
            Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }

    fn end(&mut self) -> oneshot::Receiver<Infallible> {
        let (tell, end) = oneshot::channel();
        self.awaited.push(tell);
        end
    }
}

impl All {
    fn lock(&self) -> MutexGuard<'_, Callers> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

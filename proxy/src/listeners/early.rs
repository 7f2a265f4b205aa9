//! A socket that listens before any configuration asks for it. What comes meanwhile is held: for a while, and then refused
//! in words, so that a client whose control plane never comes is not left in the dark.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use weft_runtime::Acceptor;

use crate::connection::arrivals::MOST;

/// A connection, and who made it.
pub(super) type Held = (TcpStream, SocketAddr);

/// One such socket, and what it holds.
#[derive(Debug)]
pub(super) struct Early {
    socket: TcpListener,
    held: Waiting,
    task: JoinHandle<()>,
}

/// The connections that are held, the oldest first, each with the moment at which it is refused.
type Waiting = Arc<Mutex<VecDeque<(Held, Instant)>>>;

impl Early {
    /// Begins to hold what comes to `socket`, each connection for so long. On a runtime.
    pub(super) fn new(socket: TcpListener, hold: Duration) -> std::io::Result<Self> {
        let acceptor = Acceptor::new(socket.try_clone()?)?;
        let held = Waiting::default();
        let task = tokio::spawn(take_in(acceptor, held.clone(), hold));
        Ok(Self { socket, held, task })
    }

    /// The socket, and what it has held until now.
    pub(super) fn hand_over(self) -> std::io::Result<(TcpListener, Vec<Held>)> {
        self.task.abort();
        let held = locked(&self.held).drain(..).map(|(connection, _)| connection).collect();
        Ok((self.socket.try_clone()?, held))
    }
}

impl Drop for Early {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn locked(held: &Waiting) -> std::sync::MutexGuard<'_, VecDeque<(Held, Instant)>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn take_in(mut acceptor: Acceptor, held: Waiting, hold: Duration) {
    let address = acceptor.local_addr().ok();
    loop {
        let (count, first) = {
            let held = locked(&held);
            (held.len(), held.front().map(|(_, until)| *until))
        };
        let refuse = async {
            match first {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        // Between a connection that is taken and its place among the others nothing is waited for: none is lost.
        tokio::select! {
            () = refuse => {
                let refused = locked(&held).pop_front();
                if let Some(((_, source), _)) = refused {
                    tracing::info!(
                        ?address, %source,
                        reason = format!("this sidecar has not started within {hold:?}; is the control plane up? see /ready"),
                        "connection refused"
                    );
                }
            }
            accepted = acceptor.accept(), if count < MOST => match accepted {
                Ok(connection) => locked(&held).push_back((connection, Instant::now() + hold)),
                Err(error) => return tracing::error!(?address, %error, "accepting failed for good"),
            }
        }
    }
}

#[cfg(test)]
mod tests;

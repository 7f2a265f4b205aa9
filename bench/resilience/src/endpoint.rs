//! An endpoint that answers after a while, and may be killed, struck dumb, or told to fail.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What it thinks about a request.
const THINKS: Duration = Duration::from_millis(5);
/// So many failures in a row eject it.
pub(crate) const FAILURES: u64 = 3;
/// Until whoever has been answered knows what that was.
const HEARING: Duration = Duration::from_millis(1);

/// How it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Well,
    /// It answers 503.
    Failing,
    /// It takes what comes and says nothing.
    Dumb,
    /// Its process is gone.
    Killed,
}

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    state: Arc<watch::Sender<State>>,
    seen: Arc<AtomicU64>,
    began: Instant,
    /// Microseconds after `began` at which the last request or connection came.
    last: Arc<AtomicU64>,
    failures: Arc<Failures>,
}

/// Its answers of 503.
#[derive(Debug, Default)]
struct Failures {
    all: AtomicU64,
    /// Microseconds after the begin at which the last of [`FAILURES`] left.
    enough: AtomicU64,
    /// Those to requests that had been sent by then.
    inevitable: AtomicU64,
}

impl Endpoint {
    pub(crate) async fn serve(at: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(at).await?;
        let state = Arc::new(watch::Sender::new(State::Well));
        let this = Self {
            state,
            seen: Arc::default(),
            began: Instant::now(),
            last: Arc::default(),
            failures: Arc::default(),
        };
        let mut changes = this.state.subscribe();
        let own = this.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = changes.wait_for(|state| *state == State::Killed) => return,
                    accepted = listener.accept() => {
                        let Ok((socket, _)) = accepted else { return };
                        own.note();
                        tokio::spawn(own.clone().live(socket));
                    }
                }
            }
        });
        Ok(this)
    }

    pub(crate) fn becomes(&self, state: State) {
        self.state.send_replace(state);
    }

    /// How many requests it has seen.
    pub(crate) fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    /// When anything came to it last.
    pub(crate) fn last(&self) -> Instant {
        self.began + Duration::from_micros(self.last.load(Ordering::Relaxed))
    }

    /// How many requests it failed that no outlier detection could have kept from it.
    pub(crate) fn inevitable(&self) -> u64 {
        self.failures.inevitable.load(Ordering::Relaxed)
    }

    fn note(&self) -> u64 {
        let now = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.last.fetch_max(now, Ordering::Relaxed);
        now
    }

    /// It has answered 503 to what came at that moment.
    fn failed(&self, came: u64) {
        let Failures { all, enough, inevitable } = &*self.failures;
        if all.fetch_add(1, Ordering::Relaxed) + 1 == FAILURES {
            let now = u64::try_from((self.began.elapsed() + HEARING).as_micros()).unwrap_or(u64::MAX);
            enough.store(now, Ordering::Relaxed);
        }
        let by = enough.load(Ordering::Relaxed);
        if by == 0 || came <= by {
            inevitable.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A connection, broken off when its process is killed.
    async fn live(self, mut socket: TcpStream) {
        let mut changes = self.state.subscribe();
        tokio::select! {
            () = self.answer(&mut socket) => {}
            _ = changes.wait_for(|state| *state == State::Killed) => {
                let _ = socket.set_zero_linger();
            }
        }
    }

    async fn answer(&self, socket: &mut TcpStream) {
        let mut buffer = Vec::new();
        let mut piece = [0; 4096];
        loop {
            while !buffer.ends_with(b"\r\n\r\n") {
                match socket.read(&mut piece).await {
                    Ok(n) if n > 0 => buffer.extend_from_slice(&piece[..n]),
                    _ => return,
                }
            }
            buffer.clear();
            let came = self.note();
            self.seen.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(THINKS).await;
            let state = *self.state.borrow();
            let status = match state {
                State::Dumb => std::future::pending().await,
                State::Failing => "503 Service Unavailable",
                State::Well | State::Killed => "200 OK",
            };
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nok");
            if socket.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
            if state == State::Failing {
                self.failed(came);
            }
        }
    }
}

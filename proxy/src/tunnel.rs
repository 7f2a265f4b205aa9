//! Bytes both ways between two streams, until both have ended: TCP, upgrades, CONNECT.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::stream::Io;

/// A buffer starts small, for the thousands of idle tunnels, and grows for those that are busy.
const SMALL: usize = 2 * 1024;
const LARGE: usize = 64 * 1024;

/// How a tunnel ended.
#[derive(Debug)]
pub struct Ended {
    /// Bytes from downstream to upstream.
    pub sent: u64,
    /// Bytes from upstream to downstream.
    pub received: u64,
    /// Why, unless both sides closed.
    pub why: Option<Cut>,
}

/// Why a tunnel was cut.
#[derive(Debug)]
pub enum Cut {
    /// Downstream failed.
    Downstream(io::Error),
    /// Upstream failed.
    Upstream(io::Error),
    /// Nothing moved for so long.
    Idle(Duration),
    /// It has lasted for as long as it may.
    Spent(Duration),
    /// The one who watches over it said so.
    Judged(String),
}

/// How long a tunnel may last.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bounds {
    /// Without a byte.
    pub idle: Option<Duration>,
    /// In all, and since when.
    pub life: Option<(Duration, Instant)>,
}

impl Bounds {
    /// When its life is over; `None` is never.
    fn end(&self) -> Option<(Duration, Instant)> {
        let (life, began) = self.life?;
        Some((life, began.checked_add(life)?))
    }

    /// What is left before it would be ended for having said nothing at all.
    pub fn patience(&self, now: Instant) -> Option<Duration> {
        let left = self.end().map(|(_, end)| end.saturating_duration_since(now));
        [self.idle, left].into_iter().flatten().min()
    }
}

/// Copies until both directions ended, its bounds are over, or `judge` ends it with a reason.
pub async fn run(down: &mut Io, up: &mut Io, bounds: Bounds, judge: impl Future<Output = String>) -> Ended {
    let (mut there, mut back) = (Half::default(), Half::default());
    let mut judge = std::pin::pin!(judge);
    let mut timer = bounds.idle.map(|limit| (limit, Box::pin(tokio::time::sleep(limit))));
    let mut end = bounds.end().map(|(life, end)| (life, Box::pin(tokio::time::sleep_until(end.into()))));
    let mut moved = 0;
    let why = std::future::poll_fn(|cx| {
        if let Poll::Ready(why) = judge.as_mut().poll(cx) {
            return Poll::Ready(Some(Cut::Judged(why)));
        }
        if let Some((life, sleep)) = &mut end
            && sleep.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Some(Cut::Spent(*life)));
        }
        let forth = there.poll(cx, down, up);
        let home = back.poll(cx, up, down);
        match (forth, home) {
            (Poll::Ready(Err(Side::Read(e))), _) | (_, Poll::Ready(Err(Side::Write(e)))) => {
                return Poll::Ready(Some(Cut::Downstream(e)));
            }
            (Poll::Ready(Err(Side::Write(e))), _) | (_, Poll::Ready(Err(Side::Read(e)))) => {
                return Poll::Ready(Some(Cut::Upstream(e)));
            }
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(None),
            _ => {}
        }
        if let Some((limit, sleep)) = &mut timer {
            if moved != there.bytes + back.bytes {
                moved = there.bytes + back.bytes;
                sleep.as_mut().reset(tokio::time::Instant::now() + *limit);
            }
            if sleep.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Some(Cut::Idle(*limit)));
            }
        }
        Poll::Pending
    })
    .await;
    match &why {
        None => {}
        // All that was said has gone on: each end hears in order that there is no more, in TLS, too.
        Some(Cut::Idle(_)) if there.is_empty() && back.is_empty() => {
            std::future::poll_fn(|cx| {
                // Whoever takes not even that is told by the socket's end.
                let _ = Pin::new(&mut *down).poll_shutdown(cx);
                let _ = Pin::new(&mut *up).poll_shutdown(cx);
                Poll::Ready(())
            })
            .await;
        }
        // What one side broke off, or was cut within, must not look to the other as if it had ended in order.
        Some(_) => {
            down.break_off();
            up.break_off();
        }
    }
    Ended { sent: there.bytes, received: back.bytes, why }
}

/// One direction.
#[derive(Default)]
struct Half {
    buffer: Vec<u8>,
    at: usize,
    filled: usize,
    ended: bool,
    closed: bool,
    dirty: bool,
    bytes: u64,
}

enum Side {
    Read(io::Error),
    Write(io::Error),
}

impl Half {
    /// Nothing that was read waits to be written.
    fn is_empty(&self) -> bool {
        self.at >= self.filled && !self.dirty
    }

    fn poll(&mut self, cx: &mut Context<'_>, from: &mut Io, to: &mut Io) -> Poll<Result<(), Side>> {
        loop {
            while self.at < self.filled {
                let n = ready!(Pin::new(&mut *to).poll_write(cx, &self.buffer[self.at..self.filled]));
                let n = n.map_err(Side::Write)?;
                if n == 0 {
                    return Poll::Ready(Err(Side::Write(io::ErrorKind::WriteZero.into())));
                }
                self.at += n;
                self.bytes += n as u64;
                self.dirty = true;
            }
            if self.ended {
                if from.was_cut() {
                    return Poll::Ready(Err(Side::Read(io::ErrorKind::UnexpectedEof.into())));
                }
                if !self.closed {
                    // A peer that is gone already cannot be told that we are done; that is no failure.
                    let _ = ready!(Pin::new(&mut *to).poll_shutdown(cx));
                    self.closed = true;
                }
                return Poll::Ready(Ok(()));
            }
            match self.poll_read(cx, from) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Side::Read(error))),
                Poll::Pending => {
                    if self.dirty {
                        ready!(Pin::new(&mut *to).poll_flush(cx)).map_err(Side::Write)?;
                        self.dirty = false;
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, from: &mut Io) -> Poll<io::Result<()>> {
        // Zeroed only when it grows, which it does when a read filled it.
        if self.filled == self.buffer.len() {
            let size = if self.buffer.is_empty() { SMALL } else { self.buffer.len() * 4 };
            self.buffer.resize(size.min(LARGE), 0);
        }
        let mut buf = ReadBuf::new(&mut self.buffer);
        ready!(Pin::new(from).poll_read(cx, &mut buf))?;
        self.at = 0;
        self.filled = buf.filled().len();
        self.ended = self.filled == 0;
        Poll::Ready(Ok(()))
    }
}

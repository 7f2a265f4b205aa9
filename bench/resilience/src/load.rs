//! Requests by the clock, whatever became of those before: each is due at its moment, on whichever connection is free.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const CONNECTIONS: u32 = 128;
/// No answer takes longer, or there is none.
const PATIENCE: Duration = Duration::from_secs(5);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: app\r\n\r\n";

/// What became of all of them.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) asked: u64,
    /// When those were asked that were not answered with 200.
    pub(crate) failed: Vec<Instant>,
    /// Of all, in order.
    pub(crate) took: Vec<Duration>,
}

impl Outcome {
    /// The time that so large a share of the requests stayed below.
    pub(crate) fn percentile(&self, share: f64) -> Duration {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a place in a list"
        )]
        let place = (self.took.len() as f64 * share) as usize;
        self.took.get(place.min(self.took.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}

/// Asks `rate` times a second for so long.
pub(crate) async fn load(to: SocketAddr, rate: u32, length: Duration) -> Outcome {
    let total = u64::from(rate) * length.as_secs();
    let next = Arc::new(AtomicU64::new(0));
    let start = Instant::now() + Duration::from_millis(50);
    let mut clients = JoinSet::new();
    for _ in 0..CONNECTIONS {
        clients.spawn(attend(to, next.clone(), total, start, Duration::from_secs(1) / rate));
    }
    let mut all = Outcome::default();
    while let Some(Ok(one)) = clients.join_next().await {
        all.asked += one.asked;
        all.failed.extend(one.failed);
        all.took.extend(one.took);
    }
    all.failed.sort_unstable();
    all.took.sort_unstable();
    all
}

async fn attend(
    to: SocketAddr,
    next: Arc<AtomicU64>,
    total: u64,
    start: Instant,
    every: Duration,
) -> Outcome {
    let mut outcome = Outcome::default();
    let mut connection = None;
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= total {
            return outcome;
        }
        let due = start + every * u32::try_from(number).unwrap_or(u32::MAX);
        tokio::time::sleep_until(due.into()).await;
        let asked = Instant::now();
        outcome.asked += 1;
        match tokio::time::timeout(PATIENCE, ask(to, &mut connection)).await {
            Ok(Ok(200)) => {}
            Ok(Ok(_)) => outcome.failed.push(asked),
            Ok(Err(_)) | Err(_) => {
                connection = None;
                outcome.failed.push(asked);
            }
        }
        // From when it was due: a wait for a free connection is a wait.
        outcome.took.push(due.elapsed());
    }
}

/// One request and its answer's status.
pub(crate) async fn ask(to: SocketAddr, connection: &mut Option<TcpStream>) -> io::Result<u16> {
    let socket = match connection {
        Some(socket) => socket,
        None => connection.insert(TcpStream::connect(to).await?),
    };
    socket.write_all(REQUEST).await?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let n = socket.read(&mut piece).await?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(&piece[..n]);
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .to_ascii_lowercase()
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return head
                .split(' ')
                .nth(1)
                .and_then(|status| status.parse().ok())
                .ok_or_else(|| io::ErrorKind::InvalidData.into());
        }
    }
}

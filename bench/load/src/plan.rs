//! What is to be sent, and when.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub(crate) const USAGE: &str = "usage: weft-bench-load ADDRESS:PORT HOST RATE SECONDS CONNECTIONS BODY [FRESH]\n\
    sends GET / with that Host, RATE times a second, and expects 200 with BODY bytes each time; of the connections \
    FRESH are made anew for each request";

/// A whole load.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    /// As it goes over the wire.
    pub(crate) request: String,
    /// Requests a second.
    pub(crate) rate: u32,
    pub(crate) seconds: u32,
    pub(crate) connections: u32,
    /// So many of these last for one request.
    pub(crate) fresh: u32,
    /// The length that every answer's body has.
    pub(crate) body: usize,
}

/// The moment at which one request is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) due: Instant,
}

/// The requests that are still to be sent, shared by all connections.
#[derive(Debug)]
pub(crate) struct Tickets {
    start: Instant,
    interval: Duration,
    total: u64,
    /// Nobody takes a ticket after this: a server that stalls for good ends the load.
    end: Instant,
    taken: AtomicU64,
}

impl Plan {
    /// The command line's words.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut word = |name: &str| words.next().ok_or_else(|| format!("{name} is missing"));
        let address = number(&word("ADDRESS:PORT")?, "ADDRESS:PORT")?;
        let host = word("HOST")?;
        if host.is_empty() || !host.chars().all(|c| c.is_ascii_graphic()) {
            return Err(format!("HOST {host:?} is none"));
        }
        let plan = Self {
            address,
            request: format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            rate: number(&word("RATE")?, "RATE")?,
            seconds: number(&word("SECONDS")?, "SECONDS")?,
            connections: number(&word("CONNECTIONS")?, "CONNECTIONS")?,
            body: number(&word("BODY")?, "BODY")?,
            fresh: word("FRESH").map_or(Ok(0), |fresh| number(&fresh, "FRESH"))?,
        };
        match (plan.rate, plan.seconds, plan.connections) {
            (1..=1_000_000, 1..=3600, 1..=1024) => Ok(plan),
            _ => Err("RATE is 1 to 1000000, SECONDS 1 to 3600, CONNECTIONS 1 to 1024".to_owned()),
        }
    }

    /// How many requests there are.
    pub(crate) fn requests(&self) -> u64 {
        u64::from(self.rate) * u64::from(self.seconds)
    }

    /// All of them, the first due at `start`.
    pub(crate) fn tickets(&self, start: Instant) -> Tickets {
        Tickets {
            start,
            interval: Duration::from_secs(1) / self.rate,
            total: self.requests(),
            end: start + Duration::from_secs(self.seconds.into()) + super::PATIENCE,
            taken: AtomicU64::new(0),
        }
    }
}

impl Tickets {
    /// The next request; `None` when all are taken, or time is up.
    pub(crate) fn next(&self) -> Option<Ticket> {
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        let nanos = self.interval.as_nanos().checked_mul(number.into())?;
        let due = self.start + Duration::from_nanos(u64::try_from(nanos).ok()?);
        (number < self.total && Instant::now() < self.end).then_some(Ticket { due })
    }
}

fn number<T: FromStr>(word: &str, name: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("{name} {word:?} is none"))
}

#[cfg(test)]
mod tests;

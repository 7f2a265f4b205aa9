//! For how long a server keeps a connection that nobody uses: what it says of it, or what its closings tell.
//!
//! Whoever gives a connection up before its server does never sends a request on one that is just being closed. Pure: what
//! was seen, and when, comes in.

use std::time::{Duration, Instant};

/// Less than this is no habit: a server that closes so early closes for another reason.
const SHORTEST: Duration = Duration::from_millis(200);

/// Closings at one moment have one reason, such as the server's end, and tell of no habit.
const MOMENT: Duration = Duration::from_millis(100);

/// What was learned is believed for so long, and then learned again: servers are changed.
const BELIEVED: Duration = Duration::from_secs(600);

/// The margin before a server's own time; a connection needs some time to tell of its end, and clocks differ.
const LEAST_MARGIN: Duration = Duration::from_millis(100);
const MOST_MARGIN: Duration = Duration::from_secs(5);

/// When to give up an idle connection that its server keeps for so long: a quarter of the time before, 5 s at most.
pub fn give_up_after(kept: Duration) -> Duration {
    kept.saturating_sub((kept / 4).clamp(LEAST_MARGIN, MOST_MARGIN))
}

/// A server that says it keeps connections for longer says no more than that it keeps them.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// So many idle connections to one place are kept even if nobody needs them.
const STOCK: usize = 8;

/// Looks at a pool from one to the next of which a connection was idle, all of them, before it is given up.
const LOOKS: usize = 3;

/// How many of a pool's idle connections nobody has needed.
///
/// A load that comes back soon finds all of its connections, and one that does not leaves no memory held.
#[derive(Debug, Clone, Default)]
pub struct Unneeded {
    /// So many were idle all the time since the last look, from that to the one before, and so on.
    idle: [usize; LOOKS],
}

impl Unneeded {
    /// One was taken out, and so many are left.
    pub fn left(&mut self, idle: usize) {
        self.idle[0] = self.idle[0].min(idle);
    }

    /// The next look, while so many are idle; how many of them are given up.
    pub fn look(&mut self, idle: usize) -> usize {
        self.left(idle);
        let surplus = self.idle.iter().min().map_or(0, |least| least.saturating_sub(STOCK));
        self.idle.rotate_right(1);
        self.idle[0] = idle;
        self.idle.iter_mut().for_each(|least| *least = least.saturating_sub(surplus));
        surplus
    }
}

/// What a server says with its first answer on a connection, in `Keep-Alive: timeout=5, max=100`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stated {
    /// An idle connection is kept for so long.
    pub timeout: Option<Duration>,
    /// So many more requests are taken on it.
    pub more: Option<u32>,
}

impl Stated {
    /// Reads the header's value; what is no number says nothing.
    pub fn read(value: &str) -> Self {
        let mut stated = Self::default();
        for parameter in value.split(',') {
            let Some((name, value)) = parameter.split_once('=') else { continue };
            let value = value.trim().trim_matches('"');
            match name.trim() {
                name if name.eq_ignore_ascii_case("timeout") => {
                    stated.timeout = value.parse().ok().map(|kept| Duration::from_secs(kept).min(LONGEST));
                }
                name if name.eq_ignore_ascii_case("max") => stated.more = value.parse().ok(),
                _ => {}
            }
        }
        stated
    }
}

/// What a server's closings of idle connections tell.
#[derive(Debug, Clone, Default)]
pub struct Habit {
    /// The last closing: after how long, and when.
    last: Option<(Duration, Instant)>,
    /// It keeps connections for so long; learned then.
    keeps: Option<(Duration, Instant)>,
}

impl Habit {
    /// An idle connection was found closed, after so long without a request. A second closing after about the same time, at
    /// another moment, makes it a habit.
    pub fn closed(&mut self, after: Duration, now: Instant) {
        if after < SHORTEST {
            return;
        }
        if let Some((before, when)) = self.last {
            if now.saturating_duration_since(when) < MOMENT {
                return;
            }
            let (less, more) = (after.min(before), after.max(before));
            if more - less <= (less / 4).max(MOMENT) {
                self.keeps = Some((less, now));
            }
        }
        self.last = Some((after, now));
    }

    /// Idle connections are given up after so long, if it is known how long they are kept.
    pub fn limit(&self, now: Instant) -> Option<Duration> {
        let (kept, learned) = self.keeps?;
        (now.saturating_duration_since(learned) < BELIEVED).then(|| give_up_after(kept))
    }

    /// Nothing has ever happened.
    pub const fn is_blank(&self) -> bool {
        self.last.is_none()
    }

    /// Nothing that happened counts any more.
    pub fn is_forgotten(&self, now: Instant) -> bool {
        self.last.is_none_or(|(_, when)| now.saturating_duration_since(when) >= BELIEVED)
    }
}

#[cfg(test)]
mod tests;

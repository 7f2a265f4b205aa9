//! A ceiling of memory: from when on new work is refused, and how soon whoever takes new work has to look again.
//!
//! Pure: how much is used comes in. The nearer the ceiling, the sooner the next look: what is taken between two looks fits
//! below the ceiling even where every piece of it comes to hold as much as one can ([`MOST`]).

/// New work is refused from this share of the limit on...
pub const CLOSE_AT: u64 = 90;

/// ...until no more than this is used.
pub const OPEN_AT: u64 = 80;

/// What one piece of work can hold at most, all of its buffers full. A request: 64 KiB read and 64 KiB to be written on each
/// side, as much again where the side is TLS, 64 KiB of body kept for another try, and its two heads (60 KiB each by default).
pub const MOST: u64 = 1024 * 1024;

/// A look costs a microsecond or two: no worker needs more than one in so many pieces of work.
pub const SELDOM: u32 = 512;

/// Is it full? Once it is, it stays so until clearly less is used.
pub fn is_full(was: bool, used: u64, limit: u64) -> bool {
    let share = if was { OPEN_AT } else { CLOSE_AT };
    u128::from(used) * 100 > u128::from(limit) * u128::from(share)
}

/// So many pieces of work may each of `workers` take before it looks again: together no more than there is room for. At the
/// very end of the room each takes one.
pub fn next_look(used: u64, limit: u64, workers: u32) -> u32 {
    let room = ceiling(limit).saturating_sub(used) / MOST / u64::from(workers.max(1));
    u32::try_from(room).unwrap_or(SELDOM).clamp(1, SELDOM)
}

/// What is used at most when new work is refused, all that was taken having grown as far as it can: the ceiling, and the one
/// piece that each worker takes at the end of the room.
pub fn bound(limit: u64, workers: u32) -> u64 {
    ceiling(limit).saturating_add(u64::from(workers.max(1)) * MOST)
}

fn ceiling(limit: u64) -> u64 {
    limit - limit / 100 * (100 - CLOSE_AT)
}

#[cfg(test)]
mod tests;

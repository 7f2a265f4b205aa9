//! What `/ready` and `weft status` want to know about the control plane.

use std::time::Instant;

/// The state of the one stream to the control plane. Traffic does not depend on it: what was accepted stays in force.
#[derive(Debug, Clone, Default)]
pub struct Connection {
    /// Since when the present stream is open; `None` while there is none.
    pub since: Option<Instant>,
    /// How many streams were opened so far.
    pub streams: u64,
    /// Attempts since the last time that a stream was open.
    pub attempts: u32,
    /// The last thing that went wrong; stays after recovery, with its moment.
    pub last_error: Option<Failure>,
}

/// Why a stream could not be opened, or ended.
#[derive(Debug, Clone)]
pub struct Failure {
    /// When.
    pub at: Instant,
    /// What, in words.
    pub what: String,
}

//! How much of a stranger's head is read before it is refused.

/// The bounds of one message's head and trailers; the same for requests and responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a whole head, start line and final empty line included. 431 beyond.
    pub max_head_bytes: usize,
    /// Header lines of a head, or of a trailer section. 431 beyond. Together with `max_head_bytes` this is the knob
    /// for applications with large or many headers, and it is the same in both directions.
    pub max_headers: usize,
    /// Bytes of a request target. 414 beyond.
    pub max_target: usize,
    /// Bytes of a whole trailer section, names dropped later included.
    pub max_trailer_bytes: usize,
}

impl Default for Limits {
    /// Envoy's 100 headers, 64 KiB of head, 16 KiB of target and of trailers.
    fn default() -> Self {
        Self { max_head_bytes: 64 << 10, max_headers: 100, max_target: 16 << 10, max_trailer_bytes: 16 << 10 }
    }
}

//! Errors as text that may travel: into a log line and a gRPC trailer, though a stranger's bytes are quoted in it.

use std::fmt::Display;

/// The longest text repeated, in characters; a trailer must fit into any client's header limit.
const MAX: usize = 400;

/// The text without control characters, cut to a length that fits anywhere.
pub(crate) fn plain(text: &impl Display) -> String {
    let text = text.to_string();
    let mut plain: String =
        text.chars().take(MAX).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(MAX).is_some() {
        plain.push('…');
    }
    plain
}

#[cfg(test)]
mod tests;

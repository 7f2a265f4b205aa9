//! What a connection speaks, told from its first bytes.
//!
//! Pure: bytes in, verdict out. TLS is only recognized here; its ClientHello is read by rustls.

/// HTTP/2's connection preface.
pub const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The longest first line that is waited for before a stream counts as no HTTP.
const MAX_FIRST_LINE: usize = 8 * 1024;

/// What the first bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// A TLS record.
    Tls,
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2 with prior knowledge.
    H2c,
    /// Anything else.
    Other,
}

impl Protocol {
    /// What Envoy's HTTP inspector calls it among application protocols.
    pub fn alpn(self) -> Option<&'static str> {
        match self {
            Self::Http10 => Some("http/1.0"),
            Self::Http11 => Some("http/1.1"),
            Self::H2c => Some("h2c"),
            Self::Tls | Self::Other => None,
        }
    }
}

/// The verdict on `seen`; `None` asks for more bytes. `complete` says that no more will come.
pub fn protocol(seen: &[u8], complete: bool) -> Option<Protocol> {
    let Some(&first) = seen.first() else { return complete.then_some(Protocol::Other) };
    if first == 0x16 {
        // Handshake, version 3.x; a second byte tells it from a binary protocol by chance.
        return match seen.get(1) {
            Some(3) => Some(Protocol::Tls),
            Some(_) => Some(Protocol::Other),
            None => complete.then_some(Protocol::Other),
        };
    }
    let n = seen.len().min(H2_PREFACE.len());
    if seen[..n] == H2_PREFACE[..n] {
        return if n == H2_PREFACE.len() { Some(Protocol::H2c) } else { complete.then_some(Protocol::Other) };
    }
    let verdict = http1(seen);
    if verdict.is_none() && complete { Some(Protocol::Other) } else { verdict }
}

/// A request line: token SP target SP HTTP/1.x, told as early as it can be.
fn http1(seen: &[u8]) -> Option<Protocol> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let method = seen.iter().take_while(|b| token(**b)).count();
    if method > 32 || (method == 0) {
        return Some(Protocol::Other);
    }
    if method == seen.len() {
        return None;
    }
    if seen[method] != b' ' {
        return Some(Protocol::Other);
    }
    let Some(end) = memchr::memchr(b'\n', seen) else {
        let text = seen[method..].iter().all(|b| *b == b'\r' || (b' '..=b'~').contains(b));
        return if !text || seen.len() > MAX_FIRST_LINE { Some(Protocol::Other) } else { None };
    };
    let line = seen[..end].strip_suffix(b"\r").unwrap_or(&seen[..end]);
    if line.ends_with(b" HTTP/1.1") {
        Some(Protocol::Http11)
    } else if line.ends_with(b" HTTP/1.0") {
        Some(Protocol::Http10)
    } else {
        Some(Protocol::Other)
    }
}

/// Are these the first bytes of a server of HTTP/2? It may send its SETTINGS before its client says anything, which other
/// servers of HTTP never do.
pub fn is_http2_server(seen: &[u8]) -> bool {
    // A frame's length, which is a number of settings; its type; no flags; no stream.
    matches!(seen, [0, high @ 0..0x40, low, 4, 0, 0, 0, 0, 0, ..] if u16::from_be_bytes([*high, *low]).is_multiple_of(6))
}

#[cfg(test)]
mod tests;

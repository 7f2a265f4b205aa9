//! One long body over one connection, every byte looked at.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use crate::pattern::Compared;

/// Nothing that comes is a failure after this.
const PATIENCE: Duration = Duration::from_secs(10);
/// The whole takes no longer.
const LIMIT: Duration = Duration::from_secs(120);

/// How long the body took, from the request to its last byte, as a line of JSON.
pub(crate) fn one(address: SocketAddr, host: &str, bytes: u32) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let begin = Instant::now();
    write!(stream, "GET /bytes/{bytes} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut buffer = vec![0; 256 * 1024];
    let mut head = Vec::new();
    let mut compared = Compared::new();
    // The head, and what of the body came with it.
    let end = loop {
        let read = stream.read(&mut buffer).context("no answer")?;
        ensure!(read > 0, "the connection was closed before the answer");
        head.extend_from_slice(buffer.get(..read).unwrap_or_default());
        if let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        ensure!(head.len() < 64 * 1024, "a head of more than 64 KiB");
    };
    let (head, body) = head.split_at(end + 4);
    ensure!(head.starts_with(b"HTTP/1.1 200"), "answered {:?}", String::from_utf8_lossy(head));
    compared.next(body);
    while compared.seen().is_some_and(|seen| seen < bytes.into()) {
        let read = stream.read(&mut buffer).context("the body stalls")?;
        ensure!(read > 0, "the body ended after {:?} of {bytes} bytes", compared.seen());
        compared.next(buffer.get(..read).unwrap_or_default());
        ensure!(begin.elapsed() < LIMIT, "{bytes} bytes take longer than {LIMIT:?}");
    }
    let took = begin.elapsed();
    match compared.seen() {
        Some(seen) if seen == u64::from(bytes) => {
            Ok(format!("{{\"bytes\":{seen},\"micros\":{}}}", took.as_micros()))
        }
        Some(seen) => bail!("{seen} bytes came, not {bytes}"),
        None => bail!("other bytes came than were sent"),
    }
}

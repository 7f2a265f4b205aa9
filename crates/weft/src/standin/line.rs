//! The stand-in's TCP port: sends every line back.

use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A longer line is sent back in pieces.
const MAX_LINE: u64 = 64 * 1024;
/// Connections open at once on one port; further ones wait.
pub(super) const MAX_CONNECTIONS: usize = 4096;

/// Accepts until `stop`; connections end with it.
pub(super) async fn serve(listener: Arc<TcpListener>, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => { connections.spawn(connection(stream)); }
                Err(error) => pause_after(&error).await,
            },
            Some(_) = connections.join_next() => {}
            () = stop.cancelled() => break,
        }
    }
}

/// Out of descriptors, most likely: told once a time, and the loop must not spin.
pub(super) async fn pause_after(error: &std::io::Error) {
    crate::say::say!("weft: cannot accept a connection: {error}");
    tokio::time::sleep(Duration::from_millis(50)).await;
}

async fn connection(stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let (read, write) = stream.into_split();
    let _ = echo(BufReader::new(read), write).await;
}

/// Copies line after line from `read` to `write` until either ends.
pub(super) async fn echo(
    mut read: impl AsyncBufReadExt + Unpin,
    mut write: impl AsyncWriteExt + Unpin,
) -> std::io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut read).take(MAX_LINE).read_until(b'\n', &mut line).await? == 0 {
            return write.shutdown().await;
        }
        write.write_all(&line).await?;
        write.flush().await?;
    }
}

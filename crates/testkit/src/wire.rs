//! A peer that speaks in raw bytes, so that a test decides each of them: a client, or an app that is told what to answer.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Nothing here takes longer, unless something is broken.
const PATIENCE: Duration = Duration::from_secs(5);

/// One end of a TCP connection.
#[derive(Debug)]
pub struct Peer {
    socket: TcpStream,
    seen: Vec<u8>,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// In order.
    Closed,
    /// Broken off.
    Reset,
}

impl Peer {
    /// Connects.
    pub async fn connect(to: SocketAddr) -> Self {
        Self { socket: TcpStream::connect(to).await.unwrap(), seen: Vec::new() }
    }

    /// Sends all of it.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sending = self.socket.write_all(bytes.as_ref());
        tokio::time::timeout(PATIENCE, sending).await.expect("nobody reads").unwrap();
    }

    /// Reads up to and with `mark`.
    pub async fn until(&mut self, mark: &str) -> String {
        loop {
            let found = self.seen.windows(mark.len()).position(|w| w == mark.as_bytes());
            if let Some(at) = found {
                let rest = self.seen.split_off(at + mark.len());
                return String::from_utf8_lossy(&std::mem::replace(&mut self.seen, rest)).into_owned();
            }
            let more = self.read().await;
            assert!(more, "the connection ended before {mark:?}: {:?}", String::from_utf8_lossy(&self.seen));
        }
    }

    /// Reads a head, its empty line included.
    pub async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }

    /// Reads so many bytes.
    pub async fn exactly(&mut self, n: usize) -> String {
        while self.seen.len() < n {
            let more = self.read().await;
            assert!(more, "the connection ended after {} of {n} bytes", self.seen.len());
        }
        let rest = self.seen.split_off(n);
        String::from_utf8_lossy(&std::mem::replace(&mut self.seen, rest)).into_owned()
    }

    /// Reads a response with a content-length: its head in lower case, and its body.
    pub async fn response(&mut self) -> (String, String) {
        let head = self.head().await.to_ascii_lowercase();
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok());
        let body = self.exactly(length.unwrap_or(0)).await;
        (head, body)
    }

    /// Reads to the end; what came before it, and how it ended.
    pub async fn end(&mut self) -> (String, End) {
        let mut piece = [0; 4096];
        let end = loop {
            match tokio::time::timeout(PATIENCE, self.socket.read(&mut piece)).await.expect("no end") {
                Ok(0) => break End::Closed,
                Ok(n) => self.seen.extend_from_slice(&piece[..n]),
                Err(_) => break End::Reset,
            }
        };
        (String::from_utf8_lossy(&std::mem::take(&mut self.seen)).into_owned(), end)
    }

    /// Ends what it sends.
    pub async fn finish(&mut self) {
        self.socket.shutdown().await.unwrap();
    }

    /// Ends the connection by breaking it off.
    pub fn break_off(self) {
        self.socket.set_zero_linger().unwrap();
    }

    /// The socket.
    pub fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    async fn read(&mut self) -> bool {
        let mut piece = [0; 4096];
        match tokio::time::timeout(PATIENCE, self.socket.read(&mut piece)).await.expect("nothing comes") {
            Ok(n) if n > 0 => self.seen.extend_from_slice(&piece[..n]),
            _ => return false,
        }
        true
    }
}

/// An app that does nothing by itself.
#[derive(Debug)]
pub struct Puppet {
    listener: TcpListener,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Puppet {
    /// Listens.
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { address: listener.local_addr().unwrap(), listener }
    }

    /// The next connection that somebody makes to it.
    pub async fn accept(&self) -> Peer {
        let accepted = tokio::time::timeout(PATIENCE, self.listener.accept()).await;
        let (socket, _) = accepted.expect("nobody connects").unwrap();
        Peer { socket, seen: Vec::new() }
    }

    /// Is there no connection waiting to be taken?
    pub async fn is_left_alone(&self) -> bool {
        std::future::poll_fn(|cx| std::task::Poll::Ready(self.listener.poll_accept(cx).is_pending())).await
    }
}

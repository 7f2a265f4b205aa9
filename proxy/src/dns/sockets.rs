//! Where queries come in: datagrams and connections.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::query::Transport;
use super::resolver::{Resolver, Step};

/// A connection that brings no query for so long is closed.
const IDLE: Duration = Duration::from_secs(10);

/// Connections at a time; more wait to be accepted, and none is idle for long.
const CONNECTIONS: usize = 256;

/// After an error of the socket itself, which may last.
const PAUSE: Duration = Duration::from_millis(10);

/// Answers datagrams, until the room is closed.
pub(super) async fn datagrams(resolver: Rc<Resolver>, socket: Rc<UdpSocket>) {
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let (length, peer) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            Err(error) => {
                tracing::debug!(%error, "a datagram could not be received");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let bytes = &buffer[..length];
        match resolver.at_once(bytes, Transport::Udp, peer) {
            // An asker who is gone, or a full buffer: as if it were lost on the way.
            Step::Done(answer) => drop(socket.try_send_to(&answer, peer)),
            Step::Nothing => {}
            Step::Later => {
                let (resolver, socket, bytes) = (Rc::clone(&resolver), Rc::clone(&socket), bytes.to_vec());
                tokio::task::spawn_local(async move {
                    if let Some(answer) = resolver.later(bytes, Transport::Udp).await {
                        drop(socket.try_send_to(&answer, peer));
                    }
                });
            }
        }
    }
}

/// Answers connections, until the room is closed.
pub(super) async fn connections(resolver: Rc<Resolver>, listener: Rc<TcpListener>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let resolver = Rc::clone(&resolver);
                tokio::task::spawn_local(async move {
                    let _place = place;
                    // How it ended is the asker's affair.
                    let _ = connection(resolver, stream, peer).await;
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// One query after the other, each with its length before it.
async fn connection(resolver: Rc<Resolver>, mut stream: TcpStream, peer: SocketAddr) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let query = async {
            let length = stream.read_u16().await?;
            let mut bytes = vec![0; usize::from(length)];
            stream.read_exact(&mut bytes).await?;
            Ok::<_, std::io::Error>(bytes)
        };
        let bytes = timeout(IDLE, query).await??;
        let answer = match resolver.at_once(&bytes, Transport::Tcp, peer) {
            Step::Done(answer) => answer,
            Step::Nothing => return Ok(()),
            Step::Later => match Rc::clone(&resolver).later(bytes, Transport::Tcp).await {
                Some(answer) => answer,
                None => return Ok(()),
            },
        };
        let length = u16::try_from(answer.len()).map_err(std::io::Error::other)?;
        let framed = [&length.to_be_bytes()[..], &answer].concat();
        timeout(IDLE, stream.write_all(&framed)).await??;
    }
}

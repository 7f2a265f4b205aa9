//! One question, one server, one answer.
//!
//! Whoever wants to have a false answer believed has to guess: the question leaves from a port that the kernel draws for
//! it alone, under a number drawn for it alone; only the server it went to is heard, and only what repeats the question.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use crate::dns::wire;

/// Our own questions that wait, by local port and number.
type Asked = RefCell<HashSet<(u16, u16)>>;

/// A question of ours, in the list for as long as it waits.
struct Asking<'a> {
    list: &'a Asked,
    mark: (u16, u16),
}

impl<'a> Asking<'a> {
    fn new(list: &'a Asked, port: u16, id: u16) -> Self {
        list.borrow_mut().insert((port, id));
        Self { list, mark: (port, id) }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.list.borrow_mut().remove(&self.mark);
    }
}

/// The query under a number of its own.
fn renumbered(query: &[u8]) -> (Vec<u8>, u16) {
    let id: u16 = rand::random();
    let mut question = query.to_vec();
    question[..2].copy_from_slice(&id.to_be_bytes());
    (question, id)
}

/// Asks in a datagram.
pub(super) async fn datagram(server: SocketAddr, query: &[u8], asked: &Asked) -> io::Result<Vec<u8>> {
    let any: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await?;
    socket.connect(server).await?;
    let (question, id) = renumbered(query);
    let _asking = Asking::new(asked, socket.local_addr()?.port(), id);
    socket.send(&question).await?;
    loop {
        let mut answer = Vec::with_capacity(usize::from(u16::MAX));
        socket.recv_buf(&mut answer).await?;
        if wire::answers(&answer, &question) {
            answer.shrink_to_fit();
            return Ok(answer);
        }
    }
}

/// Asks on a connection.
pub(super) async fn connection(server: SocketAddr, query: &[u8], asked: &Asked) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let (question, id) = renumbered(query);
    let _asking = Asking::new(asked, stream.local_addr()?.port(), id);
    let length = u16::try_from(question.len()).map_err(io::Error::other)?;
    let framed = [&length.to_be_bytes()[..], &question].concat();
    stream.write_all(&framed).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    if wire::answers(&answer, &question) {
        return Ok(answer);
    }
    Err(io::Error::other("its answer is one to another question"))
}

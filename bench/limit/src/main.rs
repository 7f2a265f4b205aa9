//! The least that a pair of mTLS proxies can do: wait, read once, seal or open, write once. No HTTP, no policy, no
//! record of anything. What a real pair spends beyond this is what its features cost.
//!
//! It is a measure, not a proxy: a peer that does not take what it is sent loses its connection.

mod pair;
mod tls;

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};

use pair::{Pair, Side};

const USAGE: &str = "usage: weft-bench-limit client|server LISTEN UPSTREAM FOLDER THREADS
  client: takes plaintext, speaks TLS to UPSTREAM;  server: takes TLS, speaks plaintext to UPSTREAM
  FOLDER holds ca.pem, client.pem, client.key, server.pem, server.key";

/// What one thread needs; each has a socket and connections of its own.
#[derive(Clone)]
struct Work {
    listen: SocketAddr,
    upstream: SocketAddr,
    side: Side,
}

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [side, listen, upstream, folder, threads] = words.as_slice() else { anyhow::bail!(USAGE) };
    let folder = Path::new(folder);
    let side = match side.as_str() {
        "client" => Side::Client(tls::client(folder)?),
        "server" => Side::Server(tls::server(folder)?),
        _ => anyhow::bail!(USAGE),
    };
    let work = Work { listen: listen.parse()?, upstream: upstream.parse()?, side };
    let threads: usize = threads.parse()?;
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(|| run(&work.clone()))).collect();
        for thread in running {
            thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))??;
        }
        Ok(())
    })
}

/// A thread's life: token 0 is the listener, an even token a client, the odd one after it its upstream.
fn run(work: &Work) -> anyhow::Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = bind(work.listen)?;
    poll.registry().register(&mut listener, Token(0), Interest::READABLE)?;
    let mut pairs: Vec<Option<Pair>> = vec![None];
    let mut events = Events::with_capacity(256);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            other => other?,
        }
        for event in &events {
            let Token(token) = event.token();
            if token == 0 {
                accept(&listener, work, &mut pairs, poll.registry())?;
                continue;
            }
            let slot = &mut pairs[token / 2];
            if let Some(pair) = slot
                && pair.carry(token % 2 == 1, &mut buffer).is_err()
            {
                *slot = None;
            }
        }
    }
}

fn accept(
    listener: &TcpListener,
    work: &Work,
    pairs: &mut Vec<Option<Pair>>,
    registry: &mio::Registry,
) -> anyhow::Result<()> {
    // Edges are told once: everybody who waits is taken.
    while let Ok((mut down, _)) = listener.accept() {
        let up = std::net::TcpStream::connect(work.upstream).context("the upstream takes no connection")?;
        up.set_nonblocking(true)?;
        let mut up = TcpStream::from_std(up);
        down.set_nodelay(true)?;
        up.set_nodelay(true)?;
        let token = pairs.len() * 2;
        registry.register(&mut down, Token(token), Interest::READABLE)?;
        registry.register(&mut up, Token(token + 1), Interest::READABLE)?;
        pairs.push(Pair::new(down, up, &work.side).ok());
    }
    Ok(())
}

/// Each thread has a socket of its own at the same port; the kernel gives connections out.
fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    Ok(TcpListener::from_std(socket.into()))
}

//! What the kernel tells of this machine's sockets, and one that takes no connections.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};

/// The lines of `/proc/net/tcp` that are of connections to `remote`: state, timer, time left (in clock ticks of 10 ms).
fn lines(remote: SocketAddr) -> Vec<(u8, u8, u64)> {
    let SocketAddr::V4(v4) = remote else { panic!("{remote} is none of IPv4") };
    let wanted = format!("{:08X}:{:04X}", u32::from_ne_bytes(v4.ip().octets()), v4.port());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let of_remote = table.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if *fields.get(2)? != wanted {
            return None;
        }
        let (timer, left) = fields.get(5)?.split_once(':')?;
        let hex = |text: &str| u64::from_str_radix(text, 16).ok();
        Some((u8::try_from(hex(fields.get(3)?)?).ok()?, u8::try_from(hex(timer)?).ok()?, hex(left)?))
    });
    of_remote.collect()
}

const ESTABLISHED: u8 = 1;
const KEEPALIVE: u8 = 2;

/// When the kernel probes the connection to `remote` next, if it does; `None` if there is no connection.
pub(super) fn keepalive_timer(remote: SocketAddr) -> Option<Option<Duration>> {
    let (_, timer, left) = lines(remote).into_iter().find(|(state, ..)| *state == ESTABLISHED)?;
    Some((timer == KEEPALIVE).then(|| Duration::from_millis(left * 10)))
}

/// How many connections to `remote` are not over: those that wait out their end are.
pub(super) fn open(remote: SocketAddr) -> usize {
    const TIME_WAIT: u8 = 6;
    lines(remote).iter().filter(|(state, ..)| *state != TIME_WAIT).count()
}

/// A port whose connections are never taken.
pub(super) struct Deaf {
    pub(super) address: SocketAddr,
    _kept: Vec<Box<dyn Send>>,
}

/// Its queue is full, so the kernel answers nobody any more.
pub(super) fn deaf() -> Deaf {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut kept: Vec<Box<dyn Send>> = vec![Box::new(listener)];
    for _ in 0..4 {
        let filling = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(50));
        let Ok(filling) = filling else { break };
        kept.push(Box::new(filling));
    }
    Deaf { address, _kept: kept }
}

/// An end that is broken off, with RST.
pub(super) fn break_off(socket: &TcpStream) {
    socket.set_zero_linger().unwrap();
}

//! A DNS server of the machine's, by both transports: what it knows is all that there is in the world.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

/// How long nobody asks before it is looked whether anybody will.
const LOOK: Duration = Duration::from_millis(20);
const A: u16 = 1;
const TXT: u16 = 16;
const AAAA: u16 = 28;

/// Answers until it is dropped.
pub(crate) struct World {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl World {
    pub(crate) fn start() -> Self {
        let (datagrams, connections) = sockets();
        let port = datagrams.local_addr().unwrap().port();
        let (asked, stop) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicBool>::default());
        let goes_on = |stop: &Arc<AtomicBool>| {
            let stop = stop.clone();
            move || !stop.load(Ordering::Relaxed)
        };
        let (lives, asks) = (goes_on(&stop), asked.clone());
        let first = spawn(move || {
            datagrams.set_read_timeout(Some(LOOK)).unwrap();
            let mut query = [0; 4096];
            while lives() {
                let Ok((length, from)) = datagrams.recv_from(&mut query) else { continue };
                let (name, answer) = answer(&query[..length], true);
                asks.lock().unwrap().push(name);
                datagrams.send_to(&answer, from).unwrap();
            }
        });
        let (lives, asks) = (goes_on(&stop), asked.clone());
        let second = spawn(move || {
            connections.set_nonblocking(true).unwrap();
            while lives() {
                let Ok((mut stream, _)) = connections.accept() else {
                    sleep(LOOK);
                    continue;
                };
                stream.set_nonblocking(false).unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                let mut length = [0; 2];
                while stream.read_exact(&mut length).is_ok() {
                    let mut query = vec![0; u16::from_be_bytes(length).into()];
                    stream.read_exact(&mut query).unwrap();
                    let (name, answer) = answer(&query, false);
                    asks.lock().unwrap().push(name);
                    let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
                    stream.write_all(&[&length[..], &answer].concat()).unwrap();
                }
            }
        });
        Self { port, asked, stop, threads: vec![first, second] }
    }

    /// The names that it was asked about.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// One of each kind at the same port.
fn sockets() -> (UdpSocket, TcpListener) {
    loop {
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        if let Ok(connections) = TcpListener::bind(datagrams.local_addr().unwrap()) {
            return (datagrams, connections);
        }
    }
}

/// `www.example.org` is 192.0.2.7 and 2001:db8::7, and `large.example.org` has a text that no datagram holds.
fn answer(query: &[u8], is_datagram: bool) -> (String, Vec<u8>) {
    let (mut labels, mut at) = (Vec::new(), 12);
    while query[at] != 0 {
        let next = at + 1 + usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..next]).to_lowercase());
        at = next;
    }
    let name = labels.join(".");
    let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
    let text = || [&[250][..], &[b'x'; 250]].concat();
    let records: Option<Vec<Vec<u8>>> = match (name.as_str(), kind) {
        ("www.example.org", A) => Some(vec![vec![192, 0, 2, 7]]),
        ("www.example.org", AAAA) => Some(vec![[&[0x20, 1, 0x0d, 0xb8][..], &[0; 11], &[7]].concat()]),
        ("large.example.org", TXT) => Some((0..20).map(|_| text()).collect()),
        ("www.example.org" | "large.example.org", _) => Some(Vec::new()),
        _ => None,
    };
    let is_cut = is_datagram && records.as_ref().is_some_and(|records| records.len() > 1);
    let code = if records.is_some() { 0 } else { 3 };
    let records = records.filter(|_| !is_cut).unwrap_or_default();
    let flags = [0x81 | if is_cut { 2 } else { 0 }, 0x80 | code];
    let mut answer =
        [&query[..2], &flags, &[0, 1, 0, u8::try_from(records.len()).unwrap(), 0, 0, 0, 0]].concat();
    answer.extend(&query[12..at + 5]);
    for data in records {
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 60]);
        answer.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        answer.extend(data);
    }
    (name, answer)
}

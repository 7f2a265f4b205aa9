//! Whoever stands outside of a mesh: servers with certificates of their own, a DNS server, an app that says one word.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::meshes::{Home, LIMIT};

/// A certificate, its key, and the authority that signed it; PEM.
pub(crate) struct Identity {
    ca: String,
    chain: String,
    key: String,
}

impl Identity {
    /// Of an authority that signs nothing else.
    pub(crate) fn new(name: &str) -> Self {
        use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
        static COUNT: AtomicUsize = AtomicUsize::new(1);
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        let called = format!("authority {}", COUNT.fetch_add(1, Ordering::Relaxed));
        ca.distinguished_name.push(DnType::CommonName, called);
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let leaf = leaf.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
        Self { ca: ca_pem, chain: leaf.pem(), key: key.serialize_pem() }
    }

    /// Its authority, as a file.
    pub(crate) fn write_ca(&self, folder: &Path, name: &str) -> String {
        write(folder, name, &self.ca)
    }

    /// Its certificate and its key, as files.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> (String, String) {
        let file = |end: &str, text: &str| write(folder, &format!("{name}.{end}"), text);
        (file("crt", &self.chain), file("key", &self.key))
    }
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// openssl's own server, which answers with a page of its own.
pub(crate) struct TlsServer {
    pub(crate) port: u16,
    process: Child,
}

impl TlsServer {
    /// `None` where openssl is not installed.
    pub(crate) fn start(folder: &Path, identity: &Identity, more: &[&str]) -> Option<Self> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut server = Self { port, process: openssl(folder, identity, port, more).spawn().ok()? };
            // It ends where somebody else has taken the port meanwhile.
            while server.process.try_wait().unwrap().is_none() {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Some(server);
                }
                assert!(Instant::now() < deadline, "openssl does not listen");
                std::thread::sleep(Duration::from_millis(10));
            }
            assert!(Instant::now() < deadline, "openssl ends");
        }
    }
}

fn openssl(folder: &Path, identity: &Identity, port: u16, more: &[&str]) -> Command {
    let (chain, key) = identity.write(folder, &format!("server-{port}"));
    let at = format!("127.0.0.1:{port}");
    let mut command = Command::new("openssl");
    command.args(["s_server", "-www", "-accept", &at, "-cert", &chain, "-key", &key]);
    // Of a host that is asked for by its name.
    command.args(["-cert2", &chain, "-key2", &key]).args(more);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An app that answers every request with one word; says its port.
pub(crate) fn answers_with(address: Ipv4Addr, port: u16, word: &'static str) -> u16 {
    let listener = TcpListener::bind((address, port)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut seen = [0; 4096];
                while matches!(stream.read(&mut seen), Ok(n) if n > 0) {
                    let length = word.len();
                    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{word}");
                    if stream.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

/// A DNS server whose every name has the addresses that it was told to say, for a second.
pub(crate) struct Dns {
    addresses: Arc<Mutex<Vec<Ipv4Addr>>>,
    asked: Arc<AtomicUsize>,
}

impl Dns {
    /// At the port where resolvers look; `None`, which is said, where this user may not have it.
    pub(crate) fn start(address: Ipv4Addr) -> Option<Self> {
        let socket = match UdpSocket::bind(SocketAddr::from((address, 53))) {
            Ok(socket) => socket,
            Err(error) => {
                eprintln!("skipped: port 53 cannot be had here ({error}); needs root");
                return None;
            }
        };
        let dns = Self { addresses: Arc::default(), asked: Arc::default() };
        let (addresses, asked) = (dns.addresses.clone(), dns.asked.clone());
        std::thread::spawn(move || {
            let mut query = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut query) {
                asked.fetch_add(1, Ordering::SeqCst);
                let said = addresses.lock().unwrap().clone();
                let _ = socket.send_to(&answer(&query[..length], &said), from);
            }
        });
        Some(dns)
    }

    /// From now on it says these; none of them: that there is no such name.
    pub(crate) fn say(&self, addresses: &[Ipv4Addr]) {
        *self.addresses.lock().unwrap() = addresses.to_vec();
    }

    /// How many questions have come.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn answer(query: &[u8], addresses: &[Ipv4Addr]) -> Vec<u8> {
    let mut end = 12;
    while query[end] != 0 {
        end += usize::from(query[end]) + 1;
    }
    let question = &query[12..end + 5];
    let of_v4 = query[end + 1..end + 3] == [0, 1];
    let records = if of_v4 { addresses } else { &[] };
    let code = if addresses.is_empty() { 3 } else { 0 };
    let count = u8::try_from(records.len()).unwrap();
    let mut answer = query[..2].to_vec();
    answer.extend([0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
    answer.extend(question);
    for address in records {
        // The name of the question, A, IN, one second, four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        answer.extend(address.octets());
    }
    answer
}

/// `weft up` where resolvers read this file; `None`, which is said, where no mount namespace can be had.
pub(crate) fn with_resolv_conf(home: &Home, file: &Path) -> Option<Command> {
    with(home, file, "/etc/resolv.conf")
}

/// The same where the system trusts the authorities of this folder, and no others.
pub(crate) fn with_trusted(home: &Home, folder: &Path) -> Option<Command> {
    with(home, folder, "/etc/ssl/certs")
}

/// `weft up` where something else stands in a place of this machine.
fn with(home: &Home, file: &Path, place: &str) -> Option<Command> {
    let mount = format!("mount --bind \"$0\" {place}");
    let file = file.to_str().unwrap();
    let tried = Command::new("unshare").args(["-m", "sh", "-c", &mount, file]).output();
    if !tried.as_ref().is_ok_and(|tried| tried.status.success()) {
        eprintln!("skipped: no mount namespace can be had here: {tried:?}");
        return None;
    }
    let then = format!("{mount} && exec \"$@\"");
    let yaml = home.yaml();
    Some(home.by(
        "unshare",
        &["-m", "sh", "-c", &then, file, env!("CARGO_BIN_EXE_weft"), "up", yaml.to_str().unwrap()],
    ))
}

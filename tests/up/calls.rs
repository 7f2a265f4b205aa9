//! Calls as an app of the mesh makes them, many on one connection: to the sidecar's HTTP proxy on loopback, in namespaces
//! to the service's own name, of which the kernel and the sidecar make what they make for any program.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use super::place::{Place, connect};
use super::{HTTP_PROXY, Mesh};

const PATIENCE: Duration = Duration::from_secs(5);

/// A connection on which `url` can be asked for, and how requests name it there.
pub(crate) struct Line {
    stream: TcpStream,
    target: String,
    host: String,
}

impl Line {
    /// One request: its answer's status, and its body if that is JSON. `None` where no whole answer came.
    pub(crate) fn ask(&mut self, method: &str, headers: &[&str]) -> Option<(u16, Value)> {
        let more: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let (target, host) = (&self.target, &self.host);
        let request =
            format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n{more}\r\n");
        ask_once(&mut self.stream, &request)
    }

    /// Answers that take longer than most are waited for.
    pub(crate) fn patient(self, patience: Duration) -> Self {
        self.stream.set_read_timeout(Some(patience)).unwrap();
        self
    }
}

/// Where an app connects to reach something.
struct Door {
    address: SocketAddr,
    namespace: Option<String>,
}

impl Door {
    fn open(&self) -> TcpStream {
        let stream = match &self.namespace {
            Some(namespace) => connect(namespace, self.address),
            None => TcpStream::connect(self.address).unwrap(),
        };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}

impl Mesh {
    /// A connection of an app of `from`.
    pub(crate) fn line(&self, from: &str, url: &str) -> Line {
        self.lines(from, url, 1).remove(0)
    }

    /// So many of them.
    pub(crate) fn lines(&self, from: &str, url: &str, count: usize) -> Vec<Line> {
        let rest = url.strip_prefix("http://").unwrap();
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let target = match self.place {
            Place::Loopback => url.to_owned(),
            Place::Namespaces => format!("/{path}"),
        };
        let door = self.door(from, host, 80);
        let line = |_| Line { stream: door.open(), target: target.clone(), host: host.to_owned() };
        (0..count).map(line).collect()
    }

    /// Where an app of `from` would connect to reach a host's port.
    fn door(&self, from: &str, host: &str, port: u16) -> Door {
        let pod = self.pod(from);
        match self.place {
            Place::Loopback => {
                let own = self.field(&pod, "localhost").parse().unwrap();
                Door { address: SocketAddr::new(own, HTTP_PROXY), namespace: None }
            }
            Place::Namespaces => {
                let address: IpAddr = self.resolved(from, host).parse().unwrap();
                Door { address: SocketAddr::new(address, port), namespace: Some(self.field(&pod, "netns")) }
            }
        }
    }

    /// What a program of that pod takes a name for.
    fn resolved(&self, from: &str, host: &str) -> String {
        let output = self.command(&["exec", from, "--", "getent", "ahostsv4", host]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        said.split_whitespace()
            .next()
            .unwrap_or_else(|| panic!("{from} knows no {host}: {output:?}"))
            .to_owned()
    }

    /// Many requests on one connection, as an app with keep-alive makes them; the bodies of those answered with 200.
    pub(crate) fn many(&self, from: &str, url: &str, count: usize, headers: &[&str]) -> Vec<Value> {
        let mut line = self.line(from, url);
        let answers = (0..count).filter_map(|_| line.ask("GET", headers));
        answers.filter(|(status, _)| *status == 200).map(|(_, body)| body).collect()
    }

    /// Requests of several clients at once.
    pub(crate) fn concurrent(&self, from: &str, url: &str, total: usize, clients: usize) -> Vec<Value> {
        std::thread::scope(|scope| {
            let each: Vec<_> =
                (0..clients).map(|_| scope.spawn(|| self.many(from, url, total / clients, &[]))).collect();
            each.into_iter().flat_map(|one| one.join().unwrap()).collect()
        })
    }

    /// A line to a TCP service, and what comes back; `None` where nothing does.
    pub(crate) fn tcp_echo(&self, from: &str, service: &str, port: u16, line: &str) -> Option<String> {
        let mut stream = self.door(from, service, port).open();
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        if self.place == Place::Loopback {
            write!(stream, "CONNECT {service}:{port} HTTP/1.1\r\nHost: {service}:{port}\r\n\r\n").ok()?;
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if reader.read_line(&mut head).ok()? == 0 {
                    return None;
                }
            }
            if !head.starts_with("HTTP/1.1 200") {
                return None;
            }
        }
        writeln!(stream, "{line}").ok()?;
        let mut answer = String::new();
        reader.read_line(&mut answer).ok().filter(|n| *n > 0)?;
        Some(answer.trim_end().to_owned())
    }

    /// What the one endpoint of service `spy` first hears of a call: the test itself is that endpoint.
    pub(crate) fn first_bytes_at_spy(&self, from: &str, path: &str) -> Vec<u8> {
        let mut line = self.line(from, &format!("http://spy{path}"));
        write!(line.stream, "GET {} HTTP/1.1\r\nHost: spy\r\n\r\n", line.target).unwrap();
        let mut heard = None;
        self.eventually("the spy is called", || {
            heard = self.spy.accept();
            heard.is_some()
        });
        let mut socket = heard.unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut bytes = vec![0; 4096];
        let n = socket.read(&mut bytes).unwrap();
        bytes.truncate(n);
        bytes
    }

    /// Asks again and again on a thread of its own, until told to stop.
    pub(crate) fn background(&self, from: &str, url: &str) -> Load {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (told, counted, mut line) = (stop.clone(), sent.clone(), self.line(from, url));
        let thread = std::thread::spawn(move || {
            let mut failed = Vec::new();
            while !told.load(Ordering::Relaxed) && counted.fetch_add(1, Ordering::Relaxed) < 100_000 {
                match line.ask("POST", &[]) {
                    Some((200, _)) => {}
                    other => failed.push(format!("{other:?}")),
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            failed
        });
        Load { stop, sent, thread }
    }
}

/// Requests that go on in the background.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    thread: JoinHandle<Vec<String>>,
}

impl Load {
    /// How many were sent so far.
    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    /// How many were sent, and what became of those that were not answered with 200.
    pub(crate) fn stop(self) -> (usize, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let failed = self.thread.join().unwrap();
        (self.sent.load(Ordering::Relaxed), failed)
    }
}

/// One request on a connection; `None` where no whole answer came.
fn ask_once(stream: &mut TcpStream, request: &str) -> Option<(u16, Value)> {
    stream.write_all(request.as_bytes()).ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut status, mut length, mut line) = (0, 0, String::new());
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let text = line.trim_end().to_ascii_lowercase();
        if text.is_empty() {
            break;
        }
        if text.starts_with("http/1.") {
            status = text.split(' ').nth(1)?.parse().ok()?;
        } else if let Some(value) = text.strip_prefix("content-length: ") {
            length = value.parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
}

//! A stand-in for an app that fails as it is told, request by request, over HTTP/1.1 and HTTP/2; and remembers what it saw.
//!
//! Header `x-fault`, else what the test said of the app, is a list of words, with commas between:
//!
//! | word | what happens |
//! |---|---|
//! | a number | the answer's status |
//! | `name:value` | a header of the answer |
//! | `grpc=N` | the answer is a gRPC status |
//! | `pause=N` | so many milliseconds pass first |
//! | `hold` | nothing, until the test lets go |
//! | `hang` | nothing, ever |
//! | `reset`, `close` | the connection is broken off, closed |
//! | `refuse`, `internal` | the stream is reset: REFUSED_STREAM, INTERNAL_ERROR |
//! | `times=N` | all that is for the first N tries of a request; then it is well |
//! | `then=WORD` | all that is for the first try; for each after that it is this |

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// One request as an app saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Which of the scene's apps.
    pub(crate) app: usize,
    pub(crate) path: String,
    pub(crate) version: http::Version,
    /// Names in lower case, in the order in which they came.
    pub(crate) headers: Vec<(String, String)>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str())
    }
}

/// What the apps of one scene, before one proxy, have seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Witness(Arc<Mutex<Vec<Seen>>>);

impl Witness {
    /// Every try of a request.
    pub(crate) fn tries(&self, ask: &str) -> Vec<Seen> {
        let all = self.0.lock().unwrap();
        all.iter().filter(|seen| seen.header("x-ask") == Some(ask)).cloned().collect()
    }

    /// How many requests for a path the apps saw, each.
    pub(crate) fn count_of(&self, path: &str, apps: usize) -> Vec<usize> {
        let all = self.0.lock().unwrap();
        let of = |app| all.iter().filter(|seen| seen.app == app && seen.path == path).count();
        (0..apps).map(of).collect()
    }

    /// How many requests the apps saw, each.
    pub(crate) fn count(&self, apps: usize) -> Vec<usize> {
        let all = self.0.lock().unwrap();
        (0..apps).map(|app| all.iter().filter(|seen| seen.app == app).count()).collect()
    }
}

/// One app.
#[derive(Debug, Clone)]
pub(crate) struct App {
    number: usize,
    witness: Witness,
    fault: Arc<Mutex<String>>,
    free: Arc<watch::Sender<bool>>,
    connections: Arc<AtomicU32>,
}

impl App {
    pub(crate) fn new(number: usize, witness: Witness) -> Self {
        let free = Arc::new(watch::Sender::new(false));
        Self { number, witness, fault: Arc::default(), free, connections: Arc::default() }
    }

    pub(crate) async fn serve(&self, at: SocketAddr) {
        let listener = TcpListener::bind(at).await.unwrap();
        let this = self.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                this.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(this.clone().talk(socket));
            }
        });
    }

    /// From now on it fails so where a request does not say otherwise.
    pub(crate) fn fail(&self, fault: &str) {
        fault.clone_into(&mut self.fault.lock().unwrap());
    }

    /// Lets go of all that is held.
    pub(crate) fn let_go(&self) {
        self.free.send_replace(true);
    }

    /// How many connections were made to it.
    pub(crate) fn connections(&self) -> u32 {
        self.connections.load(Ordering::SeqCst)
    }

    async fn talk(self, socket: TcpStream) {
        let mut first = [0; 3];
        if socket.peek(&mut first).await.is_ok_and(|n| n == 3) && first == *b"PRI" {
            self.talk_h2(socket).await;
        } else {
            self.talk_h1(socket).await;
        }
    }

    async fn talk_h1(self, mut socket: TcpStream) {
        let mut buffer = Vec::new();
        while let Some(request) = read_h1(&mut socket, &mut buffer).await {
            let answer = self.see(request).await;
            match answer.end {
                End::Answer => {}
                End::Reset(_) => {
                    let _ = socket.set_zero_linger();
                    return;
                }
                End::Close => return,
            }
            let mut head = format!("HTTP/1.1 {} x\r\n", answer.status);
            for (name, value) in &answer.headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            head.push_str("content-length: 2\r\n\r\nok");
            if socket.write_all(head.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    async fn talk_h2(self, socket: TcpStream) {
        let Ok(mut connection) = h2::server::handshake(socket).await else { return };
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            let this = self.clone();
            tokio::spawn(async move {
                let (request, mut body) = request.into_parts();
                while let Some(Ok(piece)) = body.data().await {
                    let _ = body.flow_control().release_capacity(piece.len());
                }
                let answer = this.see(Request::from_parts(request, ())).await;
                let reason = match answer.end {
                    End::Answer => return answer.send(respond),
                    End::Reset(reason) => reason,
                    End::Close => Reason::CANCEL,
                };
                respond.send_reset(reason);
            });
        }
    }

    /// Remembers a request and does what it, or the test, says; gives what is to be answered.
    async fn see(&self, request: Request<()>) -> Answer {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers: Vec<_> = request.headers().iter().map(|(n, v)| (n.to_string(), text(v))).collect();
        let path = request.uri().path_and_query().map_or(String::new(), ToString::to_string);
        let is_health_check = path == "/grpc.health.v1.Health/Check";
        let seen = Seen { app: self.number, path, version: request.version(), headers };
        let ask = seen.header("x-ask").unwrap_or_default().to_owned();
        let fault = seen.header("x-fault").map(str::to_owned);
        let fault = fault.unwrap_or_else(|| self.fault.lock().unwrap().clone());
        self.witness.0.lock().unwrap().push(seen);
        let tries = self.witness.tries(&ask).len();
        let mut answer = Answer::well(self.number);
        if is_health_check {
            answer.message = &[0, 0, 0, 0, 2, 8, 1];
        }
        let times = fault.split(',').find_map(|word| word.strip_prefix("times=")?.parse::<usize>().ok());
        if times.is_some_and(|times| tries > times) {
            return answer;
        }
        let then = fault.split(',').find_map(|word| word.strip_prefix("then="));
        let words = if tries > 1 { then.unwrap_or(&fault) } else { &fault };
        for word in words.split(',').filter(|word| !word.is_empty() && !word.starts_with("then=")) {
            answer.follow(word, &self.free).await;
        }
        answer
    }
}

enum End {
    Answer,
    Reset(Reason),
    Close,
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    grpc: Option<String>,
    /// Of a call that is well: an empty message, or gRPC's word that it serves.
    message: &'static [u8],
    end: End,
}

impl Answer {
    fn well(app: usize) -> Self {
        let headers = vec![("x-app".to_owned(), app.to_string())];
        Self { status: 200, headers, grpc: None, message: &[0; 5], end: End::Answer }
    }

    async fn follow(&mut self, word: &str, free: &watch::Sender<bool>) {
        match word {
            "hang" => std::future::pending().await,
            "hold" => drop(free.subscribe().wait_for(|free| *free).await),
            "reset" | "internal" => self.end = End::Reset(Reason::INTERNAL_ERROR),
            "refuse" => self.end = End::Reset(Reason::REFUSED_STREAM),
            "close" => self.end = End::Close,
            word => {
                if let Some((name, value)) = word.split_once(':') {
                    self.headers.push((name.to_owned(), value.to_owned()));
                } else if let Some(pause) = word.strip_prefix("pause=") {
                    tokio::time::sleep(Duration::from_millis(pause.parse().unwrap())).await;
                } else if let Some(status) = word.strip_prefix("grpc=") {
                    self.grpc = Some(status.to_owned());
                } else if !word.starts_with("times=") {
                    self.status = word.parse().unwrap();
                }
            }
        }
    }

    /// Over HTTP/2, where all that is well is a gRPC answer.
    fn send(self, mut respond: h2::server::SendResponse<Bytes>) {
        let mut response = Response::builder().status(self.status);
        for (name, value) in &self.headers {
            response = response.header(name, value);
        }
        if self.status == 200 {
            response = response.header("content-type", "application/grpc");
        }
        let failed = self.grpc.is_some() || self.status != 200;
        if let Some(status) = &self.grpc {
            response = response.header("grpc-status", status);
        }
        let Ok(mut stream) = respond.send_response(response.body(()).unwrap(), failed) else { return };
        if !failed {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            let _ = stream.send_data(Bytes::from_static(self.message), false);
            let _ = stream.send_trailers(trailers);
        }
    }
}

/// The next request of a connection, its body read and forgotten.
async fn read_h1(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Request<()>> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|of| of == b"\r\n\r\n") {
            break at + 4;
        }
        more(socket, buffer).await?;
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    buffer.drain(..end);
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?, first.next()?);
    let mut request = Request::builder().method(method).uri(path).body(()).ok()?;
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        request.headers_mut().append(name, HeaderValue::from_str(value).ok()?);
    }
    let said = |name: &str| request.headers().get(name)?.to_str().ok();
    let length = said("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let chunked = said("transfer-encoding").is_some();
    let whole = |buffer: &[u8]| {
        if chunked {
            buffer.windows(5).position(|of| of == b"0\r\n\r\n").map(|at| at + 5)
        } else {
            Some(length)
        }
    };
    loop {
        if let Some(end) = whole(buffer).filter(|end| *end <= buffer.len()) {
            buffer.drain(..end);
            return Some(request);
        }
        more(socket, buffer).await?;
    }
}

async fn more(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let mut piece = [0; 4096];
    let n = socket.read(&mut piece).await.ok().filter(|n| *n > 0)?;
    buffer.extend_from_slice(&piece[..n]);
    Some(())
}

//! A client of one proxy: what it asks, and everything that may be known of the answer.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request};
use tokio::net::TcpStream;
use weft_testkit::wire::Peer;

use crate::proxy::Place;

/// An answer over HTTP/1.1.
pub(crate) struct Answer {
    /// By which its tries and its line in the log are known.
    pub(crate) ask: String,
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) took: Duration,
}

/// How a gRPC call ended.
pub(crate) struct Called {
    pub(crate) ask: String,
    pub(crate) http: u16,
    pub(crate) status: String,
    pub(crate) message: String,
    pub(crate) took: Duration,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(of, _)| of == name).map_or("-", |(_, value)| value)
    }

    /// Status and body; an app's own body is not told.
    pub(crate) fn told(&self) -> String {
        let body = if self.body == "ok" { "" } else { &self.body };
        format!("{} {body}", self.status).trim_end().to_owned()
    }
}

impl Called {
    pub(crate) fn told(&self) -> String {
        format!("{} grpc-status {} {:?}", self.http, self.status, self.message)
    }
}

/// `took`, as the span that is expected; what is far from it is told as it is. A little less is none: Envoy counts from when
/// its loop last looked at the clock.
pub(crate) fn about(took: Duration, expected: u64) -> String {
    let told = took.as_millis();
    let expected_ms = u128::from(expected);
    if told + 25 >= expected_ms && told <= expected_ms + 3000 {
        format!("after {expected} ms")
    } else {
        format!("after {told} ms!")
    }
}

impl Place {
    /// GET, and a fault that the app is to have.
    pub(crate) async fn get(&self, path: &str, fault: &str) -> Answer {
        self.ask("GET", path, &[("x-fault", fault)]).await
    }

    /// Any request; a method that has one gets a body.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut client = Peer::connect(self.proxy()).await;
        self.ask_on(&mut client, method, path, headers).await
    }

    /// The same on a connection that is kept.
    pub(crate) async fn ask_on(
        &self,
        client: &mut Peer,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let ask = self.next_ask();
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nx-ask: {ask}\r\n", self.name());
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        let body = if matches!(method, "POST" | "PUT") { "x" } else { "" };
        if !body.is_empty() {
            request.push_str("content-length: 1\r\n");
        }
        let began = Instant::now();
        client.send(format!("{request}\r\n{body}")).await;
        let (head, body) = if method == "HEAD" {
            (client.head().await.to_ascii_lowercase(), String::new())
        } else {
            client.response().await
        };
        let took = began.elapsed();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or(0);
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .collect();
        Answer { ask, status, headers, body, took }
    }

    /// A gRPC call.
    pub(crate) async fn call(&self, path: &str, headers: &[(&str, &str)]) -> Called {
        let ask = self.next_ask();
        let socket = TcpStream::connect(self.proxy()).await.unwrap();
        let (mut send, connection) = h2::client::handshake(socket).await.unwrap();
        let running = tokio::spawn(connection);
        let mut request = Request::post(format!("http://{}:90{path}", self.name()))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("x-ask", &ask);
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, *value);
        }
        let began = Instant::now();
        let (answer, mut body) = send.send_request(request.body(()).unwrap(), false).unwrap();
        body.send_data(Bytes::from_static(&[0; 5]), true).unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(10), answer).await.expect("no answer").unwrap();
        let took = began.elapsed();
        let http = answer.status().as_u16();
        let (head, mut body) = answer.into_parts();
        let mut trailers = head.headers;
        if !trailers.contains_key("grpc-status") {
            while let Some(piece) = body.data().await {
                drop(body.flow_control().release_capacity(piece.map_or(0, |piece| piece.len())));
            }
            trailers = body.trailers().await.ok().flatten().unwrap_or_default();
        }
        running.abort();
        let text = |of: &HeaderMap, name: &str| {
            of.get(name).map_or_else(
                || "-".to_owned(),
                |value| String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        };
        Called {
            ask,
            http,
            status: text(&trailers, "grpc-status"),
            message: text(&trailers, "grpc-message"),
            took,
        }
    }
}

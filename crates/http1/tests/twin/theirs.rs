//! hyper, played as a server or a client over bytes that are all there.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use crate::{Grouped, Message};

const ROOM: usize = 1 << 20;

/// The requests on one connection, as far as hyper's server reads them.
pub(crate) fn requests(input: &[u8]) -> Vec<Message> {
    let seen = Rc::new(RefCell::new(Vec::new()));
    block_on(async {
        let (mut near, far) = duplex(ROOM);
        let service = service_fn(|request: Request<Incoming>| {
            let seen = Rc::clone(&seen);
            async move {
                let (head, body) = request.into_parts();
                let message = message(format!("{} {}", head.method, head.uri), &head.headers, body).await;
                seen.borrow_mut().push(message);
                Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
            }
        });
        let mut server = hyper::server::conn::http1::Builder::new();
        let connection = server.half_close(true).serve_connection(TokioIo::new(far), service);
        near.write_all(input).await.expect("the pipe has room");
        near.shutdown().await.expect("a pipe");
        let mut answers = Vec::new();
        // Whether hyper ends the connection well or ill is not asked: what it took for requests is.
        let _ = tokio::join!(connection, near.read_to_end(&mut answers));
    });
    Rc::try_unwrap(seen).expect("the connection is over").into_inner()
}

/// The final response to `method`, if hyper's client takes it.
pub(crate) fn response(method: &str, input: &[u8]) -> Option<Message> {
    block_on(async {
        let (mut near, far) = duplex(ROOM);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(far)).await.ok()?;
        let uri = if method == "CONNECT" { "shop:80" } else { "/" };
        let request = Request::builder().method(method).uri(uri).body(Empty::<Bytes>::new()).ok()?;
        let exchange = async {
            let (head, body) = sender.send_request(request).await.ok()?.into_parts();
            let tunnel = head.status == 101 || (method == "CONNECT" && head.status.is_success());
            let mut message = message(head.status.as_u16().to_string(), &head.headers, body).await;
            if tunnel {
                message.body = Some(Vec::new());
            }
            Some(message)
        };
        let upstream = async {
            // hyper takes no response before it has sent a request.
            assert!(near.read_u8().await.expect("a request").is_ascii_uppercase());
            near.write_all(input).await.expect("the pipe has room");
            near.shutdown().await.expect("a pipe");
        };
        let (message, ..) = tokio::join!(exchange, upstream, connection);
        message
    })
}

async fn message(start: String, headers: &HeaderMap, body: Incoming) -> Message {
    let headers = grouped(headers);
    match body.collect().await {
        Ok(body) => {
            let trailers = body.trailers().map(grouped).unwrap_or_default();
            Message { start, headers, body: Some(body.to_bytes().to_vec()), trailers }
        }
        Err(_) => Message { start, headers, body: None, trailers: Grouped::new() },
    }
}

fn grouped(headers: &HeaderMap) -> Grouped {
    let mut grouped = Grouped::new();
    for (name, value) in headers {
        grouped.entry(name.to_string()).or_default().push(value.as_bytes().to_vec());
    }
    grouped
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(future)
}

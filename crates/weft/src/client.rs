//! A small HTTP client on hyper, for what the command itself asks: sidecars, admin ports, the stand-in's calls.
//!
//! One connection a request; no pool, no redirects, no environment of its own.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Answers read whole are cut off with an error beyond this.
const MAX_BODY: usize = 16 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("cannot connect to {to}: {source}")]
    Connect { to: String, source: std::io::Error },
    #[error("{to} did not answer as HTTP: {source}")]
    Http { to: String, source: hyper::Error },
    #[error("{to} refused the tunnel to {authority}: {status}")]
    Tunnel { to: String, authority: String, status: StatusCode },
    #[error("{0:?} is no address that HTTP could ask for")]
    Address(String),
    #[error("the answer of {to} broke off or is larger than {MAX_BODY} bytes: {reason}")]
    Body { to: String, reason: String },
    #[error("no answer within {} ms", .0.as_millis())]
    Late(Duration),
}

/// Sends one HTTP/1.1 request to `to` (host:port); its target goes out in the form the request has.
pub(crate) async fn send(to: &str, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, ClientError> {
    send_on(connect(to).await?, to, request).await
}

/// As [`send`], on a stream that leads to `to` already.
pub(crate) async fn send_on<S>(
    stream: S,
    to: &str,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let http = |source| ClientError::Http { to: to.to_owned(), source };
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        // As curl writes them; hyper keeps no spelling of its caller's.
        .title_case_headers(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(http)?;
    tokio::spawn(connection.with_upgrades());
    sender.send_request(request).await.map_err(http)
}

/// GET of `path` at `to`, the whole answer, within `limit`.
pub(crate) async fn fetch(to: &str, path: &str, limit: Duration) -> Result<(StatusCode, Bytes), ClientError> {
    ask(Method::GET, to, path, limit).await
}

/// A request of `path` at `to` without a body, the whole answer, within `limit`.
pub(crate) async fn ask(
    method: Method,
    to: &str,
    path: &str,
    limit: Duration,
) -> Result<(StatusCode, Bytes), ClientError> {
    let (_, host) = split(to);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, host)
        .body(Full::default())
        .map_err(|_| ClientError::Address(path.to_owned()))?;
    let asked = async {
        let response = send(to, request).await?;
        let status = response.status();
        Ok((status, whole(to, response).await?))
    };
    tokio::time::timeout(limit, asked).await.unwrap_or(Err(ClientError::Late(limit)))
}

/// The whole body of `response`, bounded.
pub(crate) async fn whole(to: &str, response: Response<Incoming>) -> Result<Bytes, ClientError> {
    let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
    body.map(http_body_util::Collected::to_bytes)
        .map_err(|reason| ClientError::Body { to: to.to_owned(), reason: reason.to_string() })
}

/// A tunnel to `authority` through the HTTP proxy at `to`, asked for under the `x-request-id` of that name.
pub(crate) async fn tunnel(to: &str, authority: &str, id: Option<&str>) -> Result<Upgraded, ClientError> {
    let stream = connect(to).await?;
    let http = |source| ClientError::Http { to: to.to_owned(), source };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(http)?;
    tokio::spawn(connection.with_upgrades());
    let mut request = Request::connect(authority).header(header::HOST, authority);
    if let Some(id) = id {
        request = request.header("x-request-id", id);
    }
    let request =
        request.body(Empty::<Bytes>::new()).map_err(|_| ClientError::Address(authority.to_owned()))?;
    let response = sender.send_request(request).await.map_err(http)?;
    if response.status() != StatusCode::OK {
        let (to, authority) = (to.to_owned(), authority.to_owned());
        return Err(ClientError::Tunnel { to, authority, status: response.status() });
    }
    hyper::upgrade::on(response).await.map_err(http)
}

/// `NETNS@HOST:PORT`: the namespace to connect from, and the address.
fn split(to: &str) -> (Option<&str>, &str) {
    to.split_once('@').map_or((None, to), |(netns, address)| (Some(netns), address))
}

/// A TCP connection to host:port; with `NETNS@` before it, from inside that network namespace, to an address.
pub(crate) async fn connect(to: &str) -> Result<TcpStream, ClientError> {
    let failed = |source| ClientError::Connect { to: to.to_owned(), source };
    let stream = match split(to) {
        (None, address) => TcpStream::connect(address).await.map_err(failed)?,
        (Some(netns), address) => {
            let address = address.parse().map_err(|_| ClientError::Address(to.to_owned()))?;
            let netns = netns.to_owned();
            let connecting = tokio::task::spawn_blocking(move || crate::netns::connect(&netns, address));
            let stream = connecting.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
            let stream = stream.map_err(failed)?;
            stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)).map_err(failed)?
        }
    };
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

//! One call of the stand-in to one target, the way its environment says: through the HTTP proxy or directly.

use super::targets::is_http_proxy;
use crate::client::{self, ClientError};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

const MAX_LINE: u64 = 4096;
/// The health check's request: one empty message.
const EMPTY_MESSAGE: &[u8] = &[0; 5];

/// The HTTP proxy of an environment, and the hosts that go around it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Proxy {
    address: Option<String>,
    excepted: Vec<String>,
}

impl Proxy {
    pub(super) fn of(environment: &[(String, String)]) -> Self {
        let value = |wanted: &dyn Fn(&str) -> bool| {
            environment.iter().find(|(name, value)| wanted(name) && !value.is_empty()).map(|(_, value)| value)
        };
        let address = value(&is_http_proxy).map(|url| {
            let rest = url.strip_prefix("http://").unwrap_or(url);
            rest.trim_end_matches('/').to_owned()
        });
        let excepted = value(&|name| name.eq_ignore_ascii_case("no_proxy"));
        let excepted = excepted.map_or("", String::as_str).split(',').map(|host| host.trim().to_owned());
        Self { address, excepted: excepted.filter(|host| !host.is_empty()).collect() }
    }

    /// The proxy to use for `host`.
    fn for_host(&self, host: &str) -> Option<&str> {
        let host = host.split(':').next().unwrap_or(host);
        let around = self.excepted.iter().any(|excepted| {
            excepted == "*"
                || excepted == host
                || excepted.strip_prefix('.').is_some_and(|suffix| host.ends_with(suffix))
        });
        self.address.as_deref().filter(|_| !around)
    }

    /// GET of `http://authority/path`.
    pub(super) async fn get(
        &self,
        authority: &str,
        path: &str,
        headers: HeaderMap,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let proxy = self.for_host(authority);
        let target = match proxy {
            Some(_) => format!("http://{authority}{path}"),
            None => path.to_owned(),
        };
        let mut request = Request::get(target)
            .body(Full::default())
            .map_err(|_| ClientError::Address(authority.to_owned()))?;
        *request.headers_mut() = headers;
        let host = authority.parse().map_err(|_| ClientError::Address(authority.to_owned()))?;
        request.headers_mut().insert(header::HOST, host);
        let direct = with_port(authority);
        let to = proxy.unwrap_or(&direct);
        let response = client::send(to, request).await?;
        let status = response.status();
        Ok((status, client::whole(to, response).await?))
    }

    /// Opens a tunnel to `authority` and closes it again.
    pub(super) async fn open(&self, authority: &str) -> Result<(), ClientError> {
        match self.for_host(authority) {
            Some(proxy) => client::tunnel(proxy, authority, None).await.map(drop),
            None => client::connect(authority).await.map(drop),
        }
    }

    /// The gRPC health check of `authority`: HTTP status and `grpc-status`.
    pub(super) async fn health(&self, authority: &str) -> Result<(StatusCode, Option<String>), ClientError> {
        match self.for_host(authority) {
            Some(proxy) => health_on(client::tunnel(proxy, authority, None).await?, authority).await,
            None => health_on(TokioIo::new(client::connect(authority).await?), authority).await,
        }
    }
}

/// Sends a line to `authority` and reads what comes back.
pub(super) async fn line(authority: &str, text: &str) -> std::io::Result<String> {
    let mut stream = tokio::net::TcpStream::connect(authority).await?;
    stream.write_all(format!("{text}\n").as_bytes()).await?;
    let mut answer = Vec::new();
    BufReader::new(stream).take(MAX_LINE).read_until(b'\n', &mut answer).await?;
    if answer.is_empty() {
        return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "closed without an answer"));
    }
    Ok(String::from_utf8_lossy(&answer).trim_end().to_owned())
}

async fn health_on<I>(io: I, authority: &str) -> Result<(StatusCode, Option<String>), ClientError>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let http = |source| ClientError::Http { to: authority.to_owned(), source };
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.map_err(http)?;
    tokio::spawn(connection);
    let request = Request::post(format!("http://{authority}/grpc.health.v1.Health/Check"))
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .body(Full::new(Bytes::from_static(EMPTY_MESSAGE)))
        .map_err(|_| ClientError::Address(authority.to_owned()))?;
    let response = sender.send_request(request).await.map_err(http)?;
    let status = response.status();
    let grpc_status = |headers: &HeaderMap| Some(headers.get("grpc-status")?.to_str().ok()?.to_owned());
    let early = grpc_status(response.headers());
    let body = response.into_body().collect().await.map_err(http)?;
    Ok((status, early.or_else(|| body.trailers().and_then(grpc_status))))
}

fn with_port(authority: &str) -> String {
    if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") }
}

//! One question to the app, in HTTP, HTTPS, TCP or gRPC's health protocol.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::http::StatusCode;
use bytes::{Bytes, BytesMut};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use super::{Grpc, HttpGet};

/// A status line is not longer.
const LONGEST_LINE: usize = 4096;
/// SERVING, as `HealthCheckResponse.status`.
const SERVING: [u8; 2] = [0x08, 0x01];

/// A connection to the app's `port`, from where connections are not turned.
pub(super) async fn tcp(address: IpAddr, port: u16) -> Result<TcpStream, String> {
    let (socket, inside): (_, IpAddr) = match address {
        IpAddr::V4(_) => (TcpSocket::new_v4(), Ipv4Addr::new(127, 0, 0, 6).into()),
        IpAddr::V6(_) => (TcpSocket::new_v6(), Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6).into()),
    };
    let connecting = async {
        let socket = socket?;
        socket.bind((inside, 0).into())?;
        socket.connect(SocketAddr::new(address, port)).await
    };
    connecting
        .await
        .map_err(|error: std::io::Error| format!("the app does not listen on port {port}: {error}"))
}

/// The status that the app answers with.
pub(super) async fn http(address: IpAddr, probe: &HttpGet) -> Result<StatusCode, String> {
    let given = probe.http_headers.iter().find(|header| header.name.eq_ignore_ascii_case("host"));
    let host = given.map(|header| header.value.clone()).or_else(|| probe.host.clone());
    let host = host.unwrap_or_else(|| SocketAddr::new(address, probe.port).to_string());
    let path = if probe.path.starts_with('/') { probe.path.clone() } else { format!("/{}", probe.path) };
    let mut request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for header in probe.http_headers.iter().filter(|header| !header.name.eq_ignore_ascii_case("host")) {
        request.push_str(&format!("{}: {}\r\n", header.name, header.value));
    }
    request.push_str("\r\n");
    let stream = tcp(address, probe.port).await?;
    if !probe.scheme.as_deref().is_some_and(|scheme| scheme.eq_ignore_ascii_case("https")) {
        return ask(stream, &request).await;
    }
    // As a kubelet: a name that the probe gives is asked for, and no certificate is checked.
    let named = probe.host.clone().and_then(|host| ServerName::try_from(host).ok());
    let connector = TlsConnector::from(crate::tls::unverified::config());
    let secured = connector.connect(named.unwrap_or_else(|| ServerName::from(address)), stream).await;
    ask(
        secured.map_err(|error| format!("the app does not speak TLS on port {}: {error}", probe.port))?,
        &request,
    )
    .await
}

/// Sends `request`, and reads the status of what comes back.
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> Result<StatusCode, String> {
    let broke = |error: std::io::Error| format!("the app broke off: {error}");
    stream.write_all(request.as_bytes()).await.map_err(broke)?;
    stream.flush().await.map_err(broke)?;
    let mut seen = BytesMut::with_capacity(256);
    loop {
        if let Some(end) = seen.iter().position(|byte| *byte == b'\n') {
            return status(&seen[..end]).ok_or_else(|| "the app does not answer in HTTP".to_owned());
        }
        if seen.len() > LONGEST_LINE || stream.read_buf(&mut seen).await.map_err(broke)? == 0 {
            return Err("the app does not answer in HTTP".to_owned());
        }
    }
}

/// `HTTP/1.1 200 OK`
fn status(line: &[u8]) -> Option<StatusCode> {
    let text = std::str::from_utf8(line).ok()?.strip_prefix("HTTP/1.")?;
    text.split(' ').nth(1)?.trim().parse().ok()
}

/// 200 if the app says that it serves.
pub(super) async fn grpc(address: IpAddr, probe: &Grpc) -> Result<StatusCode, String> {
    let stream = tcp(address, probe.port).await?;
    let broke = |error: h2::Error| format!("the app does not answer in gRPC: {error}");
    let (sender, connection) = h2::client::handshake(stream).await.map_err(broke)?;
    let driven = tokio::spawn(connection);
    let asked = async {
        let mut sender = sender.ready().await.map_err(broke)?;
        let request = ::http::Request::post(format!("http://{address}/grpc.health.v1.Health/Check"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .map_err(|error| error.to_string())?;
        let (answer, mut body) = sender.send_request(request, false).map_err(broke)?;
        body.send_data(message(probe.service.as_deref().unwrap_or_default()), true).map_err(broke)?;
        let mut body = answer.await.map_err(broke)?.into_body();
        let mut told = BytesMut::new();
        while let Some(data) = body.data().await {
            let data = data.map_err(broke)?;
            let _ = body.flow_control().release_capacity(data.len());
            told.extend_from_slice(&data);
            if told.len() > LONGEST_LINE {
                break;
            }
        }
        // A frame's five bytes, then the message.
        Ok(told.get(5..).is_some_and(|message| message == SERVING))
    };
    let serves: Result<bool, String> = asked.await;
    driven.abort();
    match serves? {
        true => Ok(StatusCode::OK),
        false => Err("the app says that it does not serve".to_owned()),
    }
}

/// `HealthCheckRequest { service }`, framed.
fn message(service: &str) -> Bytes {
    let service = &service.as_bytes()[..service.len().min(100)];
    let mut message = Vec::new();
    if !service.is_empty() {
        // Its length fits into one byte.
        message.extend([0x0a, u8::try_from(service.len()).unwrap_or_default()]);
        message.extend(service);
    }
    let length = u32::try_from(message.len()).unwrap_or_default();
    let mut framed = vec![0];
    framed.extend(length.to_be_bytes());
    framed.extend(message);
    framed.into()
}

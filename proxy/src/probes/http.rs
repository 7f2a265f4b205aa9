//! One question to the app in HTTP or HTTPS, as it would be if the kubelet that asks reached the app: with its headers, such
//! as `User-Agent: kube-probe/1.31`, and as far as redirects lead within the app.

use std::net::{IpAddr, SocketAddr};

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use bytes::BytesMut;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

use super::HttpGet;
use super::ask::tcp;

/// A head is not longer.
const LONGEST_HEAD: usize = 16 * 1024;
/// So many redirects are followed.
const REDIRECTS: usize = 10;

/// What concerns a connection, and not who is at its ends.
const OF_CONNECTIONS: [HeaderName; 7] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// Where the app is asked, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) secure: bool,
    pub(super) port: u16,
    pub(super) path: String,
    pub(super) host: String,
}

/// The status that the app answers `probe` with. `asked` are the headers of whoever asks.
pub(super) async fn ask(address: IpAddr, probe: &HttpGet, asked: &HeaderMap) -> Result<StatusCode, String> {
    let mut place = Place::of(address, probe, asked);
    let headers = headers(probe, asked);
    for _ in 0..=REDIRECTS {
        let (status, location) = once(address, probe, &place, &headers).await?;
        match location.and_then(|location| place.redirected(&location)) {
            Some(next) => place = next,
            None => return Ok(status),
        }
    }
    Err(format!("the app redirects more than {REDIRECTS} times"))
}

impl Place {
    /// Where `probe` asks first. The host is the app's as its asker knows it, who came to this port for it.
    pub(super) fn of(address: IpAddr, probe: &HttpGet, asked: &HeaderMap) -> Self {
        let given = probe.http_headers.iter().find(|header| header.name.eq_ignore_ascii_case("host"));
        let given = given.map(|header| header.value.clone()).or_else(|| probe.host.clone());
        let known = || {
            let host = asked.get(header::HOST)?.to_str().ok()?.parse::<Authority>().ok()?;
            let port = host.port_u16().map(|_| format!(":{}", probe.port)).unwrap_or_default();
            Some(format!("{}{port}", host.host()))
        };
        let path = if probe.path.starts_with('/') { probe.path.clone() } else { format!("/{}", probe.path) };
        Self {
            secure: probe.scheme.as_deref().is_some_and(|scheme| scheme.eq_ignore_ascii_case("https")),
            port: probe.port,
            path,
            host: given.or_else(known).unwrap_or_else(|| SocketAddr::new(address, probe.port).to_string()),
        }
    }

    /// Where a `Location` leads from here; `None`: to another host, where a probe of this app has no business.
    pub(super) fn redirected(&self, location: &str) -> Option<Self> {
        let location = location.split('#').next().unwrap_or_default();
        if location.contains("://") {
            let uri: Uri = location.parse().ok()?;
            let (secure, usual) = match uri.scheme_str()? {
                "http" => (false, 80),
                "https" => (true, 443),
                _ => return None,
            };
            let authority = uri.authority()?;
            let own: Authority = self.host.parse().ok()?;
            let path = uri.path_and_query().map_or("/", |path| path.as_str());
            return own.host().eq_ignore_ascii_case(authority.host()).then(|| Self {
                secure,
                port: authority.port_u16().unwrap_or(usual),
                path: path.to_owned(),
                host: authority.to_string(),
            });
        }
        if location.is_empty() || location.starts_with("//") {
            return None;
        }
        let here = self.path.split('?').next().unwrap_or_default();
        let path = match location.as_bytes()[0] {
            b'/' => location.to_owned(),
            b'?' => format!("{here}{location}"),
            _ => format!("{}{location}", &here[..here.rfind('/').map_or(0, |at| at + 1)]),
        };
        Some(Self { path, ..self.clone() })
    }
}

/// The lines of the head that tell who asks: the asker's own, but for those that the probe gives otherwise.
fn headers(probe: &HttpGet, asked: &HeaderMap) -> Vec<u8> {
    let of_probe = probe.http_headers.iter().filter(|header| !header.name.eq_ignore_ascii_case("host"));
    let is_given =
        |name: &HeaderName| of_probe.clone().any(|header| header.name.eq_ignore_ascii_case(name.as_str()));
    let mut lines = Vec::new();
    let passed = asked
        .iter()
        .filter(|(name, _)| **name != header::HOST && !OF_CONNECTIONS.contains(name) && !is_given(name));
    let passed = passed.map(|(name, value)| (name.as_str(), value.as_bytes()));
    for (name, value) in passed.chain(of_probe.clone().map(|header| (&*header.name, header.value.as_bytes())))
    {
        lines.extend_from_slice(name.as_bytes());
        lines.extend_from_slice(b": ");
        lines.extend_from_slice(value);
        lines.extend_from_slice(b"\r\n");
    }
    lines
}

async fn once(
    address: IpAddr,
    probe: &HttpGet,
    place: &Place,
    headers: &[u8],
) -> Result<(StatusCode, Option<String>), String> {
    let Place { secure, port, path, host } = place;
    let mut request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n").into_bytes();
    request.extend_from_slice(headers);
    request.extend_from_slice(b"\r\n");
    let stream = tcp(address, *port).await?;
    if !secure {
        return answer(stream, &request).await;
    }
    // As a kubelet: a name that the probe gives is asked for, and no certificate is checked.
    let named = probe.host.clone().and_then(|host| ServerName::try_from(host).ok());
    let connector = TlsConnector::from(crate::tls::unverified::config());
    let secured = connector.connect(named.unwrap_or_else(|| ServerName::from(address)), stream).await;
    answer(secured.map_err(|error| format!("the app does not speak TLS on port {port}: {error}"))?, &request)
        .await
}

/// Sends `request`, and reads the status of what comes back, and where a redirect leads.
async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &[u8],
) -> Result<(StatusCode, Option<String>), String> {
    let broke = |error: std::io::Error| format!("the app broke off: {error}");
    let no_http = || "the app does not answer in HTTP".to_owned();
    stream.write_all(request).await.map_err(broke)?;
    stream.flush().await.map_err(broke)?;
    let mut seen = BytesMut::with_capacity(1024);
    loop {
        let text = String::from_utf8_lossy(&seen);
        if let Some((line, rest)) = text.split_once('\n') {
            let status = status(line).ok_or_else(no_http)?;
            let leads = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
            // Nothing behind the status counts for any other.
            if !leads || is_whole(rest) || seen.len() > LONGEST_HEAD {
                return Ok((status, location(rest).filter(|_| leads)));
            }
        }
        let is_cut = seen.len() > LONGEST_HEAD;
        if is_cut || stream.read_buf(&mut seen).await.map_err(broke)? == 0 {
            return Err(no_http());
        }
    }
}

/// Whether the lines of a head end here.
fn is_whole(lines: &str) -> bool {
    lines.split_inclusive('\n').any(|line| line.ends_with('\n') && line.trim_end().is_empty())
}

fn location(lines: &str) -> Option<String> {
    let head = lines.lines().take_while(|line| !line.trim_end().is_empty());
    let mut fields = head.filter_map(|line| line.split_once(':'));
    fields.find(|(name, _)| name.eq_ignore_ascii_case("location")).map(|(_, value)| value.trim().to_owned())
}

/// `HTTP/1.1 200 OK`
fn status(line: &str) -> Option<StatusCode> {
    line.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.trim().parse().ok()
}

//! From curl's arguments to a request. Reads files that `-d @FILE` names; sends nothing.

use super::Args;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::Full;
use std::net::IpAddr;

/// A `-d @FILE` larger than this is refused.
const MAX_FILE: u64 = 256 << 20;
/// What the sidecars' logs call a request by.
const REQUEST_ID: &str = "x-request-id";

/// Where a URL leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) tls: bool,
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) path: String,
}

impl Target {
    /// Reads a URL; without a scheme it is `http`, as curl takes it.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let full = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        // What is behind # stays with the client.
        let full = full.split('#').next().unwrap_or_default();
        let uri: Uri = full.parse().map_err(|error| format!("{url:?} is no URL: {error}"))?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            other => {
                return Err(format!("{url:?}: http and https are possible, not {}", other.unwrap_or("this")));
            }
        };
        let authority = uri.authority().ok_or_else(|| format!("{url:?} names no host"))?;
        if authority.as_str().contains('@') {
            return Err(format!("{url:?}: a user in the URL is not sent; use -H 'Authorization: ...'"));
        }
        let port = port(authority.as_str()).map_err(|port| {
            format!("{url:?}: {port:?} is no port; a port is a number from 1 to {}", u16::MAX)
        })?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { tls, host: authority.host().to_owned(), port, path })
    }

    /// host:port
    pub(super) fn authority(&self) -> String {
        let default = if self.tls { 443 } else { 80 };
        format!("{}:{}", self.host, self.port.unwrap_or(default))
    }

    /// As the URL wrote it: without a port that is the scheme's.
    fn host_header(&self) -> String {
        self.port.map_or_else(|| self.host.clone(), |port| format!("{}:{port}", self.host))
    }

    /// Whether the host is no name but an address.
    pub(super) fn is_address(&self) -> bool {
        self.host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
    }
}

/// The port that `authority` names, `None` where it leaves that to the scheme, as it does with `host:`.
fn port(authority: &str) -> Result<Option<u16>, &str> {
    // What is in brackets has colons of its own.
    let behind = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    match authority.get(behind..).and_then(|rest| rest.split_once(':')) {
        None | Some((_, "")) => Ok(None),
        Some((_, port)) => {
            let digits = Some(port).filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
            digits.and_then(|port| port.parse().ok()).filter(|port| *port != 0).map(Some).ok_or(port)
        }
    }
}

/// The request; in absolute form where it goes to an HTTP proxy in clear text.
pub(super) fn build(
    args: &Args,
    target: &Target,
    through_proxy: bool,
) -> Result<Request<Full<Bytes>>, String> {
    let body = body(args)?;
    let method = match (&args.method, args.head, body.is_some()) {
        (Some(method), _, _) => method.parse().map_err(|_| format!("{method:?} is no method"))?,
        (None, true, _) => Method::HEAD,
        (None, false, true) => Method::POST,
        (None, false, false) => Method::GET,
    };
    let absolute = through_proxy && !target.tls;
    let uri = if absolute {
        format!("http://{}{}", target.host_header(), target.path)
    } else {
        target.path.clone()
    };
    let request = Request::builder().method(method).uri(uri);
    let mut request = request.body(Full::default()).map_err(|error| error.to_string())?;
    let headers = request.headers_mut();
    let host = target.host_header().parse().map_err(|_| format!("{:?} is no host", target.host))?;
    headers.insert(header::HOST, host);
    headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("weft/", env!("CARGO_PKG_VERSION"))));
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    if body.is_some() {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(header::CONTENT_TYPE, form);
    }
    let mut given: Vec<HeaderName> = Vec::new();
    for text in &args.headers {
        let (name, value) = header(text)?;
        // The first of a name replaces what weft would send, the others are added.
        if !given.contains(&name) {
            headers.remove(&name);
            given.push(name.clone());
        }
        if let Some(value) = value {
            headers.append(name, value);
        }
    }
    *request.body_mut() = Full::new(body.unwrap_or_default());
    Ok(request)
}

/// Gives the request the name by which the sidecars write of it, unless the user has one or wants none; says which.
pub(super) fn name(args: &Args, request: &mut Request<Full<Bytes>>) -> Option<String> {
    let given = typed_names(args).iter().any(|typed| typed.eq_ignore_ascii_case(REQUEST_ID));
    if !given {
        let id = HeaderValue::from_str(&new_name()).ok()?;
        request.headers_mut().insert(REQUEST_ID, id);
    }
    let id = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    (!id.is_empty()).then(|| id.to_owned())
}

/// A name that no other request has.
pub(super) fn new_name() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// The names of the headers as the user typed them, in their order.
pub(super) fn typed_names(args: &Args) -> Vec<String> {
    let name = |text: &String| text.split([':', ';']).next().unwrap_or_default().trim().to_owned();
    args.headers.iter().map(name).collect()
}

/// `Name: value`; `Name;` has an empty value, `Name:` none at all.
fn header(text: &str) -> Result<(HeaderName, Option<HeaderValue>), String> {
    let wrong = || format!("-H {text:?}: expected `Name: value`");
    if let Some(name) = text.strip_suffix(';').filter(|name| !name.contains(':')) {
        return Ok((name.trim().parse().map_err(|_| wrong())?, Some(HeaderValue::from_static(""))));
    }
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let name = name.trim().parse().map_err(|_| wrong())?;
    let value = value.trim();
    if value.is_empty() {
        return Ok((name, None));
    }
    Ok((name, Some(HeaderValue::from_bytes(value.as_bytes()).map_err(|_| wrong())?)))
}

fn body(args: &Args) -> Result<Option<Bytes>, String> {
    let mut parts = Vec::new();
    for data in &args.data {
        parts.push(match data.strip_prefix('@') {
            // As curl: line ends of a file are not part of the form.
            Some(path) => file(path)?.into_iter().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect(),
            None => data.clone().into_bytes(),
        });
    }
    parts.extend(args.data_raw.iter().map(|data| data.clone().into_bytes()));
    Ok((!parts.is_empty()).then(|| parts.join(&b'&').into()))
}

fn file(path: &str) -> Result<Vec<u8>, String> {
    use std::io::Read;
    let mut content = Vec::new();
    let read = match path {
        "-" => std::io::stdin().lock().take(MAX_FILE + 1).read_to_end(&mut content),
        path => std::fs::File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut content)),
    };
    read.map_err(|error| format!("-d @{path}: {error}"))?;
    if content.len() as u64 > MAX_FILE {
        return Err(format!("-d @{path}: more than {MAX_FILE} bytes"));
    }
    Ok(content)
}

#[cfg(test)]
mod tests;

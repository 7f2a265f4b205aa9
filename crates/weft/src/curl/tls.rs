//! TLS from the asking app to a host outside, through the tunnel that its sidecar opened.

use super::request::Target;
use super::{Failed, NO_ANSWER, NO_TLS};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

/// Shakes hands with `target` on `stream` and sends `request`. Where nobody speaks TLS there, `in_clear` is what helps.
pub(super) async fn send<S>(
    stream: S,
    target: &Target,
    insecure: bool,
    in_clear: Option<String>,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, Failed>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let config = config(insecure).map_err(|reason| Failed(NO_TLS, reason))?;
    let host = target.host.trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(host).map_err(|error| Failed(NO_TLS, error.to_string()))?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, stream).await.map_err(|error| {
        let known = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let hint = match known {
            Some(rustls::Error::InvalidCertificate(_)) if insecure => String::new(),
            Some(rustls::Error::InvalidCertificate(_)) => " (-k believes any certificate)".to_owned(),
            _ => in_clear.map(|hint| format!("; {hint}")).unwrap_or_default(),
        };
        Failed(
            NO_TLS,
            format!("TLS with {}: {}{hint}", target.authority(), weft_proxy::tls::foreign::words(&error)),
        )
    })?;
    let no_answer = |error: hyper::Error| Failed(NO_ANSWER, format!("{}: {error}", target.authority()));
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(no_answer)?;
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(no_answer)
}

fn config(insecure: bool) -> Result<ClientConfig, String> {
    let mut config = if insecure {
        // `-k`: the handshake's signature is checked, who signs it is not.
        ClientConfig::clone(&weft_proxy::tls::unverified::config())
    } else {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err("this machine has no root certificates; -k believes any certificate".to_owned());
        }
        ClientConfig::builder_with_provider(weft_proxy::tls::provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth()
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

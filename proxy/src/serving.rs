//! gRPC's own question about health, `grpc.health.v1.Health/Check`: kubelets' probes of the pod's app and active health checks
//! of endpoints put it alike.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use weft_wire::health;

/// An answer is not longer.
const LONGEST: usize = 16 * 1024;

/// Who asks whom for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) host: &'a str,
    /// Empty: the server as a whole.
    pub(crate) service: &'a str,
    /// Whom the asker calls itself by its `user-agent`, if it does.
    pub(crate) agent: Option<&'a str>,
}

/// Asks over `io`, which is nobody's connection afterwards.
///
/// # Errors
/// If that is no answer: in words.
pub(crate) async fn is_serving<S>(io: S, question: &Question<'_>) -> Result<bool, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (send, connection) = h2::client::handshake(io).await.map_err(|error| error.to_string())?;
    let connection = tokio::spawn(connection);
    let answer = ask(send, question).await;
    connection.abort();
    answer
}

async fn ask(send: h2::client::SendRequest<Bytes>, question: &Question<'_>) -> Result<bool, String> {
    let broke = |error: h2::Error| error.to_string();
    let mut request = ::http::Request::post(format!("http://{}/grpc.health.v1.Health/Check", question.host))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(agent) = question.agent {
        request = request.header("user-agent", agent);
    }
    let request = request.body(()).map_err(|error| error.to_string())?;
    let (answer, mut body) =
        send.ready().await.map_err(broke)?.send_request(request, false).map_err(broke)?;
    body.send_data(health::question(question.service).into(), true).map_err(broke)?;
    let (parts, mut body) = answer.await.map_err(broke)?.into_parts();
    let mut seen = BytesMut::new();
    while let Some(piece) = body.data().await {
        let piece = piece.map_err(broke)?;
        body.flow_control().release_capacity(piece.len()).map_err(broke)?;
        seen.extend_from_slice(&piece);
        if seen.len() > LONGEST {
            return Err("the answer is too long".to_owned());
        }
    }
    let trailers = body.trailers().await.map_err(broke)?.unwrap_or_default();
    let status = trailers.get("grpc-status").or_else(|| parts.headers.get("grpc-status"));
    if status.is_none_or(|status| status.as_bytes() != b"0") {
        return Err(format!("gRPC answered {status:?}"));
    }
    health::is_serving(&seen).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;

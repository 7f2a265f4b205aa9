//! gRPC's own question about health, `grpc.health.v1.Health/Check`: kubelets' probes of the pod's app and active health checks
//! of endpoints put it alike.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use weft_wire::health;

/// An answer is not longer.
const LONGEST: usize = 16 * 1024;

/// Asks over `io`, which is nobody's connection afterwards, for `service`, or for the server as a whole where that is empty.
///
/// # Errors
/// If that is no answer: in words.
pub(crate) async fn is_serving<S>(io: S, host: &str, service: &str) -> Result<bool, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (send, connection) = h2::client::handshake(io).await.map_err(|error| error.to_string())?;
    let connection = tokio::spawn(connection);
    let answer = ask(send, host, service).await;
    connection.abort();
    answer
}

async fn ask(send: h2::client::SendRequest<Bytes>, host: &str, service: &str) -> Result<bool, String> {
    let broke = |error: h2::Error| error.to_string();
    let request = ::http::Request::post(format!("http://{host}/grpc.health.v1.Health/Check"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("user-agent", weft_model::health::USER_AGENT)
        .body(())
        .map_err(|error| error.to_string())?;
    let (answer, mut body) =
        send.ready().await.map_err(broke)?.send_request(request, false).map_err(broke)?;
    body.send_data(health::question(service).into(), true).map_err(broke)?;
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

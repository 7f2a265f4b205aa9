//! gRPC's own question about health, `grpc.health.v1.Health/Check`: kubelets' probes of the pod's app and active health checks
//! of endpoints put it alike.

use bytes::{BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};

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
        .body(())
        .map_err(|error| error.to_string())?;
    let (answer, mut body) =
        send.ready().await.map_err(broke)?.send_request(request, false).map_err(broke)?;
    body.send_data(message(service), true).map_err(broke)?;
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
    // status = 1 (SERVING), after five bytes of frame.
    Ok(matches!(seen.get(5..), Some([0x08, 1, ..])))
}

/// `HealthCheckRequest { service = 1 }` in gRPC's frame.
fn message(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        message.put_u8(0x0a);
        let mut length = service.len();
        // Seven bits a byte, the lowest first.
        while length > 0x7f {
            message.put_u8(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
            length >>= 7;
        }
        message.put_u8(u8::try_from(length).unwrap_or_default());
        message.extend_from_slice(service.as_bytes());
    }
    let mut framed = BytesMut::with_capacity(5 + message.len());
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.extend_from_slice(&message);
    framed.freeze()
}

#[cfg(test)]
mod tests;

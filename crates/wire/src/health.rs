//! gRPC's own question about health, `grpc.health.v1.Health/Check`: what its client sends, and what it hears, each in gRPC's
//! frame.

use prost::Message;

/// A byte that says whether it is compressed, and four that say how long it is.
const FRAME: usize = 5;
/// Of the states that an answer may tell.
const SERVING: i32 = 1;

/// `grpc.health.v1.HealthCheckRequest`
#[derive(Clone, PartialEq, prost::Message)]
struct Question {
    #[prost(string, tag = "1")]
    service: String,
}

/// `grpc.health.v1.HealthCheckResponse`
#[derive(Clone, PartialEq, prost::Message)]
struct Answer {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// Why an answer is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HealthError {
    /// There is no whole message.
    #[error("its answer ends after {0} bytes, within its message")]
    Short(usize),
    /// Nobody asked for that.
    #[error("its answer is compressed, which nobody asked for")]
    Compressed,
    /// The message is another one.
    #[error("its answer is no HealthCheckResponse: {0}")]
    Message(#[from] prost::DecodeError),
}

/// The question about `service`; about the server as a whole where that is empty.
#[must_use]
pub fn question(service: &str) -> Vec<u8> {
    let message = Question { service: service.to_owned() }.encode_to_vec();
    // A name of four gigabytes does not fit into any configuration.
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0], &length.to_be_bytes()[..], &message].concat()
}

/// Whether an answer says that it serves.
///
/// # Errors
/// If it is no answer.
pub fn is_serving(framed: &[u8]) -> Result<bool, HealthError> {
    let short = HealthError::Short(framed.len());
    let Some((&[compressed, a, b, c, d], rest)) = framed.split_first_chunk::<FRAME>() else {
        return Err(short);
    };
    if compressed != 0 {
        return Err(HealthError::Compressed);
    }
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    let message = rest.get(..length).ok_or(short)?;
    Ok(Answer::decode(message)?.status == SERVING)
}

#[cfg(test)]
mod tests;

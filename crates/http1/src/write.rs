//! Writing heads and chunks. Everything that reaches these has been checked where it was set, so nothing can fail here.

use crate::{Headers, RequestHead, ResponseHead, Version};

/// What follows each chunk's data.
pub const CHUNK_END: &[u8] = b"\r\n";

/// Appends the head, final empty line included. The head must have a method and a target.
pub fn write_request(head: &RequestHead, out: &mut Vec<u8>) {
    debug_assert!(!head.method().is_empty() && !head.target().is_empty(), "a head that was never filled");
    out.extend_from_slice(head.method().as_bytes());
    out.push(b' ');
    out.extend_from_slice(head.target().as_bytes());
    out.push(b' ');
    out.extend_from_slice(version(head.version));
    out.extend_from_slice(b"\r\n");
    head.headers.write(out);
    out.extend_from_slice(b"\r\n");
}

/// Appends the head, final empty line included.
pub fn write_response(head: &ResponseHead, out: &mut Vec<u8>) {
    debug_assert!((100..1000).contains(&head.status), "a head that was never filled");
    out.extend_from_slice(version(head.version));
    out.push(b' ');
    out.extend_from_slice(itoa::Buffer::new().format(head.status).as_bytes());
    out.push(b' ');
    out.extend_from_slice(head.reason());
    out.extend_from_slice(b"\r\n");
    head.headers.write(out);
    out.extend_from_slice(b"\r\n");
}

/// Appends a chunk's size line; the data and [`CHUNK_END`] follow. Nothing for a length of zero, which would end the body.
pub fn chunk_head(len: usize, out: &mut Vec<u8>) {
    if len == 0 {
        return;
    }
    let digits = (usize::BITS - len.leading_zeros()).div_ceil(4);
    out.extend((0..digits).rev().map(|digit| b"0123456789abcdef"[len >> (digit * 4) & 15]));
    out.extend_from_slice(b"\r\n");
}

/// Appends a whole chunk; nothing if there is no data.
pub fn write_chunk(data: &[u8], out: &mut Vec<u8>) {
    if !data.is_empty() {
        chunk_head(data.len(), out);
        out.extend_from_slice(data);
        out.extend_from_slice(CHUNK_END);
    }
}

/// Appends the chunk that ends a body, and the trailers behind it; [`crate::strip_trailers`] has been asked about them.
pub fn last_chunk(trailers: &Headers, out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    trailers.write(out);
    out.extend_from_slice(b"\r\n");
}

fn version(version: Version) -> &'static [u8] {
    match version {
        Version::Http10 => b"HTTP/1.0",
        Version::Http11 => b"HTTP/1.1",
    }
}

#[cfg(test)]
mod tests;

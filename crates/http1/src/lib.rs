//! The data path's HTTP/1.1, sans-IO on httparse: bytes in, heads and body events out.
//!
//! Nothing here opens a socket, reads a clock or allocates per request once its buffers have grown: a connection
//! keeps one [`RequestHead`], one [`ResponseHead`] and one [`BodyReader`] a direction and uses them again.
//!
//! The life of a message:
//! 1. [`parse_request`] (or [`parse_response`]) until it says [`Parsed::Complete`]; a head is kept as received, header case
//!    and order included, and refused where two parsers could read it in two ways ([`Refusal`] names the case).
//! 2. [`request_framing`] (or [`response_framing`]) says where the body ends.
//! 3. [`RequestHead::to_origin_form`] when the target is absolute; [`RequestHead::authority`] is the one host to judge by.
//! 4. [`keep_alive`], [`upgrade_token`], [`expects_continue`]: what the connection is asked for.
//! 5. [`strip_hop_by_hop`], then [`set_framing`] for how the message travels on; [`write_request`] or [`write_response`].
//! 6. [`BodyReader::next`] for every piece of the body; [`chunk_head`] and [`last_chunk`] where it goes on in chunks.
//!
//! Bytes that follow a CONNECT, or a request that asks for an upgrade, are nobody's until the upstream has said 2xx or 101:
//! [`Framing::Tunnel`] is that word, and they must not be sent before it.
//!
//! # Strictness
//! RFC 9112, and where the RFC leaves a choice, the side on which no second reading exists. `tests/hyper.rs` holds
//! hyper against this codec on the same bytes: whatever is accepted here, hyper reads as the same messages. The difference:
//!
//! | | here | hyper 1.x |
//! |---|---|---|
//! | bare LF as a line's end | 400 | taken |
//! | empty lines before a request | one, of CR LF | any number |
//! | `Host` missing in 1.1, repeated, or not `host[:port]` | 400 | taken |
//! | an absolute target beside another `Host` | the target's authority replaces it | both are shown |
//! | user information, `#`, bytes beyond ASCII in a target | 400 | taken |
//! | `*` without OPTIONS, `host:port` without CONNECT | 400 | taken |
//! | equal Content-Length lines | 400 | taken |
//! | Content-Length beside Transfer-Encoding | 400 | Transfer-Encoding wins |
//! | a coding before `chunked` | 400; any other coding alone 501 | taken |
//! | a declared body on CONNECT, 1xx, 204 | refused | ignored |
//! | Host, Content-Length, Transfer-Encoding as trailers | refused | taken |
//! | trailers that act on a message (Authorization, Connection, x-forwarded-*, ...) | dropped | taken |
//! | `<`, `>`, `` ` `` in a target | taken | 400 |
//! | chunk extensions | 16 KiB more than the data | 16 KiB a body |

mod authority;
mod body;
mod connection;
mod framing;
mod head;
mod headers;
mod limits;
mod parse;
mod phrase;
mod refusal;
mod scan;
mod syntax;
mod target;
mod trailers;
mod write;

pub use authority::Authority;
pub use body::{BodyError, BodyEvent, BodyReader};
pub use connection::{
    Upgrade, expects_continue, is_protected, keep_alive, strip_hop_by_hop, upgrade_token, upgrade_tokens,
};
pub use framing::{Framing, request_framing, response_framing, set_framing};
pub use head::{RequestHead, ResponseHead, Version};
pub use headers::{Headers, InvalidHeader, Line, Name, Names};
pub use limits::Limits;
pub use parse::{Parsed, parse_request, parse_response};
pub use phrase::reason_phrase;
pub use refusal::Refusal;
pub use target::{Scheme, Target};
pub use trailers::strip_trailers;
pub use write::{CHUNK_END, chunk_head, last_chunk, write_chunk, write_request, write_response};

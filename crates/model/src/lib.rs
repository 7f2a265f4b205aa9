//! The mesh in plain data: no async, no I/O, no clock.
//!
//! What travels as xDS and what the proxy decides on, without protobuf's shapes and without sockets.

pub mod identity;

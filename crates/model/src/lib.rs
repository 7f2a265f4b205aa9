//! The mesh in plain data: no async, no I/O, no clock.
//!
//! *Settings* say what a configuration asks for, one type per xDS resource, in the field's names: [`listener`],
//! [`http`], [`route`], [`cluster`], [`endpoint`], [`rbac`], [`tls`], [`names`]; [`node`] says who asks for it.
//! `weft-wire` carries them to and from protobuf.
//! The control plane builds settings; the proxy compiles them to a `table` that requests are decided on.

pub mod access_log;
pub mod cluster;
pub mod compile;
pub mod endpoint;
pub mod health;
pub mod http;
pub mod identity;
pub mod lanes;
pub mod limit;
pub mod listener;
pub mod matcher;
pub mod names;
pub mod node;
pub mod padded;
pub mod rbac;
pub mod request;
pub mod route;
pub mod table;
pub mod tls;

//! Configuration on its way in: xDS updates, applied to what is in force, acknowledged or refused in words.
//!
//! The [`apply::Applier`] is plain state without sockets; [`subscribe`] is the loop that feeds it; [`resolve`] keeps
//! the addresses of clusters that are known by name.

pub mod apply;
pub mod resolve;
pub mod subscribe;

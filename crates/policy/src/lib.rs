//! Decisions as pure code: time and chance are arguments, sockets are elsewhere.
//!
//! [`route`] says where a request goes, [`authorize`] whether it may, [`balance`] which endpoint takes it, by the key of
//! [`hash_key`] where that is asked for, [`retry`] whether it is tried again, [`path`] what its path means,
//! [`canary`] which of weighted clusters it goes to, [`limit`] whether there is room for one more, [`health`] who is not well, [`outlier`] who is left
//! alone for a while, [`ceiling`] when the proxy itself has no room for more, [`warmup`] how little a newcomer gets, [`breaker`] how much may be under way, [`cors`] what a browser
//! is told and [`fault`] what goes wrong on purpose; [`names`] says which names the mesh answers.

pub mod authorize;
pub mod balance;
pub mod breaker;
pub mod canary;
pub mod ceiling;
pub mod cors;
pub mod fault;
pub mod hash_key;
pub mod health;
pub mod keep_alive;
pub mod limit;
pub mod names;
pub mod outlier;
pub mod path;
pub mod retry;
pub mod route;
#[cfg(test)]
mod sample;
pub mod warmup;

//! HTTP on its way through the sidecar, codec by codec and step by step.
//!
//! A request's life: [`serve`] and its two codecs read its head, [`admit`] makes it what the next hop will see and asks
//! authorization, [`plan`] decides where it goes and `filters` what faults and CORS have to say. `tries` and [`attempt`]
//! send it on a connection that `reach` finds, `again` says whether once more, [`mirror`] sends its copies. [`relay`]
//! moves bodies, `deliver` brings the answer, [`clock`] keeps its limits of time, [`watch`] asks authorization again when
//! its policy changes, [`exchange`] holds the steps together. [`local`] sends the answers that are ours.

pub mod admit;
mod again;
pub mod attempt;
pub mod call;
pub mod clock;
pub mod connect;
mod deliver;
pub mod downstream;
pub mod empty_frames;
pub mod exchange;
pub mod failure;
mod filters;
pub mod h1;
pub mod h2;
pub mod hop;
pub mod local;
pub mod message;
pub mod mirror;
pub mod operations;
pub mod peers;
pub mod plan;
mod reach;
pub mod relay;
mod remaining;
pub mod reply;
mod room;
mod said;
pub mod serve;
mod serve_h1;
mod serve_h2;
mod server_name;
mod shelf;
pub mod stream_io;
mod tries;
mod turn;
pub mod upgrade;
pub mod watch;

/// Frees what this worker kept for requests and has not needed since the last time.
pub fn tidy() {
    turn::tidy();
    serve_h2::tidy();
}

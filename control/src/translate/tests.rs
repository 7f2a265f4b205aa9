//! What the parts make together, and what a proxy makes of that.

mod access_log;
pub(crate) mod captured;
mod clusters;
mod http_proxy;
mod inbound;
mod named_pods;
mod names;
mod selfmonitor;
mod topology;

//! What a control plane implements to be served.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;
use weft_model::identity::SpiffeId;

use super::Verdict;
use crate::{Node, Protocol, ResourceSet};

/// One stream's other end.
#[derive(Debug, Clone)]
pub struct Client {
    /// Unique among the streams of one [`Service`](super::Service).
    pub stream: u64,
    /// What the proxy says about itself: a claim, to be checked against `caller`.
    pub node: Node,
    /// Who the proxy is proven to be; `None` if nobody authenticated it.
    pub caller: Option<SpiffeId>,
    /// Where it connects from, if the listener said so.
    pub peer: Option<SocketAddr>,
    /// The variant it speaks.
    pub protocol: Protocol,
}

/// Knows what each node is to have.
pub trait Source: Send + Sync + 'static {
    /// A new stream: decides whether this client may have this node's state, and lets it be watched.
    ///
    /// While the watched value is `None` (not known yet) nothing is sent and nothing removed. When its sender is
    /// dropped the stream ends with UNAVAILABLE, and the client comes again.
    ///
    /// # Errors
    /// The status that refuses the client.
    fn connect(&self, client: &Client) -> Result<watch::Receiver<Option<Arc<ResourceSet>>>, tonic::Status>;

    /// The client answered a response.
    fn answered(&self, _client: &Client, _verdict: &Verdict) {}

    /// The stream is over; called once for each accepted [`connect`](Self::connect).
    fn disconnected(&self, _client: &Client) {}
}

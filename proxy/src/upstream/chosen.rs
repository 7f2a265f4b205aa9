//! The endpoint that a request (or a TCP connection) goes to, as its worker hands it about, and that it is counted there.
//!
//! Requests of all workers mostly go to the same endpoints: had each a share of what is known of it, the count of shares would
//! go from one processor to the other with each request, as those of `snapshot::Local` would.

use std::net::SocketAddr;
use std::ops::Deref;
use std::rc::Rc;

use weft_policy::breaker::{Full, Resource};

use crate::snapshot::{ClusterView, EndpointView, Local};

/// An endpoint of a cluster.
#[derive(Debug, Clone)]
pub struct Chosen {
    cluster: Local<ClusterView>,
    which: Which,
}

#[derive(Debug, Clone)]
enum Which {
    /// Of the cluster's endpoints, by place.
    Configured(usize),
    /// Its cluster has none: where the connection was going.
    Original(Rc<EndpointView>),
}

impl Chosen {
    /// The endpoint at that place in its cluster.
    pub fn at(cluster: &Local<ClusterView>, place: usize) -> Option<Self> {
        let there = place < cluster.endpoints.len();
        there.then(|| Self { cluster: cluster.clone(), which: Which::Configured(place) })
    }

    /// An address that is no configured endpoint of the cluster.
    pub fn original(cluster: &Local<ClusterView>, address: SocketAddr) -> Self {
        let endpoint = EndpointView::original(cluster, address);
        Self { cluster: cluster.clone(), which: Which::Original(Rc::new(endpoint)) }
    }

    /// Its place in the cluster's set.
    pub fn place(&self) -> usize {
        match self.which {
            Which::Configured(place) => place,
            Which::Original(_) => 0,
        }
    }
}

impl Deref for Chosen {
    type Target = EndpointView;

    fn deref(&self) -> &EndpointView {
        match &self.which {
            Which::Configured(place) => &self.cluster.endpoints[*place],
            Which::Original(endpoint) => endpoint,
        }
    }
}

/// One request in flight, or one TCP connection: counted until it is dropped.
#[derive(Debug)]
pub struct InFlight {
    endpoint: Chosen,
    /// It counts among the requests of the cluster.
    counted: bool,
    /// It counts among what the endpoint was asked.
    asked: bool,
}

impl InFlight {
    /// One more at `endpoint`.
    pub fn to(endpoint: Chosen) -> Self {
        endpoint.state.enter();
        Self { endpoint, counted: false, asked: false }
    }

    /// Where it goes.
    pub fn endpoint(&self) -> &Chosen {
        &self.endpoint
    }

    /// Counts it among the requests of its cluster, too.
    ///
    /// # Errors
    /// If too many are in flight.
    pub fn count(&mut self) -> Result<(), Full> {
        let cluster = &self.endpoint.cluster;
        cluster.state.requests.enter(Resource::Requests, cluster.limits.requests)?;
        self.counted = true;
        self.asked();
        Ok(())
    }

    /// The endpoint is asked now, or could not be: what was refused before, or waited in vain, tells nothing of it.
    pub fn asked(&mut self) {
        if !std::mem::replace(&mut self.asked, true) {
            self.endpoint.state.asked();
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.endpoint.state.leave();
        if self.counted {
            self.endpoint.cluster.state.requests.leave();
        }
    }
}

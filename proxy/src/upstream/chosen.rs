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

/// A request of a worker that is counted among those in flight of its cluster, until this is dropped: from when it looks for an
/// endpoint, but for the time that it waits for a connection.
#[derive(Debug)]
pub struct Counted {
    cluster: Local<ClusterView>,
    worker: usize,
}

impl Counted {
    /// One more of the cluster.
    ///
    /// # Errors
    /// If too many are in flight.
    pub fn of(cluster: &Local<ClusterView>, worker: usize) -> Result<Self, Full> {
        cluster.state.requests.enter(worker, Resource::Requests, cluster.limits.requests)?;
        Ok(Self { cluster: cluster.clone(), worker })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.cluster.state.requests.leave(self.worker, self.cluster.limits.requests);
    }
}

/// One request in flight, or one TCP connection: counted at its endpoint until it is dropped.
#[derive(Debug)]
pub struct InFlight {
    endpoint: Chosen,
    worker: usize,
    /// Among the requests of the cluster.
    counted: Option<Counted>,
    /// It counts among what the endpoint was asked.
    asked: bool,
}

impl InFlight {
    /// One more of a worker's at `endpoint`, and whether it is counted among its cluster's.
    pub fn to(endpoint: Chosen, worker: usize, counted: Option<Counted>) -> Self {
        endpoint.state.enter(worker);
        Self { endpoint, worker, counted, asked: false }
    }

    /// Where it goes.
    pub fn endpoint(&self) -> &Chosen {
        &self.endpoint
    }

    /// It waits for a connection now, which is counted by itself: it is none of those in flight until it has one.
    pub fn waits(&mut self) {
        self.counted = None;
    }

    /// It has a connection, and counts among the requests of its cluster.
    ///
    /// # Errors
    /// If too many are in flight.
    pub fn goes(&mut self) -> Result<(), Full> {
        if self.counted.is_none() {
            self.counted = Some(Counted::of(&self.endpoint.cluster, self.worker)?);
        }
        self.asked();
        Ok(())
    }

    /// The endpoint is asked now, or could not be: what was refused before, or waited in vain, tells nothing of it.
    pub fn asked(&mut self) {
        if !std::mem::replace(&mut self.asked, true) {
            self.endpoint.state.asked(self.worker);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.endpoint.state.leave(self.worker);
    }
}

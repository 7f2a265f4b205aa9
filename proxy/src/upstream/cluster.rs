//! What is remembered of a cluster across configurations, shared by all workers: keyed by its name, so a swap of the table
//! loses nothing. What is under way is counted here, exactly, over all workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use weft_model::padded::Padded;
use weft_policy::breaker::{Count, Full, Lanes, Limits, Resource};

use super::endpoint::EndpointState;
use super::outlier::Ward;
use super::panics::Panics;
use super::places::Places;

/// One cluster.
#[derive(Debug, Default)]
pub struct ClusterState {
    /// Who is left alone for a while.
    pub ward: Ward,
    /// Which priorities are in panic.
    pub panics: Panics,
    /// How often an endpoint began to warm up, or what that means was configured anew.
    pub newcomers: Arc<AtomicU64>,
    /// Its connections.
    pub places: Arc<Places>,
    /// Connections that could not be made.
    pub connect_failures: AtomicU64,
    /// Requests that wait for a connection.
    pub pending: Padded<Count>,
    /// Requests in flight.
    pub requests: Lanes,
    /// Retries in flight.
    pub retries: Padded<Count>,
    /// Requests that were tried again.
    pub retried: AtomicU64,
    /// Of these, what may have reached an app before.
    pub repeated: AtomicU64,
}

/// One request that waits for a connection.
#[derive(Debug)]
pub struct Pending<'a>(&'a ClusterState);

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.0.pending.leave();
    }
}

/// One retry under way.
#[derive(Debug)]
pub struct Retrying(Arc<ClusterState>);

impl Drop for Retrying {
    fn drop(&mut self) {
        self.0.retries.leave();
    }
}

impl ClusterState {
    /// A connection to an endpoint could not be made.
    pub fn cannot_connect(&self, to: &EndpointState) {
        self.connect_failures.fetch_add(1, Ordering::Relaxed);
        to.connect_failures.fetch_add(1, Ordering::Relaxed);
    }

    /// A request waits for a connection from now on.
    ///
    /// # Errors
    /// If too many wait.
    pub fn wait(&self, limits: &Limits) -> Result<Pending<'_>, Full> {
        self.pending.enter(Resource::Pending, limits.pending).map(|()| Pending(self))
    }

    /// A request is tried again.
    ///
    /// # Errors
    /// If too many are.
    pub fn retry(self: &Arc<Self>, limits: &Limits) -> Result<Retrying, Full> {
        let (resource, limit) = limits.retries(self.requests.inside() + self.pending.inside());
        self.retries.enter(resource, limit).map(|()| Retrying(self.clone()))
    }
}

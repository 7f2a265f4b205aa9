//! Which endpoint takes a request: `policy::balance` with the loads of this process before its eyes.

use std::cell::OnceCell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use weft_model::cluster::{Discovery, SlowStart};
use weft_model::table::ClusterId;
use weft_policy::balance::{self, Before, Load, Newcomers, NoEndpoint};
use weft_policy::health::Verdict;
use weft_policy::warmup;

use super::endpoint::EndpointState;
use super::pool::PoolKey;
use crate::snapshot::{ClusterView, EndpointView};
use crate::worker::Worker;

struct Loads<'a> {
    view: &'a ClusterView,
    /// Where newcomers get less for a while.
    slow: Option<SlowStart>,
    now: OnceCell<Instant>,
}

impl<'a> Loads<'a> {
    fn of(view: &'a ClusterView) -> Self {
        Self { view, slow: view.cluster.settings.balancing.slow_start, now: OnceCell::new() }
    }
}

impl Load for Loads<'_> {
    fn active(&self, endpoint: usize) -> u32 {
        self.view.endpoints.get(endpoint).map_or(0, |e| e.state.active())
    }

    fn usable(&self, endpoint: usize) -> bool {
        self.all_usable() || self.view.endpoints.get(endpoint).is_some_and(|e| self.view.takes(e))
    }

    fn degraded(&self, endpoint: usize) -> bool {
        self.view.cluster.settings.health_check.is_some()
            && self
                .view
                .endpoints
                .get(endpoint)
                .is_some_and(|e| e.state.health.verdict() == Verdict::Degraded)
    }

    fn warmth(&self, endpoint: usize) -> f64 {
        match (&self.slow, self.view.endpoints.get(endpoint)) {
            (Some(slow), Some(e)) => warmup::share(slow, e.state.age(*self.now.get_or_init(Instant::now))),
            _ => 1.0,
        }
    }

    fn newcomers(&self) -> Option<Newcomers> {
        let ClusterView { made, state, .. } = self.view;
        self.slow.map(|_| Newcomers { of: *made, count: state.newcomers.load(Ordering::Acquire) })
    }

    fn all_usable(&self) -> bool {
        self.view.cluster.settings.health_check.is_none()
            && (self.view.outlier.is_none() || self.view.state.ward.out() == 0)
    }
}

/// Picks an endpoint of `view`, better none that was tried `before`. The place in the cluster's set comes along.
///
/// # Errors
/// If there is none.
pub fn pick(
    worker: &Worker,
    id: ClusterId,
    view: &ClusterView,
    hash: Option<u64>,
    before: Before<'_>,
    original: Option<SocketAddr>,
) -> Result<(usize, Arc<EndpointView>), NoEndpoint> {
    if view.cluster.settings.discovery == Discovery::OriginalDst {
        let address = original.ok_or(NoEndpoint::Empty)?;
        return Ok((0, Arc::new(original_destination(view, address))));
    }
    let mut turns = worker.turns.borrow_mut();
    let turn = turns.entry(id).or_default();
    let mut rng = worker.rng.borrow_mut();
    let picked = balance::pick(&view.cluster, &Loads::of(view), turn, hash, before, &mut *rng)?;
    view.state.panics.note(view, &picked);
    let place = picked.endpoint;
    view.endpoints.get(place).map(|e| (place, e.clone())).ok_or(NoEndpoint::Empty)
}

/// An address that is no configured endpoint, reached by the cluster's own transport. Its pool is told apart by address.
fn original_destination(view: &ClusterView, address: SocketAddr) -> EndpointView {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    address.hash(&mut hasher);
    EndpointView {
        address,
        state: Arc::new(EndpointState::new(address, view.state.newcomers.clone())),
        carrier: view.carrier.clone(),
        // A hash may be shared by chance, so the pool looks at the address too.
        pool: PoolKey { id: view.pool_base, address: hasher.finish() },
        peer: Arc::new(weft_telemetry::Peer::unknown(None)),
    }
}

//! Which endpoint takes a request: `policy::balance` with the loads of this process before its eyes.

use std::cell::OnceCell;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Instant;

use weft_model::cluster::{Discovery, SlowStart};
use weft_model::table::ClusterId;
use weft_policy::balance::{self, Before, Load, Newcomers, NoEndpoint};
use weft_policy::health::Verdict;
use weft_policy::warmup;

use super::chosen::Chosen;
use crate::snapshot::{ClusterView, Local};
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

/// Picks an endpoint of `view`, better none that was tried `before`.
///
/// # Errors
/// If there is none.
pub fn pick(
    worker: &Worker,
    id: ClusterId,
    view: &Local<ClusterView>,
    hash: Option<u64>,
    before: Before<'_>,
    original: Option<SocketAddr>,
) -> Result<Chosen, NoEndpoint> {
    if view.cluster.settings.discovery == Discovery::OriginalDst {
        let address = original.ok_or(NoEndpoint::Empty)?;
        return Ok(Chosen::original(view, address));
    }
    let mut turns = worker.turns.borrow_mut();
    let turn = turns.entry(id).or_default();
    let mut rng = worker.rng.borrow_mut();
    let picked = balance::pick(&view.cluster, &Loads::of(view), turn, hash, before, &mut *rng)?;
    view.state.panics.note(view, &picked);
    Chosen::at(view, picked.endpoint).ok_or(NoEndpoint::Empty)
}

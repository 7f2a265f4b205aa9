//! Outlier detection at work: outcomes are noted where they come, verdicts of `policy::outlier` are carried out, told in
//! the log and counted. An endpoint comes back by a timer of its own, exactly when its time is over.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand::RngExt as _;
use weft_policy::outlier::{Cause, Ejections, Outcome, Rate, Settings, Verdict, laggards};

use super::cluster::ClusterState;
use super::endpoint::EndpointState;
use crate::snapshot::{ClusterView, EndpointView, Snapshot};
use crate::worker::Shared;

/// Who of one cluster is out. The lock is for those that are judged; whoever picks an endpoint reads a number.
#[derive(Debug, Default)]
pub struct Ward {
    out: AtomicU32,
    ejections: Mutex<Ejections<SocketAddr>>,
    /// That nobody more may go out was said, and nothing has changed since.
    told: AtomicBool,
    /// What happened so far.
    pub counts: Counts,
}

/// What happened so far, under the names of Envoy's statistics.
#[derive(Debug, Default)]
pub struct Counts {
    /// `ejections_enforced_total`
    pub enforced: AtomicU64,
    /// `ejections_overflow`
    pub overflow: AtomicU64,
    /// Who came back, which Envoy does not count.
    pub readmitted: AtomicU64,
    /// `ejections_{detected,enforced}_consecutive_5xx`
    pub consecutive_5xx: Pair,
    /// `ejections_{detected,enforced}_consecutive_gateway_failure`
    pub gateway: Pair,
    /// `ejections_{detected,enforced}_consecutive_local_origin_failure`
    pub local_origin: Pair,
    /// `ejections_{detected,enforced}_success_rate`
    pub success_rate: Pair,
    /// `ejections_{detected,enforced}_local_origin_success_rate`
    pub local_origin_success_rate: Pair,
}

/// Deserved, and carried out.
#[derive(Debug, Default)]
pub struct Pair {
    /// Deserved.
    pub detected: AtomicU64,
    /// Carried out.
    pub enforced: AtomicU64,
}

impl Counts {
    fn of(&self, cause: Cause) -> &Pair {
        match cause {
            Cause::Consecutive5xx(_) => &self.consecutive_5xx,
            Cause::ConsecutiveGateway(_) => &self.gateway,
            Cause::ConsecutiveLocalOrigin(_) => &self.local_origin,
            Cause::SuccessRate => &self.success_rate,
            Cause::LocalOriginSuccessRate => &self.local_origin_success_rate,
        }
    }
}

impl Ward {
    /// So many endpoints are out.
    pub fn out(&self) -> u32 {
        self.out.load(Ordering::Relaxed)
    }

    /// How long an endpoint stays out, if it is.
    pub fn remaining(&self, address: SocketAddr, now: Instant) -> Option<Duration> {
        let ejections = self.ejections.lock().unwrap_or_else(PoisonError::into_inner);
        ejections.until(&address).map(|until| until.saturating_duration_since(now))
    }
}

/// Notes what became of a request (or a TCP connection) at `endpoint` of `view`. Where nothing had failed, a success costs
/// a few loads.
pub fn note(view: &Arc<ClusterView>, endpoint: &EndpointView, outcome: Outcome) {
    let state = &endpoint.state;
    if outcome.is_failure() {
        state.failures.fetch_add(1, Ordering::Relaxed);
        if outcome == Outcome::LocalOrigin {
            state.unanswered.fetch_add(1, Ordering::Relaxed);
        }
    }
    let Some(settings) = &view.outlier else { return };
    if settings.rates() {
        state.judged.fetch_add(1, Ordering::Relaxed);
    }
    if let Some(cause) = state.streaks.note(settings, outcome) {
        judge(view, settings, state, cause);
    }
}

fn judge(view: &Arc<ClusterView>, settings: &Settings, endpoint: &Arc<EndpointState>, cause: Cause) {
    let ward = &view.state.ward;
    let (name, address, now) = (&view.cluster.settings.name, endpoint.address, Instant::now());
    let present = view.endpoints.iter().map(|e| &e.address);
    let draw = rand::rng().random_range(0..100);
    let verdict = {
        let mut ejections = ward.ejections.lock().unwrap_or_else(PoisonError::into_inner);
        let verdict = ejections.judge(settings, &address, cause, present, draw, now);
        if matches!(verdict, Verdict::Eject { .. }) && !endpoint.out.swap(true, Ordering::Relaxed) {
            ward.out.fetch_add(1, Ordering::Relaxed);
        }
        verdict
    };
    if verdict != Verdict::Keep {
        ward.counts.of(cause).detected.fetch_add(1, Ordering::Relaxed);
    }
    match verdict {
        Verdict::Keep => {}
        Verdict::Eject { until, length, times } => {
            ward.counts.enforced.fetch_add(1, Ordering::Relaxed);
            ward.counts.of(cause).enforced.fetch_add(1, Ordering::Relaxed);
            ward.told.store(false, Ordering::Relaxed);
            let (out, total) = (ward.out(), view.endpoints.len());
            tracing::warn!(
                cluster = %name, endpoint = %address, %cause, ?length, times, out, total,
                "endpoint ejected: it gets no requests for a while (outlierDetection)"
            );
            tokio::spawn(readmit(view.state.clone(), name.clone(), endpoint.clone(), until));
        }
        Verdict::Spare { out, total } => {
            ward.counts.overflow.fetch_add(1, Ordering::Relaxed);
            if !ward.told.swap(true, Ordering::Relaxed) {
                let most = settings.max_ejected_percent;
                tracing::warn!(
                    cluster = %name, endpoint = %address, %cause, out, total,
                    "endpoint not ejected: no more than {most} % may be out at once (outlierDetection.maxEjectionPercent)"
                );
            }
        }
        Verdict::Waived => {
            tracing::debug!(cluster = %name, endpoint = %address, %cause, "endpoint not ejected: by its enforcing percentage");
        }
    }
}

/// Lets an endpoint in again when its time is over. The cluster's configuration may change meanwhile, and is not held.
async fn readmit(state: Arc<ClusterState>, name: String, endpoint: Arc<EndpointState>, until: Instant) {
    tokio::time::sleep_until(until.into()).await;
    {
        let mut ejections = state.ward.ejections.lock().unwrap_or_else(PoisonError::into_inner);
        if !ejections.readmit(&endpoint.address, Instant::now()) {
            return;
        }
        endpoint.streaks.clear();
        endpoint.comes_back(Instant::now());
        endpoint.out.store(false, Ordering::Relaxed);
        state.ward.out.fetch_sub(1, Ordering::Relaxed);
    }
    state.ward.counts.readmitted.fetch_add(1, Ordering::Relaxed);
    state.ward.told.store(false, Ordering::Relaxed);
    tracing::info!(cluster = %name, endpoint = %endpoint.address, "endpoint is back after its ejection (outlierDetection)");
}

/// Rates of success are looked at no more often than this, whatever `interval` says.
const SWEEP: Duration = Duration::from_secs(1);

/// Compares rates of success for as long as the process lives, where a cluster asks for that. Nothing wakes the process
/// before an interval is over, and nothing at all where no cluster asks.
pub async fn sweep(shared: Arc<Shared>) {
    let mut windows = std::collections::HashMap::new();
    let mut changes = shared.live.changes();
    loop {
        let now = Instant::now();
        let next = sweep_once(&shared.live.load(), &mut windows, now);
        let wait = async {
            match next {
                Some(next) => tokio::time::sleep_until(next.max(now + SWEEP).into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = wait => {}
            more = changes.changed() => if !more { return },
        }
    }
}

/// Judges where an interval is over; says when the next one is.
fn sweep_once(
    snapshot: &Snapshot,
    windows: &mut std::collections::HashMap<String, Window>,
    now: Instant,
) -> Option<Instant> {
    let mut next = None;
    windows.retain(|name, _| snapshot.cluster_named(name).is_some());
    for view in snapshot.clusters() {
        let Some(settings) = view.outlier.as_ref().filter(|settings| settings.rates()) else { continue };
        let window = windows.entry(view.cluster.settings.name.clone());
        let window: &mut Window = window.or_insert_with(|| Window::open(view, now));
        if now.saturating_duration_since(window.since) >= settings.interval {
            window.close(view, settings);
            *window = Window::open(view, now);
        }
        if let Some(over) = window.since.checked_add(settings.interval) {
            next = Some(next.map_or(over, |next: Instant| next.min(over)));
        }
    }
    next
}

/// The totals of a cluster's endpoints at the beginning of an interval.
struct Window {
    since: Instant,
    totals: std::collections::HashMap<SocketAddr, [u64; 3]>,
}

fn totals(state: &EndpointState) -> [u64; 3] {
    [&state.judged, &state.failures, &state.unanswered].map(|count| count.load(Ordering::Relaxed))
}

impl Window {
    fn open(view: &ClusterView, now: Instant) -> Self {
        let totals = view.endpoints.iter().map(|e| (e.address, totals(&e.state))).collect();
        Self { since: now, totals }
    }

    fn close(&self, view: &Arc<ClusterView>, settings: &Settings) {
        let within = |endpoint: &Arc<EndpointView>| {
            let (now, then) = (totals(&endpoint.state), self.totals.get(&endpoint.address));
            let then = then.copied().unwrap_or_default();
            let [requests, failures, unanswered] = std::array::from_fn(|n| now[n].saturating_sub(then[n]));
            (requests, failures, unanswered)
        };
        let seen: Vec<_> = view.endpoints.iter().map(within).collect();
        let judged = |rates: Vec<Rate>, cause| {
            for place in laggards(&rates) {
                judge(view, settings, &view.endpoints[place].state, cause);
            }
        };
        if settings.split_local_origin {
            let rates = seen.iter().map(|(all, _, lost)| Rate { requests: *all, failures: *lost });
            judged(rates.collect(), Cause::LocalOriginSuccessRate);
            let rates = seen.iter().map(|(all, failed, lost)| Rate {
                requests: all.saturating_sub(*lost),
                failures: failed.saturating_sub(*lost),
            });
            judged(rates.collect(), Cause::SuccessRate);
        } else {
            let rates = seen.iter().map(|(all, failed, _)| Rate { requests: *all, failures: *failed });
            judged(rates.collect(), Cause::SuccessRate);
        }
    }
}

//! Active health checks at work, off every request's way: a task for each endpoint of a cluster that asks for them, which
//! probes over the cluster's own transport and leaves the verdict where whoever picks an endpoint reads it.

mod probe;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use rand::RngExt as _;
use tokio::task::JoinHandle;
use weft_model::cluster::Discovery;
use weft_model::health::HealthCheck;
use weft_policy::health::{Patient, Verdict};

use self::probe::Way;
use crate::snapshot::{ClusterView, EndpointView};
use crate::worker::Shared;

/// The verdict on one endpoint, as all workers read it.
#[derive(Debug, Default)]
pub struct Known(AtomicU8);

impl Known {
    /// What is known.
    pub fn verdict(&self) -> Verdict {
        match self.0.load(Ordering::Relaxed) {
            1 => Verdict::Well,
            2 => Verdict::Degraded,
            3 => Verdict::Ill,
            _ => Verdict::Unknown,
        }
    }

    fn set(&self, verdict: Verdict) {
        let number = match verdict {
            Verdict::Unknown => 0,
            Verdict::Well => 1,
            Verdict::Degraded => 2,
            Verdict::Ill => 3,
        };
        self.0.store(number, Ordering::Relaxed);
    }
}

/// One task for each of these.
type Key = (String, SocketAddr);

struct Running {
    check: HealthCheck,
    /// The transport that it probes over; another one asks for another task.
    carrier: usize,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Begins and ends probes as the configuration says, for as long as the process lives.
pub async fn run(shared: Arc<Shared>) {
    let mut running: HashMap<Key, Running> = HashMap::new();
    let mut changes = shared.live.changes();
    loop {
        let snapshot = shared.live.load();
        let mut wanted: HashMap<Key, (Arc<ClusterView>, Arc<EndpointView>)> = HashMap::new();
        for view in snapshot.clusters() {
            let settings = &view.cluster.settings;
            if settings.health_check.is_none() || settings.discovery == Discovery::OriginalDst {
                continue;
            }
            for endpoint in &view.endpoints {
                wanted.insert((settings.name.clone(), endpoint.address), (view.clone(), endpoint.clone()));
            }
        }
        running.retain(|key, now| {
            wanted.get(key).is_some_and(|(view, endpoint)| {
                view.cluster.settings.health_check.as_ref() == Some(&now.check)
                    && Arc::as_ptr(&endpoint.carrier).addr() == now.carrier
            })
        });
        for (key, (view, endpoint)) in wanted {
            let Some(check) = &view.cluster.settings.health_check else { continue };
            running.entry(key).or_insert_with(|| {
                let carrier = Arc::as_ptr(&endpoint.carrier).addr();
                let task = tokio::spawn(watch(Way::of(&view, &endpoint), endpoint, check.clone()));
                Running { check: check.clone(), carrier, task }
            });
        }
        drop(snapshot);
        if !changes.changed().await {
            return;
        }
    }
}

/// Probes one endpoint.
async fn watch(way: Way, endpoint: Arc<EndpointView>, check: HealthCheck) {
    let health = &endpoint.state.health;
    let mut patient = Patient::known(health.verdict());
    loop {
        let probed = probe::probe(&way, &check).await;
        if let Some(verdict) = patient.note(&check, probed.outcome) {
            let before = health.verdict();
            health.set(verdict);
            if before == Verdict::Ill {
                // Whoever is back warms up again.
                endpoint.state.comes_back(Instant::now());
            }
            tell(&way, &check, verdict, &probed.said);
        }
        tokio::time::sleep(pause(&check)).await;
    }
}

fn pause(check: &HealthCheck) -> Duration {
    let most = u64::from(check.jitter_percent.min(1000));
    let jitter = if most == 0 { 0 } else { rand::rng().random_range(0..=most) };
    check.interval.mul_f64(1.0 + f64::from(u32::try_from(jitter).unwrap_or(0)) / 100.0)
}

fn tell(way: &Way, check: &HealthCheck, verdict: Verdict, said: &str) {
    let (cluster, endpoint) = (&way.cluster, way.address);
    match verdict {
        Verdict::Ill => tracing::warn!(
            %cluster, %endpoint, said, failures = check.unhealthy_threshold,
            "endpoint failed its health checks: it gets no requests (weft.dev/health-check)"
        ),
        Verdict::Degraded => tracing::warn!(
            %cluster, %endpoint, "endpoint says that it is degraded: it gets what others cannot take"
        ),
        Verdict::Well | Verdict::Unknown => {
            tracing::info!(%cluster, %endpoint, "endpoint passes its health checks")
        }
    }
}

//! Panic mode: so few endpoints of a priority are well that all are used, well or not. Said when it begins and when it is
//! over, not for each request.

use std::sync::atomic::{AtomicU64, Ordering};

use weft_policy::balance::Picked;

use crate::snapshot::ClusterView;

/// One bit a priority.
#[derive(Debug, Default)]
pub struct Panics(AtomicU64);

impl Panics {
    /// Is any priority in panic?
    pub fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// Notes how an endpoint was picked.
    pub fn note(&self, view: &ClusterView, picked: &Picked) {
        let bit = 1 << picked.priority.min(63);
        if (self.0.load(Ordering::Relaxed) & bit != 0) == picked.panic {
            return;
        }
        let cluster = &view.cluster.settings.name;
        let threshold = view.cluster.settings.balancing.panic_threshold.unwrap_or(50.0);
        let priority = picked.priority;
        if picked.panic {
            if self.0.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
                tracing::warn!(
                    %cluster, priority, threshold,
                    "panic mode: too few endpoints are well, so all of them are used (outlierDetection.minHealthPercent)"
                );
            }
        } else if self.0.fetch_and(!bit, Ordering::Relaxed) & bit != 0 {
            tracing::info!(%cluster, priority, "panic mode is over: enough endpoints are well");
        }
    }
}

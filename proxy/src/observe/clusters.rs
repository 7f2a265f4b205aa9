//! What is counted of each cluster, in Prometheus's text and under the names of Envoy's statistics.
//!
//! The numbers stand where they are counted, beside what they are about; a page reads them as they are at that moment. A
//! cluster of which nothing was ever counted is not told of, since most of a mesh is nobody's upstream.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::snapshot::{ClusterView, Snapshot};

/// One statistic of every cluster.
struct Statistic {
    name: &'static str,
    kind: &'static str,
    read: fn(&ClusterView) -> u64,
}

macro_rules! statistics {
    ($($kind:ident $name:literal = $read:expr;)*) => {
        &[$(Statistic { name: concat!("envoy_cluster_", $name), kind: stringify!($kind), read: $read },)*]
    };
}

fn of(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

const STATISTICS: &[Statistic] = statistics! {
    gauge "upstream_cx_active" = |c| c.state.places.open().into();
    counter "upstream_cx_overflow" = |c| c.state.places.refused();
    counter "upstream_cx_connect_fail" = |c| of(&c.state.connect_failures);
    gauge "upstream_rq_active" = |c| c.state.requests.inside().into();
    gauge "upstream_rq_pending_active" = |c| c.state.pending.inside().into();
    counter "upstream_rq_active_overflow" = |c| c.state.requests.refused();
    counter "upstream_rq_pending_overflow" = |c| c.state.pending.refused();
    gauge "upstream_rq_retry_active" = |c| c.state.retries.inside().into();
    counter "upstream_rq_retry" = |c| of(&c.state.retried);
    counter "upstream_rq_retry_overflow" = |c| c.state.retries.refused();
    counter "weft_retry_after_app_may_have_seen_it" = |c| of(&c.state.repeated);
    gauge "circuit_breakers_default_cx_open" = |c| (c.state.places.open() >= c.limits.connections).into();
    gauge "circuit_breakers_default_rq_open" = |c| (c.state.requests.inside() >= c.limits.requests).into();
    gauge "circuit_breakers_default_rq_pending_open" = |c| (c.state.pending.inside() >= c.limits.pending).into();
    gauge "outlier_detection_ejections_active" = |c| c.state.ward.out().into();
    counter "outlier_detection_ejections_enforced_total" = |c| of(&c.state.ward.counts.enforced);
    counter "weft_outlier_detection_readmissions" = |c| of(&c.state.ward.counts.readmitted);
    counter "outlier_detection_ejections_overflow" = |c| of(&c.state.ward.counts.overflow);
    counter "outlier_detection_ejections_detected_consecutive_5xx"
        = |c| of(&c.state.ward.counts.consecutive_5xx.detected);
    counter "outlier_detection_ejections_enforced_consecutive_5xx"
        = |c| of(&c.state.ward.counts.consecutive_5xx.enforced);
    counter "outlier_detection_ejections_detected_consecutive_gateway_failure"
        = |c| of(&c.state.ward.counts.gateway.detected);
    counter "outlier_detection_ejections_enforced_consecutive_gateway_failure"
        = |c| of(&c.state.ward.counts.gateway.enforced);
    counter "outlier_detection_ejections_detected_consecutive_local_origin_failure"
        = |c| of(&c.state.ward.counts.local_origin.detected);
    counter "outlier_detection_ejections_enforced_consecutive_local_origin_failure"
        = |c| of(&c.state.ward.counts.local_origin.enforced);
    counter "outlier_detection_ejections_detected_success_rate"
        = |c| of(&c.state.ward.counts.success_rate.detected);
    counter "outlier_detection_ejections_enforced_success_rate"
        = |c| of(&c.state.ward.counts.success_rate.enforced);
    counter "outlier_detection_ejections_detected_local_origin_success_rate"
        = |c| of(&c.state.ward.counts.local_origin_success_rate.detected);
    counter "outlier_detection_ejections_enforced_local_origin_success_rate"
        = |c| of(&c.state.ward.counts.local_origin_success_rate.enforced);
};

/// All statistics of all clusters that have any.
pub fn render(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    for Statistic { name, kind, read } in STATISTICS {
        let mut titled = false;
        for cluster in snapshot.clusters().filter(|cluster| is_told_of(cluster)) {
            if !titled {
                let _ = writeln!(text, "# TYPE {name} {kind}");
                titled = true;
            }
            let label = cluster.cluster.settings.name.replace('\\', "\\\\").replace('"', "\\\"");
            let _ = writeln!(text, "{name}{{cluster_name=\"{label}\"}} {}", read(cluster));
        }
    }
    text
}

fn is_told_of(cluster: &ClusterView) -> bool {
    STATISTICS.iter().any(|statistic| (statistic.read)(cluster) > 0)
}

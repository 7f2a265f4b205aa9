//! Why nobody takes a request, in words: found out only once it is refused.

use weft_model::cluster::{Cluster, Discovery};
use weft_model::endpoint::Health;
use weft_policy::balance::NoEndpoint;
use weft_policy::health::Verdict;

use super::outbound::Outbound;
use crate::snapshot::{ClusterView, Snapshot};

/// Istio's name of where nothing is let out (REGISTRY_ONLY).
const BLACK_HOLE: &str = "BlackHoleCluster";

/// Why no endpoint of `view` takes it.
pub fn words(snapshot: &Snapshot, view: &ClusterView, why: NoEndpoint) -> String {
    match why {
        NoEndpoint::NoneUsable { total } => {
            let name = &view.cluster.settings.name;
            format!("cluster {name}: all {total} endpoints are out: {}; see `weft status`", Out::of(view))
        }
        NoEndpoint::Empty => {
            let settings = &view.cluster.settings;
            let all = Outbound::of(&settings.name).and_then(|of| {
                let whole = snapshot.cluster_named(&format!("outbound|{}||{}", of.port, of.host))?;
                Some(whole.endpoints.len())
            });
            empty(settings, all)
        }
    }
}

/// Why a cluster has no endpoints. `all`: so many has its service, where a subset has none.
fn empty(settings: &Cluster, all: Option<usize>) -> String {
    let name = &settings.name;
    match (&settings.discovery, Outbound::of(name)) {
        _ if name == BLACK_HOLE => {
            "no service is called so, and outboundTrafficPolicy is REGISTRY_ONLY: nothing \
                                    that no service or ServiceEntry names is let out"
                .to_owned()
        }
        (Discovery::StrictDns | Discovery::LogicalDns, _) => {
            format!("cluster {name}: its name does not resolve; the sidecar's log says why")
        }
        (Discovery::OriginalDst, _) => {
            format!(
                "cluster {name}: nobody knows where the connection was going, and it has no other endpoints"
            )
        }
        (Discovery::Unknown(kind), _) => {
            format!("cluster {name}: clusters of type {kind} are not known here, so it has no endpoints")
        }
        (Discovery::Static, None) => format!("cluster {name} is configured without any endpoint"),
        (Discovery::Eds(_), None) => format!("cluster {name}: the control plane knows no endpoint of it"),
        (Discovery::Eds(_) | Discovery::Static, Some(Outbound { port, subset, host })) => match all {
            Some(1..) | None if !subset.is_empty() => {
                format!("no pod of {host} has the labels of subset {subset:?}{}", others(all))
            }
            _ if host.contains(".svc.") => format!(
                "no pod of {host} takes requests at port {port}: none is ready, or the Service's selector matches \
                 none; see `weft status`"
            ),
            _ => format!(
                "nobody is behind {host} at port {port}: its ServiceEntry has no endpoints, and its \
                 workloadSelector matches none"
            ),
        },
    }
}

fn others(all: Option<usize>) -> String {
    all.map(|all| format!(" (pods that take requests: {all})")).unwrap_or_default()
}

/// How many are out, and by what.
#[derive(Debug, Default, PartialEq, Eq)]
struct Out {
    ejected: usize,
    ill: usize,
    told: usize,
}

impl Out {
    fn of(view: &ClusterView) -> Self {
        let mut out = Self::default();
        for (endpoint, known) in view.endpoints.iter().zip(&view.cluster.endpoints.endpoints) {
            let checked = view.cluster.settings.health_check.is_some();
            if matches!(known.settings.health, Health::Unhealthy | Health::Draining) {
                out.told += 1;
            } else if view.outlier.is_some() && endpoint.state.is_out() {
                out.ejected += 1;
            } else if checked && endpoint.state.health.verdict() == Verdict::Ill {
                out.ill += 1;
            }
        }
        out
    }
}

impl std::fmt::Display for Out {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whys = [
            (self.ejected, "ejected after failures (outlierDetection)"),
            (self.ill, "failing health checks (weft.dev/health-check)"),
            (self.told, "leaving or not ready, as the control plane says"),
        ];
        let said: Vec<String> = whys
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, why)| format!("{count} {why}"))
            .collect();
        if said.is_empty() { f.write_str("none has a weight") } else { f.write_str(&said.join(", ")) }
    }
}

#[cfg(test)]
mod tests;

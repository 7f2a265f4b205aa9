//! How a workload's pods are replaced when its template changes: `spec.strategy` and `spec.updateStrategy`.

use k8s_openapi::api::apps::v1::{DaemonSetSpec, DeploymentSpec, StatefulSetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::{Deserialize, Serialize};

/// A way to replace pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Update {
    /// New pods beside the old ones, which go as the new become ready.
    Surge {
        /// As many more pods than replicas may be there.
        surge: u32,
        /// As many fewer than replicas may be ready.
        unavailable: u32,
    },
    /// Each in its place and under its name, the highest ordinal first, the next when that one is ready; those
    /// with an ordinal below `partition` stay as they are.
    InPlace { partition: u32 },
    /// All stop before the first new one starts.
    Recreate,
}

impl Default for Update {
    /// That of a pod without a workload.
    fn default() -> Self {
        Self::InPlace { partition: 0 }
    }
}

impl Update {
    /// A Deployment's: a quarter more, rounded up, a quarter fewer, rounded down, where nothing is said.
    pub(crate) fn of_deployment(spec: &DeploymentSpec, replicas: u32) -> Self {
        let strategy = spec.strategy.as_ref();
        if strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("Recreate") {
            return Self::Recreate;
        }
        let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
        let surge = rolling.and_then(|rolling| rolling.max_surge.as_ref());
        let unavailable = rolling.and_then(|rolling| rolling.max_unavailable.as_ref());
        Self::surge(
            share(surge, replicas, true).unwrap_or_else(|| replicas.div_ceil(4)),
            share(unavailable, replicas, false).unwrap_or(replicas / 4),
        )
    }

    /// A StatefulSet's: in its place; `OnDelete` replaces nothing by itself.
    pub(crate) fn of_stateful_set(spec: &StatefulSetSpec) -> Self {
        let strategy = spec.update_strategy.as_ref();
        if strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("OnDelete") {
            return Self::InPlace { partition: u32::MAX };
        }
        let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
        let partition = rolling.and_then(|rolling| rolling.partition).unwrap_or_default();
        Self::InPlace { partition: u32::try_from(partition).unwrap_or_default() }
    }

    /// A DaemonSet's, on the one node there is: the old pod goes first, unless it asks for a surge.
    pub(crate) fn of_daemon_set(spec: &DaemonSetSpec) -> Self {
        let strategy = spec.update_strategy.as_ref();
        if strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("OnDelete") {
            return Self::InPlace { partition: u32::MAX };
        }
        let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
        match share(rolling.and_then(|rolling| rolling.max_surge.as_ref()), 1, true) {
            Some(surge) if surge > 0 => Self::surge(surge, 0),
            _ => Self::InPlace { partition: 0 },
        }
    }

    /// With neither, nothing could ever be replaced: then one may be missing, as in Kubernetes.
    const fn surge(surge: u32, unavailable: u32) -> Self {
        let unavailable = if surge == 0 && unavailable == 0 { 1 } else { unavailable };
        Self::Surge { surge, unavailable }
    }
}

/// `2` or `25%` of `replicas`.
fn share(said: Option<&IntOrString>, replicas: u32, up: bool) -> Option<u32> {
    match said? {
        IntOrString::Int(number) => u32::try_from(*number).ok(),
        IntOrString::String(text) => {
            let percent: u64 = text.strip_suffix('%')?.trim().parse().ok()?;
            let hundredths = percent.checked_mul(u64::from(replicas))?;
            u32::try_from(if up { hundredths.div_ceil(100) } else { hundredths / 100 }).ok()
        }
    }
}

#[cfg(test)]
mod tests;

//! Services with the workloads that their labels put behind them, running or described: found once for all that ask.

use crate::world::World;
use crate::world::service::Service;
use crate::world::workload::{Workload, selects};

/// A service and what is behind it.
pub(super) struct Backed<'a> {
    pub(super) service: &'a Service,
    pub(super) behind: Vec<&'a Workload>,
}

impl<'a> Backed<'a> {
    /// Every service, the oldest first.
    pub(super) fn all(world: &'a World, workloads: &'a [Workload]) -> Vec<Self> {
        let with = |service: &'a Service| {
            let is_behind = |workload: &&Workload| {
                !service.selector.is_empty()
                    && service.namespace == workload.namespace
                    && selects(&service.selector, &workload.labels)
            };
            Self { service, behind: workloads.iter().filter(is_behind).collect() }
        };
        world.services.iter().map(|service| with(service)).collect()
    }
}

//! The ports of a proxy's own app, and the service that leads to each.

use std::collections::BTreeMap;
use std::sync::Arc;

use weft_model::node::Interception;

use crate::world::World;
use crate::world::protocol::Protocol;
use crate::world::service::Service;
use crate::world::workload::Workload;

/// One port of the app.
#[derive(Debug, Clone)]
pub struct InboundPort {
    /// The app's port.
    pub number: u16,
    /// What is spoken, as the service declares it, else as the container does.
    pub protocol: Protocol,
    /// The service that leads here and the port of it, the oldest of several.
    pub service: Option<(Arc<Service>, u16)>,
}

/// Ports of a pod's own address that its sidecar takes: readiness and metrics.
const OWN: [u16; 2] = [15021, 15090];

/// The ports of `workload`. Without interception each is a listener, so the containers' own are served as well; with
/// it, what no service names is let in as a whole.
pub(super) fn of(world: &World, workload: &Workload, interception: Interception) -> Vec<InboundPort> {
    let mut ports: BTreeMap<u16, InboundPort> = BTreeMap::new();
    for service in world.services.iter().filter(|service| service.namespace == workload.namespace) {
        let behind = service.endpoints.iter().chain(&service.unready);
        for endpoint in behind.filter(|endpoint| *endpoint.workload == *workload) {
            for (port, target) in service.ports.iter().zip(&endpoint.ports) {
                let Some(number) = *target else { continue };
                let service = Some((Arc::clone(service), port.number));
                ports.entry(number).or_insert(InboundPort { number, protocol: port.protocol, service });
            }
        }
    }
    if interception == Interception::None {
        for port in &workload.ports {
            let own = InboundPort { number: port.number, protocol: port.protocol, service: None };
            ports.entry(port.number).or_insert(own);
        }
        ports.retain(|number, _| !OWN.contains(number));
    }
    ports.into_values().collect()
}

//! Health checks of endpoints that nobody chooses, for who goes where its client was going goes there, be it ill or well; and
//! those that no port understands.

use super::Checked;
use crate::annotations::{self, HEALTH_CHECK};
use crate::resources::Meta;
use crate::resources::service_entry::Resolution;
use crate::world::service::Service;

const NOBODY: &str = "no port speaks what is asked in: nobody is checked";
const PORTS: &str = "protocol=http asks ports of HTTP, grpc those of gRPC and HTTP/2, tcp all";

impl Checked<'_> {
    /// Of hosts outside that resolve to nothing.
    pub(super) fn health_checks(&mut self) {
        let resources = std::sync::Arc::clone(&self.world.resources);
        for object in &resources.service_entries {
            let passes = matches!(object.spec.resolution, Resolution::None | Resolution::DynamicDns);
            if passes && object.meta.annotations.contains_key(HEALTH_CHECK) {
                let message = "connections go wherever their client was going: nobody is checked".to_owned();
                let hint = Some("resolution STATIC or DNS".to_owned());
                self.warn("ServiceEntry", object, path(), message, hint);
            } else if self.asks_nobody(&object.meta) {
                self.warn("ServiceEntry", object, path(), NOBODY.to_owned(), Some(PORTS.to_owned()));
            }
        }
        for object in &resources.services {
            if self.asks_nobody(&object.meta) {
                self.warn("Service", object, path(), NOBODY.to_owned(), Some(PORTS.to_owned()));
            }
        }
    }

    /// No port of the services that it makes speaks what it asks in.
    fn asks_nobody(&self, meta: &Meta) -> bool {
        let Some(check) = annotations::health_check(&meta.annotations) else { return false };
        let own = |service: &&std::sync::Arc<Service>| {
            service.namespace == meta.namespace && service.annotations == meta.annotations
        };
        let mut ports = self.world.services.iter().filter(own).flat_map(|service| &service.ports).peekable();
        ports.peek().is_some() && !ports.any(|port| annotations::asks(&check.probe, port.protocol))
    }

    /// Of headless services, whose callers have chosen a pod where connections are intercepted.
    pub(super) fn headless_health_checks(&mut self) {
        let resources = std::sync::Arc::clone(&self.world.resources);
        for object in &resources.services {
            let headless = object.spec.cluster_ip.as_deref() == Some("None");
            if headless && object.meta.annotations.contains_key(HEALTH_CHECK) {
                let message =
                    "it is headless: where connections are intercepted its callers choose the pod themselves, and nobody is checked"
                        .to_owned();
                let hint = Some("a Service with an address of its own has it".to_owned());
                self.warn("Service", object, path(), message, hint);
            }
        }
    }
}

fn path() -> String {
    format!("metadata.annotations[{HEALTH_CHECK:?}]")
}

//! Routes to hosts that nobody knows, to subsets that no DestinationRule defines, to ports that are not exposed; and
//! VirtualServices of gateways, which nobody runs.

use std::collections::BTreeMap;

use super::{Checked, listed};
use crate::read::nearest;
use crate::resources::Object;
use crate::resources::gateway::Gateway;
use crate::resources::virtual_service::{Destination, VirtualService};
use crate::translate::virtual_service;

const KIND: &str = "VirtualService";

impl Checked<'_> {
    pub(super) fn virtual_services(&mut self) {
        let resources = std::sync::Arc::clone(&self.world.resources);
        for object in &resources.virtual_services {
            self.gateways(object);
            for (at, named, to) in virtual_service::destinations(object) {
                self.destination(object, to, &named, &at);
            }
        }
    }

    /// What is for gateways alone does nothing, whether they are there or not; no name that is nowhere is a gateway.
    fn gateways(&mut self, object: &Object<VirtualService>) {
        let spec = &object.spec;
        let own = object.meta.namespace.as_str();
        for (place, written) in spec.gateways.iter().enumerate() {
            let named = virtual_service::gateway(written, own);
            let (namespace, name) = named.split_once('/').unwrap_or((own, &named));
            let gateways = &self.world.resources.gateways;
            let is_it =
                |found: &Object<Gateway>| found.meta.namespace == namespace && found.meta.name == name;
            if named == virtual_service::MESH || gateways.iter().any(is_it) {
                continue;
            }
            let elsewhere = gateways.iter().find(|found| found.meta.name == name);
            let hint = match elsewhere {
                Some(found) => Some(format!("did you mean {}/{name}?", found.meta.namespace)),
                None => {
                    let here = gateways.iter().filter(|found| found.meta.namespace == namespace);
                    let known = here.map(|found| found.meta.name.as_str()).chain([virtual_service::MESH]);
                    nearest(name, known).map(|near| format!("did you mean {near}?"))
                }
            };
            let message = format!("there is no Gateway {namespace}/{name}");
            self.warn(KIND, object, format!("spec.gateways[{place}]"), message, hint);
        }
        if virtual_service::is_for_sidecars(object) {
            return;
        }
        let message = "it is for gateways alone, and weft runs none: it has no effect".to_owned();
        let hint = "add mesh to `gateways`: then sidecars go by it".to_owned();
        self.warn(KIND, object, "spec.gateways".to_owned(), message, Some(hint));
    }

    fn destination(&mut self, object: &Object<VirtualService>, to: &Destination, named: &str, at: &str) {
        let namespace = object.meta.namespace.as_str();
        let Some(service) = self.service(named, namespace) else {
            let message =
                format!("no service that namespace {namespace} sees is {named}: requests fail with 503");
            let hint = self.near(named, namespace);
            self.warn(KIND, object, format!("{at}.host"), message, hint);
            return;
        };
        let service = service.clone();
        let port = to.port.as_ref().and_then(|port| u16::try_from(port.number).ok());
        if let Some(port) = port.filter(|port| service.port(*port).is_none()) {
            let known = listed(service.ports.iter().map(|port| port.number));
            let message = format!("{} does not expose port {port}: requests fail with 503", to.host);
            self.warn(
                KIND,
                object,
                format!("{at}.port.number"),
                message,
                Some(format!("its ports are {known}")),
            );
        }
        if to.subset.is_empty() {
            return;
        }
        let rule = self.world.destination_rule(namespace, &BTreeMap::new(), &service);
        if rule.is_none_or(|rule| rule.subset(&to.subset).is_none()) {
            let known = listed(rule.iter().flat_map(|rule| &rule.subsets).map(|subset| subset.name.clone()));
            let message = format!(
                "no DestinationRule of {} has a subset {:?}: requests fail with 503",
                to.host, to.subset
            );
            let hint = if known.is_empty() {
                "define it in a DestinationRule of that host".to_owned()
            } else {
                format!("its subsets are {known}")
            };
            self.warn(KIND, object, format!("{at}.subset"), message, Some(hint));
        }
    }
}

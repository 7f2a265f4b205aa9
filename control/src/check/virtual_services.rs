//! Routes to hosts that nobody knows, to subsets that no DestinationRule defines, to ports that are not exposed; and
//! VirtualServices of gateways, which nobody runs.

use std::collections::{BTreeMap, BTreeSet};

use super::selectors::written;
use super::{Checked, listed};
use crate::read::nearest;
use crate::resources::Object;
use crate::resources::gateway::Gateway;
use crate::resources::virtual_service::{Destination, VirtualService};
use crate::translate::virtual_service;
use crate::world::host;
use crate::world::service::Service;

const KIND: &str = "VirtualService";

/// What becomes of what is to go where nobody is.
fn lost(at: &str) -> &'static str {
    if at.contains(".mirror") { "no copy is sent" } else { "requests fail with 503" }
}

impl Checked<'_> {
    pub(super) fn virtual_services(&mut self) {
        let resources = std::sync::Arc::clone(&self.world.resources);
        for object in &resources.virtual_services {
            self.gateways(object);
            self.idle_routes(object);
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
            let message = format!("no service that namespace {namespace} sees is {named}: {}", lost(at));
            let hint = self.near(named, namespace);
            self.warn(KIND, object, format!("{at}.host"), message, hint);
            return;
        };
        let service = service.clone();
        let port = to.port.as_ref().and_then(|port| u16::try_from(port.number).ok());
        if let Some(port) = port.filter(|port| service.port(*port).is_none()) {
            let known = listed(service.ports.iter().map(|port| port.number));
            let message = format!("{} does not expose port {port}: {}", to.host, lost(at));
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
        self.subset(object, to, &service, at);
    }

    /// Which rule holds depends on the caller's labels where one has a `workloadSelector`: a subset may be there for some.
    fn subset(&mut self, object: &Object<VirtualService>, to: &Destination, service: &Service, at: &str) {
        let namespace = object.meta.namespace.as_str();
        let callers = self.callers(object, service, at);
        let rule = |labels: &Labels| self.world.destination_rule(namespace, labels, service);
        let has = |labels: &&Labels| rule(labels).is_some_and(|rule| rule.subset(&to.subset).is_some());
        let (having, lacking): (Vec<&Labels>, Vec<&Labels>) = callers.iter().partition(has);
        let Some(first) = lacking.first() else { return };
        let subsets = rule(first).into_iter().flat_map(|rule| &rule.subsets);
        let known = listed(subsets.map(|subset| subset.name.clone()));
        let all = |labels: &[&Labels]| labels.iter().map(|of| written(of)).collect::<Vec<_>>().join(" or ");
        let missing = format!("no DestinationRule of {} has a subset {:?}: {}", to.host, to.subset, lost(at));
        let (message, hint) = match &having[..] {
            [] if known.is_empty() => (missing, "define it in a DestinationRule of that host".to_owned()),
            [] => (missing, format!("its subsets are {known}")),
            some if first.is_empty() => (
                format!("for workloads other than those with {}, {missing}", all(some)),
                "the DestinationRule that has it is for those alone (workloadSelector)".to_owned(),
            ),
            _ => (
                format!("for workloads with {}, {missing}", all(&lacking)),
                match known.as_str() {
                    "" => "no DestinationRule that holds for them has subsets".to_owned(),
                    known => format!("subsets of the DestinationRule that holds for them: {known}"),
                },
            ),
        };
        self.warn(KIND, object, format!("{at}.subset"), message, Some(hint));
    }

    /// Labels by which callers of the route at that place differ: those that it asks for itself, else those of the rules
    /// that are for some callers alone, and none at all for everybody else.
    fn callers(&self, object: &Object<VirtualService>, service: &Service, at: &str) -> BTreeSet<Labels> {
        let asked = source_labels(&object.spec, at);
        if !asked.is_empty() && asked.iter().all(|labels| !labels.is_empty()) {
            return asked.into_iter().cloned().collect();
        }
        let rules = self.world.destination_rules.iter();
        let of_host = rules.filter(|rule| {
            rule.namespace == object.meta.namespace && host::covers(&rule.host, &service.host)
        });
        of_host.map(|rule| rule.selector.clone()).chain([Labels::new()]).collect()
    }
}

/// The `sourceLabels` of each match of the route that `at` is within.
fn source_labels<'v>(spec: &'v VirtualService, at: &str) -> Vec<&'v Labels> {
    let place = |list: &str| -> Option<usize> {
        at.strip_prefix("spec.")?.strip_prefix(list)?.strip_prefix('[')?.split(']').next()?.parse().ok()
    };
    if let Some(route) = place("http").and_then(|place| spec.http.get(place)) {
        route.matches.iter().map(|of| &of.source_labels).collect()
    } else if let Some(route) = place("tcp").and_then(|place| spec.tcp.get(place)) {
        route.matches.iter().map(|of| &of.source_labels).collect()
    } else if let Some(route) = place("tls").and_then(|place| spec.tls.get(place)) {
        route.matches.iter().map(|of| &of.source_labels).collect()
    } else {
        Vec::new()
    }
}

type Labels = BTreeMap<String, String>;

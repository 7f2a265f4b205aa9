//! Endpoints: where the workloads of a service are, by locality.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use weft_model::endpoint::{Address, Endpoint, Health, LoadAssignment, Locality};

use super::locality::{self, Candidate, Preference};
use super::traffic::Traffic;
use super::{Proxy, names};
use crate::world::destination_rules::MergedRule;
use crate::world::service::{Resolution, Service};
use crate::world::topology::KUBERNETES;
use crate::world::workload::WorkloadAddress;

/// The assignments that a proxy may ask for over EDS.
pub(super) fn all(proxy: &Proxy<'_>) -> Vec<LoadAssignment> {
    let mut assignments = Vec::new();
    for service in proxy.scope.services.iter().filter(|service| service.resolution == Resolution::Static) {
        let rule = proxy.rule(service);
        for port in &service.ports {
            assignments.push(assignment(proxy, service, port.number, "", rule));
            for subset in rule.iter().flat_map(|rule| &rule.subsets) {
                assignments.push(assignment(proxy, service, port.number, &subset.name, rule));
            }
        }
    }
    assignments
}

/// The endpoints of one port and subset.
pub(super) fn assignment(
    proxy: &Proxy<'_>,
    service: &Service,
    port: u16,
    subset: &str,
    rule: Option<&MergedRule>,
) -> LoadAssignment {
    let labels = rule.and_then(|rule| rule.subset(subset)).map(|subset| &subset.labels);
    let mut localities: BTreeMap<Locality, Vec<Candidate>> = BTreeMap::new();
    let place = service.place(port);
    let families = proxy.families(service);
    let cluster = match proxy.node.metadata.cluster_id.as_str() {
        "" => KUBERNETES,
        known => known,
    };
    for endpoint in &service.endpoints {
        let workload = &endpoint.workload;
        if labels.is_some_and(|labels| !workload.is_of(labels, cluster)) {
            continue;
        }
        let Some(target) = place.and_then(|place| endpoint.ports.get(place).copied().flatten()) else {
            continue;
        };
        let address = match &workload.address {
            Some(WorkloadAddress::Ip(ip)) => {
                let first = workload.ips_of(&families).first().copied();
                Address::Socket(SocketAddr::new(first.unwrap_or(*ip), target))
            }
            Some(WorkloadAddress::Name(name)) => Address::Name(name.clone(), target),
            Some(WorkloadAddress::Pipe(path)) => Address::Pipe(path.clone()),
            None => continue,
        };
        let mode = workload.takes_mtls(target).then(|| ("tlsMode".to_owned(), "istio".to_owned()));
        localities.entry(workload.locality.clone()).or_default().push(Candidate {
            endpoint: Endpoint {
                address,
                weight: workload.weight,
                health: Health::Unknown,
                transport_match: mode.into_iter().collect(),
                workload: workload.metadata(cluster),
                hostname: String::new(),
            },
            workload: Arc::clone(workload),
            cluster,
        });
    }
    let traffic = Traffic::of(rule, subset, port);
    let localities = match Preference::of(proxy, service, &traffic) {
        Some(preference) => {
            let by_labels = service.resolution == Resolution::Static;
            preference.apply(localities, &proxy.locality, &proxy.labels, by_labels)
        }
        None => locality::plain(localities),
    };
    LoadAssignment {
        cluster: names::outbound(port, subset, &service.host),
        localities,
        overprovisioning_factor: None,
    }
}

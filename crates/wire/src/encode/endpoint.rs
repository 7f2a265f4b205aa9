//! Endpoints: `ClusterLoadAssignment`.

use weft_model::endpoint::{Address, Endpoint, Health, LoadAssignment, Locality, LocalityEndpoints};

use super::value::{host_port, json_object, json_text, number, socket_address};
use crate::pb::{core, endpoint};

pub(crate) fn load_assignment(value: &LoadAssignment) -> endpoint::ClusterLoadAssignment {
    use endpoint::cluster_load_assignment::Policy;
    let factor = value.overprovisioning_factor;
    let policy = factor.map(|_| Policy { overprovisioning_factor: number(factor), ..Default::default() });
    endpoint::ClusterLoadAssignment {
        cluster_name: value.cluster.clone(),
        endpoints: value.localities.iter().map(locality).collect(),
        policy,
        ..Default::default()
    }
}

fn locality(value: &LocalityEndpoints) -> endpoint::LocalityLbEndpoints {
    let Locality { region, zone, sub_zone } = value.locality.clone();
    let named = value.locality != Locality::default();
    endpoint::LocalityLbEndpoints {
        locality: named.then_some(core::Locality { region, zone, sub_zone }),
        lb_endpoints: value.endpoints.iter().map(lb_endpoint).collect(),
        load_balancing_weight: number(value.weight),
        priority: value.priority,
        ..Default::default()
    }
}

fn lb_endpoint(value: &Endpoint) -> endpoint::LbEndpoint {
    let health = match value.health {
        Health::Unknown => core::HealthStatus::Unknown,
        Health::Healthy => core::HealthStatus::Healthy,
        Health::Unhealthy => core::HealthStatus::Unhealthy,
        Health::Draining => core::HealthStatus::Draining,
        Health::Degraded => core::HealthStatus::Degraded,
    };
    let host = endpoint::Endpoint {
        address: Some(address(&value.address)),
        hostname: value.hostname.clone(),
        ..Default::default()
    };
    endpoint::LbEndpoint {
        health_status: health as i32,
        metadata: notes(value),
        load_balancing_weight: number(Some(value.weight)),
        host_identifier: Some(endpoint::lb_endpoint::HostIdentifier::Endpoint(host)),
    }
}

fn address(value: &Address) -> core::Address {
    let address = match value {
        Address::Socket(address) => core::address::Address::SocketAddress(socket_address(*address)),
        Address::Name(host, port) => core::address::Address::SocketAddress(host_port(host, *port)),
        Address::Pipe(path) => core::address::Address::Pipe(core::Pipe { path: path.clone(), mode: 0 }),
    };
    core::Address { address: Some(address) }
}

fn notes(value: &Endpoint) -> Option<core::Metadata> {
    let mut metadata = core::Metadata::default();
    if !value.transport_match.is_empty() {
        let criteria = json_object(value.transport_match.iter().map(|(key, value)| (key, json_text(value))));
        metadata.filter_metadata.insert("envoy.transport_socket_match".to_owned(), criteria);
    }
    if !value.workload.is_empty() {
        let workload = json_object([("workload", json_text(&value.workload))]);
        metadata.filter_metadata.insert("istio".to_owned(), workload);
    }
    (!metadata.filter_metadata.is_empty()).then_some(metadata)
}

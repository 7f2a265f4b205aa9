//! Endpoints: `ClusterLoadAssignment`.

use std::collections::BTreeMap;

use weft_model::endpoint::{Address, Endpoint, Health, LoadAssignment, Locality, LocalityEndpoints};

use super::at::{At, Decoded, unpack};
use super::value::host_port;
use crate::pb::{Kind, core, endpoint};

pub(super) fn load_assignment(
    at: &At<'_>,
    value: endpoint::ClusterLoadAssignment,
) -> Decoded<LoadAssignment> {
    unpack!(at, value, endpoint::ClusterLoadAssignment { cluster_name, endpoints, policy } else { named_endpoints });
    if cluster_name.is_empty() {
        return Err(at.field("cluster_name").fault("it is empty"));
    }
    let mut localities = Vec::with_capacity(endpoints.len());
    for (n, value) in endpoints.into_iter().enumerate() {
        localities.push(locality(&at.item("endpoints", n), value)?);
    }
    let mut factor = None;
    if let Some(policy) = policy {
        let at = at.field("policy");
        unpack!(at, policy, endpoint::cluster_load_assignment::Policy { overprovisioning_factor } else { drop_overloads, endpoint_stale_after, weighted_priority_health });
        factor = overprovisioning_factor.map(|factor| factor.value);
        if factor == Some(0) {
            return Err(at.field("overprovisioning_factor").fault("it must be above zero"));
        }
    }
    Ok(LoadAssignment { cluster: cluster_name, localities, overprovisioning_factor: factor })
}

fn locality(at: &At<'_>, value: endpoint::LocalityLbEndpoints) -> Decoded<LocalityEndpoints> {
    unpack!(at, value, endpoint::LocalityLbEndpoints {
        locality, lb_endpoints, load_balancing_weight, priority
    } else { metadata, proximity, lb_config });
    if priority > 128 {
        return Err(at.field("priority").fault(format!("{priority} is above 128")));
    }
    let mut endpoints = Vec::with_capacity(lb_endpoints.len());
    for (n, value) in lb_endpoints.into_iter().enumerate() {
        endpoints.extend(lb_endpoint(&at.item("lb_endpoints", n), value)?);
    }
    let locality = locality.unwrap_or_default();
    Ok(LocalityEndpoints {
        locality: Locality { region: locality.region, zone: locality.zone, sub_zone: locality.sub_zone },
        weight: load_balancing_weight.map(|weight| weight.value),
        priority,
        endpoints,
    })
}

fn lb_endpoint(at: &At<'_>, value: endpoint::LbEndpoint) -> Decoded<Option<Endpoint>> {
    unpack!(at, value, endpoint::LbEndpoint {
        health_status, metadata, load_balancing_weight, host_identifier
    } else {});
    let Some(endpoint::lb_endpoint::HostIdentifier::Endpoint(host)) = host_identifier else {
        return Err(at.field("endpoint").fault("it is missing"));
    };
    let weight = load_balancing_weight.map_or(1, |weight| weight.value);
    if weight == 0 {
        return Err(at.field("load_balancing_weight").fault("it must be above zero"));
    }
    let health = health(at, health_status)?;
    let (transport_match, workload) = notes(&at.field("metadata"), metadata.unwrap_or_default());
    let at = at.field("endpoint");
    unpack!(at, host, endpoint::Endpoint { address, hostname } else { health_check_config, additional_addresses, observability_name });
    let Some(address) = self::address(&at, address)? else { return Ok(None) };
    Ok(Some(Endpoint { address, weight, health, transport_match, workload, hostname }))
}

fn health(at: &At<'_>, value: i32) -> Decoded<Health> {
    match core::HealthStatus::try_from(value) {
        Ok(core::HealthStatus::Unknown) => Ok(Health::Unknown),
        Ok(core::HealthStatus::Healthy) => Ok(Health::Healthy),
        Ok(core::HealthStatus::Unhealthy | core::HealthStatus::Timeout) => Ok(Health::Unhealthy),
        Ok(core::HealthStatus::Draining) => Ok(Health::Draining),
        Ok(core::HealthStatus::Degraded) => Ok(Health::Degraded),
        Err(_) => Err(at.field("health_status").fault(format!("{value} is no health status"))),
    }
}

/// Where it listens; `None` is within another proxy's process, where nobody here can reach it.
fn address(at: &At<'_>, value: Option<core::Address>) -> Decoded<Option<Address>> {
    let at = at.field("address");
    match value.and_then(|value| value.address) {
        Some(core::address::Address::SocketAddress(value)) => {
            let (host, port) = host_port(&at.field("socket_address"), value)?;
            Ok(Some(match host.parse() {
                Ok(ip) => Address::Socket(std::net::SocketAddr::new(ip, port)),
                Err(_) => Address::Name(host, port),
            }))
        }
        Some(core::address::Address::Pipe(pipe)) => {
            at.field("pipe").left("mode", &pipe.mode);
            Ok(Some(Address::Pipe(pipe.path)))
        }
        Some(core::address::Address::EnvoyInternalAddress(_)) => {
            at.note("an address within another process cannot be reached: the endpoint is left out");
            Ok(None)
        }
        None => Err(at.fault("it is missing")),
    }
}

/// `envoy.transport_socket_match` and Istio's `workload`.
fn notes(at: &At<'_>, metadata: core::Metadata) -> (BTreeMap<String, String>, String) {
    let mut transport_match = BTreeMap::new();
    let mut workload = String::new();
    at.left("typed_filter_metadata", &metadata.typed_filter_metadata);
    for (namespace, values) in metadata.filter_metadata {
        let at = at.key("filter_metadata", &namespace);
        for (key, value) in values.fields {
            match (namespace.as_str(), key.as_str(), value.kind) {
                ("envoy.transport_socket_match", _, Some(Kind::StringValue(value))) => {
                    transport_match.insert(key, value);
                }
                ("istio", "workload", Some(Kind::StringValue(value))) => workload = value,
                _ => at.field(&key).note("it has no effect"),
            }
        }
    }
    (transport_match, workload)
}

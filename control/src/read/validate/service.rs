//! Kubernetes' Service.

use std::collections::HashSet;

use k8s_openapi::api::core::v1::ServiceSpec;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::read::finding::Findings;
use crate::read::path::Path;

/// Checks a Service.
pub(in crate::read) fn check(service: &ServiceSpec, into: &mut Findings) {
    let root = Path::ROOT;
    let spec = root.key("spec");
    let kind = service.type_.as_deref().unwrap_or("ClusterIP");
    if !matches!(kind, "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName") {
        into.error(
            &spec.key("type"),
            format!("{kind:?} is not one of ClusterIP, NodePort, LoadBalancer, ExternalName"),
        );
    }
    if let Some(selector) = &service.selector {
        super::names::selector(selector, &spec.key("selector"), into);
    }
    if let Some(address) = service.cluster_ip.as_deref()
        && !matches!(address, "" | "None")
        && !super::network::is_address(address)
    {
        into.error(&spec.key("clusterIP"), format!("{address:?} is neither an IP address nor None"));
    }
    if kind == "ExternalName" {
        if let Err(why) = super::host::fqdn(service.external_name.as_deref().unwrap_or_default()) {
            into.error(&spec.key("externalName"), why);
        }
        return;
    }
    ports(service, &spec, into);
}

fn ports(service: &ServiceSpec, spec: &Path<'_>, into: &mut Findings) {
    let ports = service.ports.as_deref().unwrap_or_default();
    // Kubernetes lets a headless Service go without.
    if ports.is_empty() && service.cluster_ip.as_deref() != Some("None") {
        into.error(spec, "`ports` is missing");
    }
    let (mut numbers, mut names) = (HashSet::new(), HashSet::new());
    let list = spec.key("ports");
    for (index, port) in ports.iter().enumerate() {
        let at = list.index(index);
        let protocol = port.protocol.as_deref().unwrap_or("TCP");
        super::port::transport(protocol, &at.key("protocol"), into);
        super::port::number(u32::try_from(port.port).unwrap_or(0), &at.key("port"), into);
        if let Some(IntOrString::Int(target)) = port.target_port {
            super::port::number(u32::try_from(target).unwrap_or(0), &at.key("targetPort"), into);
        }
        if let Some(spoken) = &port.app_protocol {
            super::port::app_protocol(spoken, &at.key("appProtocol"), into);
        }
        if !numbers.insert((port.port, protocol)) {
            into.error(&at.key("port"), format!("port {} stands here a second time", port.port));
        }
        match port.name.as_deref().filter(|name| !name.is_empty()) {
            Some(name) => {
                if let Err(why) = super::names::label(name) {
                    into.error(&at.key("name"), why);
                }
                if !names.insert(name) {
                    into.error(&at.key("name"), format!("a port {name:?} stands here a second time"));
                }
            }
            None if ports.len() > 1 => {
                into.error(&at, "`name` is missing: where there are several ports each has one")
            }
            None => {}
        }
    }
}

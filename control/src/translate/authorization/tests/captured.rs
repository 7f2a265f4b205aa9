//! What istiod made of the recorded mesh, compared in the model's terms.

use std::collections::BTreeMap;
use std::path::PathBuf;

use envoy_types::pb::envoy::service::discovery::v3::DiscoveryResponse;
use prost::Message;
use weft_model::listener::Listener;

use super::*;
use crate::resources::Resources;

pub(in crate::translate) fn mesh() -> Resources {
    let reading = crate::read::read(&[conformance("mesh")]);
    assert!(!reading.has_errors());
    reading.resources
}

pub(in crate::translate) fn conformance(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance").join(path)
}

/// The values of the resources that a node got.
pub(in crate::translate) fn recorded(flavour: &str, node: &str, kind: &str) -> Vec<Vec<u8>> {
    let bytes =
        std::fs::read(conformance("captured").join(flavour).join(format!("{node}.{kind}.pb"))).unwrap();
    DiscoveryResponse::decode(&bytes[..]).unwrap().resources.into_iter().map(|any| any.value).collect()
}

fn inbound(flavour: &str, node: &str) -> Listener {
    let listeners = recorded(flavour, node, "lds").into_iter();
    let mut listeners = listeners.map(|bytes| weft_wire::decode::listener(&bytes).unwrap().0);
    listeners.find(|listener| listener.name == "virtualInbound").unwrap()
}

#[test]
fn every_inbound_chain_of_every_node_has_the_gates_that_istiod_gave_it() {
    let resources = mesh();
    let mut compared = (0, 0);
    for entry in &resources.workload_entries {
        let node = match entry.meta.name.strip_suffix("-1").unwrap_or(&entry.meta.name) {
            // No proxy, and a gateway, which has no inbound listener.
            "banking-connector-legacy" => continue,
            node if node.contains("ingress") => continue,
            node => node,
        };
        let labels: BTreeMap<String, String> = entry.spec.labels.clone();
        let target =
            Target { namespace: &entry.meta.namespace, labels: &labels, root_namespace: "istio-system" };
        let policies = applying(&resources.authorization_policies, &target);
        let tokens = crate::translate::jwt::applying(&resources.request_authentications, &target);
        let jwt = crate::translate::jwt::filter(&tokens, &|_, _| None);
        for flavour in ["istio", "stock"] {
            let of = |layer| gates(&policies, layer, &Context { trust: OURS, authorizer: &nobody });
            let http: Vec<HttpFilter> = of(Layer::Http)
                .custom
                .into_iter()
                .map(HttpFilter::from)
                .chain(jwt.clone().map(HttpFilter::JwtAuthn))
                .chain(of(Layer::Http).judges.into_iter().map(HttpFilter::from))
                .collect();
            let tcp: Vec<NetworkFilter> =
                of(Layer::Tcp).judges.into_iter().map(NetworkFilter::from).collect();
            for chain in inbound(flavour, node).filter_chains {
                let manager = chain.filters.iter().find_map(|filter| match filter {
                    NetworkFilter::Http(manager) => Some(manager),
                    _ => None,
                });
                let is_tcp = |filter: &&NetworkFilter| {
                    matches!(filter, NetworkFilter::Rbac(_) | NetworkFilter::ExtAuthz(_))
                };
                let found: Vec<_> = chain.filters.iter().filter(is_tcp).cloned().collect();
                if let Some(manager) = manager {
                    let is_gate = |filter: &&HttpFilter| {
                        matches!(
                            filter,
                            HttpFilter::Rbac(_) | HttpFilter::ExtAuthz(_) | HttpFilter::JwtAuthn(_)
                        )
                    };
                    let found: Vec<_> = manager.filters.iter().filter(is_gate).cloned().collect();
                    assert_eq!(found, http, "{flavour} {node} {}", chain.name);
                    compared.0 += 1;
                } else if !chain.name.contains("blackhole") {
                    assert_eq!(found, tcp, "{flavour} {node} {}", chain.name);
                    compared.1 += 1;
                }
            }
        }
    }
    assert!(compared.0 > 40 && compared.1 > 20, "{compared:?}");
}

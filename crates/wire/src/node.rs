//! A proxy's account of itself, both ways: `envoy.config.core.v3.Node` with Istio's metadata.
//!
//! Whether a proxy has Istio's own filters is not asked of `ISTIO_VERSION`, which a stock Envoy may carry in its
//! bootstrap, but of the program itself: weft has them, and an Envoy lists the extensions that it was built with.

use std::collections::BTreeMap;
use std::net::IpAddr;

use envoy_types::pb::envoy::config::core::v3 as core;
use weft_model::endpoint::Locality;
use weft_model::node::{Agent, Interception, Node, NodeMetadata, Role};

use crate::encode::value::{json, json_object, json_text};
use crate::pb::{Kind, Struct, Value};

/// The extension that stands for all of Istio's own.
const ISTIO_EXTENSION: &str = "istio.stats";

/// Why a node is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// The id is not of four parts.
    #[error("node id {0:?} is not of the shape role~ip~name.namespace~domain; see the proxy's bootstrap")]
    Id(String),
    /// The first part of the id.
    #[error("node id {id:?}: {role:?} is no role (sidecar, router, waypoint or ztunnel)")]
    Role {
        /// The whole id.
        id: String,
        /// Its first part.
        role: String,
    },
    /// The second part of the id, or `INSTANCE_IPS`.
    #[error("node id {id:?}: {ip:?} is no IP address")]
    Ip {
        /// The whole id.
        id: String,
        /// What stands there.
        ip: String,
    },
    /// No address at all.
    #[error("node id {0:?} has no IP address, and INSTANCE_IPS in its metadata has none either")]
    NoIp(String),
    /// A mode that is none.
    #[error("node id {id:?}: INTERCEPTION_MODE {mode:?} is none of REDIRECT, TPROXY and NONE")]
    Interception {
        /// The whole id.
        id: String,
        /// What stands there.
        mode: String,
    },
}

/// Reads a node.
///
/// # Errors
/// If its id, its addresses or its interception mode cannot be read: nothing could be made for such a proxy.
pub fn decode(value: &core::Node) -> Result<Node, NodeError> {
    let id = &value.id;
    let parts: Vec<&str> = id.split('~').collect();
    let [role, ip, name, domain] = parts[..] else { return Err(NodeError::Id(id.clone())) };
    let role = match role {
        "sidecar" => Role::Sidecar,
        "router" => Role::Router,
        "waypoint" => Role::Waypoint,
        "ztunnel" => Role::Ztunnel,
        _ => return Err(NodeError::Role { id: id.clone(), role: role.to_owned() }),
    };
    let parse = |ip: &str| ip.parse().map_err(|_| NodeError::Ip { id: id.clone(), ip: ip.to_owned() });
    let ip: Option<IpAddr> = if ip.is_empty() { None } else { Some(parse(ip)?) };
    let empty = Struct::default();
    let said = Said(value.metadata.as_ref().unwrap_or(&empty));
    let joined = said.text("INSTANCE_IPS");
    let instance_ips = joined.split(',').map(str::trim).filter(|ip| !ip.is_empty()).map(parse);
    let instance_ips = instance_ips.collect::<Result<Vec<IpAddr>, _>>()?;
    if ip.is_none() && instance_ips.is_empty() {
        return Err(NodeError::NoIp(id.clone()));
    }
    let interception = match said.text("INTERCEPTION_MODE").as_str() {
        "" | "REDIRECT" => Interception::Redirect,
        "TPROXY" => Interception::Tproxy,
        "NONE" => Interception::None,
        mode => return Err(NodeError::Interception { id: id.clone(), mode: mode.to_owned() }),
    };
    let locality = value.locality.clone().unwrap_or_default();
    Ok(Node {
        role,
        ip,
        name: name.to_owned(),
        domain: domain.to_owned(),
        cluster: value.cluster.clone(),
        locality: Locality { region: locality.region, zone: locality.zone, sub_zone: locality.sub_zone },
        agent: agent(value),
        metadata: said.metadata(instance_ips, interception),
    })
}

fn agent(value: &core::Node) -> Agent {
    use core::node::UserAgentVersionType as Version;
    let version = match &value.user_agent_version_type {
        Some(Version::UserAgentVersion(version)) => version.clone(),
        Some(Version::UserAgentBuildVersion(build)) => {
            let numbers = build.version.unwrap_or_default();
            format!("{}.{}.{}", numbers.major_number, numbers.minor_number, numbers.patch)
        }
        None => String::new(),
    };
    let built_with = value.extensions.iter().any(|extension| extension.name == ISTIO_EXTENSION);
    let name = value.user_agent_name.clone();
    Agent { istio_filters: name == "weft" || built_with, name, version }
}

/// What a node says in its metadata.
struct Said<'a>(&'a Struct);

impl Said<'_> {
    fn kind(&self, key: &str) -> Option<&Kind> {
        self.0.fields.get(key)?.kind.as_ref()
    }

    fn text(&self, key: &str) -> String {
        match self.kind(key) {
            Some(Kind::StringValue(text)) => text.clone(),
            _ => String::new(),
        }
    }

    /// Istio's agents write booleans as strings.
    fn flag(&self, key: &str) -> bool {
        match self.kind(key) {
            Some(Kind::StringValue(text)) => text == "true" || text == "1",
            Some(Kind::BoolValue(flag)) => *flag,
            _ => false,
        }
    }

    fn texts(&self, key: &str) -> BTreeMap<String, String> {
        let Some(Kind::StructValue(texts)) = self.kind(key) else { return BTreeMap::new() };
        let texts = texts.fields.iter().filter_map(|(key, value)| match &value.kind {
            Some(Kind::StringValue(text)) => Some((key.clone(), text.clone())),
            _ => None,
        });
        texts.collect()
    }

    fn metadata(&self, instance_ips: Vec<IpAddr>, interception: Interception) -> NodeMetadata {
        NodeMetadata {
            name: self.text("NAME"),
            namespace: self.text("NAMESPACE"),
            service_account: self.text("SERVICE_ACCOUNT"),
            cluster_id: self.text("CLUSTER_ID"),
            instance_ips,
            labels: self.texts("LABELS"),
            annotations: self.texts("ANNOTATIONS"),
            workload_name: self.text("WORKLOAD_NAME"),
            owner: self.text("OWNER"),
            mesh_id: self.text("MESH_ID"),
            network: self.text("NETWORK"),
            node_name: self.text("NODE_NAME"),
            istio_version: self.text("ISTIO_VERSION"),
            interception,
            http_10: self.flag("HTTP10"),
            dns_capture: self.flag("DNS_CAPTURE"),
            unprivileged: self.flag("UNPRIVILEGED_POD"),
            idle_timeout: self.text("IDLE_TIMEOUT"),
            generator: self.text("GENERATOR"),
        }
    }
}

/// A node, as a proxy sends it.
pub fn encode(node: &Node) -> core::Node {
    let Locality { region, zone, sub_zone } = node.locality.clone();
    let named = node.locality != Locality::default();
    let known = node.agent.istio_filters && node.agent.name != "weft";
    let extension = || core::Extension { name: ISTIO_EXTENSION.to_owned(), ..Default::default() };
    let version = (!node.agent.version.is_empty())
        .then(|| core::node::UserAgentVersionType::UserAgentVersion(node.agent.version.clone()));
    core::Node {
        id: node.id(),
        cluster: node.cluster.clone(),
        metadata: Some(metadata(&node.metadata)),
        locality: named.then_some(core::Locality { region, zone, sub_zone }),
        user_agent_name: node.agent.name.clone(),
        user_agent_version_type: version,
        extensions: known.then(extension).into_iter().collect(),
        ..Default::default()
    }
}

fn metadata(value: &NodeMetadata) -> Struct {
    let ips: Vec<String> = value.instance_ips.iter().map(ToString::to_string).collect();
    let ips = ips.join(",");
    let interception = match value.interception {
        Interception::Redirect => "REDIRECT",
        Interception::Tproxy => "TPROXY",
        Interception::None => "NONE",
    };
    let texts = [
        ("NAME", value.name.as_str()),
        ("NAMESPACE", &value.namespace),
        ("SERVICE_ACCOUNT", &value.service_account),
        ("CLUSTER_ID", &value.cluster_id),
        ("INSTANCE_IPS", &ips),
        ("WORKLOAD_NAME", &value.workload_name),
        ("OWNER", &value.owner),
        ("MESH_ID", &value.mesh_id),
        ("NETWORK", &value.network),
        ("NODE_NAME", &value.node_name),
        ("ISTIO_VERSION", &value.istio_version),
        ("INTERCEPTION_MODE", interception),
        ("HTTP10", if value.http_10 { "true" } else { "" }),
        ("DNS_CAPTURE", if value.dns_capture { "true" } else { "" }),
        ("UNPRIVILEGED_POD", if value.unprivileged { "true" } else { "" }),
        ("IDLE_TIMEOUT", &value.idle_timeout),
        ("GENERATOR", &value.generator),
    ];
    let texts =
        texts.into_iter().filter(|(_, text)| !text.is_empty()).map(|(key, text)| (key, json_text(text)));
    let maps = [("LABELS", &value.labels), ("ANNOTATIONS", &value.annotations)];
    let maps =
        maps.into_iter().filter(|(_, texts)| !texts.is_empty()).map(|(key, texts)| (key, object(texts)));
    json_object(texts.chain(maps))
}

fn object(texts: &BTreeMap<String, String>) -> Value {
    json(Kind::StructValue(json_object(texts.iter().map(|(key, text)| (key, json_text(text))))))
}

#[cfg(test)]
mod tests;

//! What the keys of a file tell of what it was meant to be. Edit distances cost, and a file may have a million keys: each is
//! looked at once, and what was meant by it is asked of the first thousand.

use std::collections::HashMap;

use super::super::nearest::{is_slip, nearest};
use super::super::node::{Node, Value};
use super::super::{mesh, shape};
use super::fields;
use crate::resources::authorization_policy::AuthorizationPolicy;
use crate::resources::destination_rule::DestinationRule;
use crate::resources::gateway::Gateway;
use crate::resources::mesh_config::MeshConfig;
use crate::resources::peer_authentication::PeerAuthentication;
use crate::resources::proxy_config::ProxyConfig;
use crate::resources::request_authentication::RequestAuthentication;
use crate::resources::service_entry::ServiceEntry;
use crate::resources::sidecar::Sidecar;
use crate::resources::telemetry::Telemetry;
use crate::resources::virtual_service::VirtualService;
use crate::resources::workload_entry::{WorkloadEntry, WorkloadGroup};
use k8s_openapi::api::core::v1::ServiceSpec;

/// What only a resource has, and each has some of.
const TELLING: [&str; 4] = ["apiVersion", "kind", "metadata", "spec"];
/// Fields of a MeshConfig that other programs' files have as well.
const OF_OTHERS: [&str; 4] = ["ca", "certificates", "ingressClass", "ingressService"];
/// Fields of specs that by themselves are no sign of one.
const VAGUE: [&str; 11] = [
    "address",
    "concurrency",
    "image",
    "labels",
    "metrics",
    "network",
    "provider",
    "template",
    "tracing",
    "type",
    "weight",
];
/// Of so many keys it is asked what was meant by them.
const MOST: usize = 1000;

/// The keys of one file.
#[derive(Debug)]
pub(super) struct Keys<'n> {
    known: HashMap<&'n str, Option<Sign>>,
    /// So many may still be asked about.
    left: usize,
    mesh: Vec<&'static str>,
    specs: [&'static [&'static str]; 13],
}

/// What is meant by a key, maybe by a slip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    ApiVersion,
    Kind,
    /// Another that only a resource has, or a MeshConfig.
    Other,
}

impl<'n> Keys<'n> {
    pub(super) fn new() -> Self {
        let of_mesh = fields::of::<MeshConfig>().iter().copied().chain(["meshConfig"]);
        Self {
            known: HashMap::new(),
            left: MOST,
            mesh: of_mesh.filter(|field| !OF_OTHERS.contains(field)).collect(),
            specs: [
                fields::of::<AuthorizationPolicy>(),
                fields::of::<DestinationRule>(),
                fields::of::<Gateway>(),
                fields::of::<PeerAuthentication>(),
                fields::of::<ProxyConfig>(),
                fields::of::<RequestAuthentication>(),
                fields::of::<ServiceEntry>(),
                fields::of::<ServiceSpec>(),
                fields::of::<Sidecar>(),
                fields::of::<Telemetry>(),
                fields::of::<VirtualService>(),
                fields::of::<WorkloadEntry>(),
                fields::of::<WorkloadGroup>(),
            ],
        }
    }

    /// Whether a key at its top is one of a resource's, or of a MeshConfig's.
    pub(super) fn begin_a_resource(&mut self, node: &'n Node) -> bool {
        match &node.value {
            Value::Map(entries) => {
                node.key("items").is_some_and(|items| self.begin_a_resource(items))
                    || entries.iter().any(|entry| self.sign(&entry.key).is_some())
            }
            Value::List(items) => items
                .iter()
                .any(|item| !matches!(item.value, Value::Scalar(..)) && self.begin_a_resource(item)),
            // So begins a manifest that is only half written at this moment.
            Value::Scalar(..) => true,
        }
    }

    /// Whether a resource stands in it, however deep.
    pub(super) fn hold_a_resource(&mut self, node: &'n Node) -> bool {
        match &node.value {
            Value::Map(entries) => {
                let signs: Vec<_> = entries.iter().filter_map(|entry| self.sign(&entry.key)).collect();
                (signs.contains(&Sign::ApiVersion) && signs.contains(&Sign::Kind))
                    || entries.iter().any(|entry| self.hold_a_resource(&entry.value))
            }
            Value::List(items) => items.iter().any(|item| self.hold_a_resource(item)),
            Value::Scalar(..) => false,
        }
    }

    /// Whether it is a spec whose header is missing: all of its keys are of one kind's.
    pub(super) fn are_a_spec(&mut self, node: &Node) -> bool {
        let Value::Map(entries) = &node.value else { return false };
        let keys: Vec<String> = entries.iter().map(|entry| shape::camel_case(&entry.key)).collect();
        let is_sign = |fields: &[&str], key: &str| fields.contains(&key) && !VAGUE.contains(&key);
        self.specs.into_iter().any(|fields| {
            keys.iter().any(|key| is_sign(fields, key)) && keys.iter().all(|key| self.is_among(fields, key))
        })
    }

    fn is_among(&mut self, fields: &[&'static str], key: &str) -> bool {
        fields.contains(&key) || (self.may_ask() && nearest(key, fields.iter().copied()).is_some())
    }

    fn sign(&mut self, key: &'n str) -> Option<Sign> {
        if let Some(sign) = self.known.get(key) {
            return *sign;
        }
        let exact = || TELLING.into_iter().chain(self.mesh.iter().copied()).find(|known| *known == key);
        let meant = || nearest(key, TELLING.into_iter().chain(mesh::TELLING.iter().copied()));
        let slip = || self.mesh.iter().copied().find(|known| is_slip(key, known));
        let name = match exact() {
            None if self.left > 0 => meant().or_else(slip),
            exact => exact,
        };
        let sign = name.map(|name| match name {
            "apiVersion" => Sign::ApiVersion,
            "kind" => Sign::Kind,
            _ => Sign::Other,
        });
        if self.may_ask() {
            self.known.insert(key, sign);
        }
        sign
    }

    fn may_ask(&mut self) -> bool {
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

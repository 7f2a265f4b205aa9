//! Who may call whom, as the sidecars will judge it: the same policies, the same judge, and nobody asked. Pure.

use crate::up::plan::Pod;
use crate::up::ready::{self, Key};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use weft_control::resources::Resources;
use weft_control::translate::authorization::{self, Context, Layer, Target, Trust};
use weft_control::world::mesh::Mesh;
use weft_model::compile;
use weft_model::request::{Connection, Peer, Written};
use weft_model::table::rbac::Gate;
use weft_policy::authorize::{self, Verdict};

/// What judges the requests that come to each pod with a sidecar.
#[derive(Debug, Default)]
pub(crate) struct Judges {
    trust_domain: String,
    of: BTreeMap<Key, Vec<Gate>>,
}

impl Judges {
    /// The judges that the files ask for.
    pub(crate) fn of(resources: &Resources, pods: &[Pod]) -> Self {
        let mesh = Mesh::new(resources);
        let trust = Trust { domain: &mesh.trust_domain, aliases: &mesh.trust_domain_aliases };
        // Whoever would ask an authorizer denies.
        let context = Context { trust, authorizer: &|_| None };
        let gates = |pod: &Pod| {
            let target = Target {
                namespace: &pod.namespace,
                labels: &pod.labels,
                root_namespace: &mesh.root_namespace,
            };
            let policies = authorization::applying(&resources.authorization_policies, &target);
            let gates = authorization::gates(&policies, Layer::Http, &context);
            let all = gates.custom.into_iter().chain(gates.judges);
            let compiled = all.map(|gate| match gate {
                authorization::Gate::Rbac(filter) => {
                    Gate::Rbac(Box::new(compile::rbac_filter(&filter, &pod.name).part))
                }
                authorization::Gate::ExtAuthz(_) => Gate::Custom { provider: Box::default() },
            });
            (ready::key(pod), compiled.collect())
        };
        let of = pods.iter().filter(|pod| pod.sidecar).map(gates).collect();
        Self { trust_domain: mesh.trust_domain, of }
    }

    /// Whether a GET of `path` by the app of `from` gets to that of `to`, which listens on `port`.
    pub(super) fn let_through(&self, from: &Pod, to: &Pod, port: u16, authority: &str, path: &str) -> bool {
        let Some(gates) = self.of.get(&ready::key(to)) else { return true };
        let account =
            format!("spiffe://{}/ns/{}/sa/{}", self.trust_domain, from.namespace, from.service_account);
        let peer = Peer::from_uri_sans(vec![account]);
        let connection = Connection {
            peer: Some(&peer),
            source: SocketAddr::from((from.address, 0)),
            remote: from.address.into(),
            destination: SocketAddr::from((to.address, port)),
            sni: None,
        };
        let outcome = authorize::request(gates, &Written::get(authority, path), &connection);
        matches!(outcome.verdict, Verdict::Allowed { .. })
    }
}

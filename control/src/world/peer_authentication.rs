//! What a workload's port asks of those that connect: PeerAuthentication of the workload, its namespace, the mesh.

use std::collections::BTreeMap;

use super::mesh::Mesh;
use super::workload::selects;
use crate::resources::peer_authentication::{MutualTlsMode, PeerAuthentication};
use crate::resources::{Object, Resources};

/// What is taken on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MutualTls {
    /// Plaintext alone.
    Disable,
    /// Both.
    #[default]
    Permissive,
    /// mTLS alone.
    Strict,
}

/// The modes of one workload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MutualTlsModes {
    /// Of all ports that are not named.
    pub default: MutualTls,
    /// Of single ports.
    pub ports: BTreeMap<u16, MutualTls>,
}

impl MutualTlsModes {
    /// The mode of one port of the workload.
    pub fn of(&self, port: u16) -> MutualTls {
        self.ports.get(&port).copied().unwrap_or(self.default)
    }

    /// Those of a workload with these labels: its own policy before its namespace's before the mesh's, and of each
    /// level the oldest. In the root namespace a policy with a selector is ignored, as in Istio, by its own pods too.
    pub(crate) fn new(
        resources: &Resources,
        mesh: &Mesh,
        namespace: &str,
        labels: &BTreeMap<String, String>,
    ) -> Self {
        let Holding { own, of_namespace, of_mesh } = Holding::new(resources, mesh, namespace, labels);
        let default = said(own).or_else(|| said(of_namespace)).or_else(|| said(of_mesh)).unwrap_or_default();
        let ports = own.iter().flat_map(|policy| &policy.spec.port_level_mtls);
        Self { default, ports: ports.filter_map(|(port, mtls)| Some((*port, mode(mtls.mode)?))).collect() }
    }
}

/// Of each level the policy that holds for one workload.
struct Holding<'r> {
    own: Option<&'r Object<PeerAuthentication>>,
    of_namespace: Option<&'r Object<PeerAuthentication>>,
    of_mesh: Option<&'r Object<PeerAuthentication>>,
}

impl<'r> Holding<'r> {
    fn new(
        resources: &'r Resources,
        mesh: &Mesh,
        namespace: &str,
        labels: &BTreeMap<String, String>,
    ) -> Self {
        let own = oldest(resources, |object| {
            let selector = selector(object);
            object.meta.namespace == namespace
                && namespace != mesh.root_namespace
                && !selector.is_empty()
                && selects(selector, labels)
        });
        let of_namespace =
            oldest(resources, |object| object.meta.namespace == namespace && selector(object).is_empty());
        let of_mesh = oldest(resources, |object| {
            object.meta.namespace == mesh.root_namespace && selector(object).is_empty()
        });
        Self { own, of_namespace, of_mesh }
    }
}

/// The policy that decides what this port of a workload with these labels asks for; none where nothing says it.
pub(crate) fn deciding<'r>(
    resources: &'r Resources,
    mesh: &Mesh,
    namespace: &str,
    labels: &BTreeMap<String, String>,
    port: u16,
) -> Option<&'r Object<PeerAuthentication>> {
    let Holding { own, of_namespace, of_mesh } = Holding::new(resources, mesh, namespace, labels);
    let of_port = |object: &&Object<PeerAuthentication>| {
        object.spec.port_level_mtls.get(&port).is_some_and(|mtls| mode(mtls.mode).is_some())
    };
    let says = |object: &&Object<PeerAuthentication>| said(Some(object)).is_some();
    own.filter(of_port).or_else(|| [own, of_namespace, of_mesh].into_iter().flatten().find(says))
}

fn said(object: Option<&Object<PeerAuthentication>>) -> Option<MutualTls> {
    object.and_then(|object| object.spec.mtls.as_ref()).and_then(|mtls| mode(mtls.mode))
}

const fn mode(mode: MutualTlsMode) -> Option<MutualTls> {
    match mode {
        MutualTlsMode::Unset => None,
        MutualTlsMode::Disable => Some(MutualTls::Disable),
        MutualTlsMode::Permissive => Some(MutualTls::Permissive),
        MutualTlsMode::Strict => Some(MutualTls::Strict),
    }
}

fn selector(object: &Object<PeerAuthentication>) -> &BTreeMap<String, String> {
    static NONE: BTreeMap<String, String> = BTreeMap::new();
    object.spec.selector.as_ref().map_or(&NONE, |selector| &selector.match_labels)
}

fn oldest(
    resources: &Resources,
    holds: impl Fn(&Object<PeerAuthentication>) -> bool,
) -> Option<&Object<PeerAuthentication>> {
    let candidates = resources.peer_authentications.iter().filter(|object| holds(object));
    candidates.min_by_key(|object| object.meta.age)
}

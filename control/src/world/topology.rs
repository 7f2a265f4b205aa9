//! Labels that say where somebody is: the place's, the node's, the cluster's. Istio gives them to each workload and each
//! proxy over their own, so that subsets, callers and priorities can be told apart by them.

use std::collections::BTreeMap;

use weft_model::endpoint::Locality;

use super::workload::Workload;

/// The label of a network.
pub const NETWORK: &str = "topology.istio.io/network";
/// The label of a region.
pub const REGION: &str = "topology.kubernetes.io/region";
/// The label of a zone.
pub const ZONE: &str = "topology.kubernetes.io/zone";
/// The label of a part of a zone.
pub const SUB_ZONE: &str = "topology.istio.io/subzone";
/// The label of a node.
pub const NODE: &str = "kubernetes.io/hostname";
/// The label of a cluster.
pub const CLUSTER: &str = "topology.istio.io/cluster";

/// The cluster that pods are of, where nobody says another name.
pub const KUBERNETES: &str = "Kubernetes";

/// Where somebody is.
#[derive(Debug, Clone, Copy)]
pub struct Topology<'a> {
    /// Region, zone and part of it.
    pub locality: &'a Locality,
    /// The node's name.
    pub node: &'a str,
    /// The cluster's name.
    pub cluster: &'a str,
}

impl<'a> Topology<'a> {
    /// All that is known, by its label.
    fn labels(self) -> impl Iterator<Item = (&'static str, &'a str)> {
        let Locality { region, zone, sub_zone } = self.locality;
        let all = [
            (REGION, &**region),
            (ZONE, zone),
            (SUB_ZONE, sub_zone),
            (NODE, self.node),
            (CLUSTER, self.cluster),
        ];
        all.into_iter().filter(|(_, value)| !value.is_empty())
    }

    /// Puts it over somebody's own labels.
    pub fn over(self, labels: &mut BTreeMap<String, String>) {
        labels.extend(self.labels().map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}

impl Workload {
    /// A label of its own, or of where it is in `cluster`.
    pub fn label<'a>(&'a self, name: &str, cluster: &'a str) -> Option<&'a str> {
        let here = Topology { locality: &self.locality, node: &self.node, cluster };
        let known = here.labels().find(|(known, _)| *known == name);
        known.map(|(_, value)| value).or_else(|| self.labels.get(name).map(String::as_str))
    }

    /// Whether a subset of these labels has it.
    pub fn is_of(&self, subset: &BTreeMap<String, String>, cluster: &str) -> bool {
        subset.iter().all(|(name, value)| self.label(name, cluster) == Some(value))
    }
}

//! What is written in some files, with every pod running.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use weft_control::read::read;
use weft_control::translate::{Configuration, translate};
use weft_control::world::World;
use weft_control::world::workload::Workload;
use weft_model::endpoint::Locality;
use weft_model::node::{Agent, Interception, Node, NodeMetadata, Role};

/// The pods' namespace.
pub(crate) const NAMESPACE: &str = "selfmonitor";

pub(crate) struct Mesh {
    pub(crate) world: World,
    interception: Interception,
}

impl Mesh {
    pub(crate) fn of_self_monitor(interception: Interception) -> Self {
        let mesh = Self::of("../deploy/selfmonitor", interception);
        assert!(mesh.one_pod_of_each_workload().len() >= 25);
        mesh
    }

    /// The mesh of the files at a path beside this one's crate.
    pub(crate) fn of(path: &str, interception: Interception) -> Self {
        let reading = read(&[Path::new(env!("CARGO_MANIFEST_DIR")).join(path)]);
        assert!(!reading.has_errors(), "{:#?}", reading.diagnostics);
        let mut resources = reading.resources;
        // A cluster gives an address to every service that is not headless.
        for (number, service) in (1_u8..).zip(&mut resources.services) {
            let spec = &mut service.spec;
            if interception != Interception::None {
                spec.cluster_ip.get_or_insert_with(|| format!("10.96.0.{number}"));
            }
        }
        let mut pods = Vec::new();
        let deployments = resources.deployments.iter().map(|of| {
            (&of.meta.name, "Deployment", of.spec.replicas, serde_json::to_value(&of.spec.template).unwrap())
        });
        let sets = resources.stateful_sets.iter().map(|of| {
            (&of.meta.name, "StatefulSet", of.spec.replicas, serde_json::to_value(&of.spec.template).unwrap())
        });
        for (name, kind, replicas, template) in deployments.chain(sets) {
            for replica in 1..=replicas.unwrap_or(1) {
                pods.push(pod(
                    &format!("{name}-{replica}"),
                    (kind, name),
                    template.clone(),
                    pods.len() + 1,
                    interception,
                ));
            }
        }
        let pods: Vec<_> = pods.into_iter().map(|pod| serde_json::from_value(pod).unwrap()).collect();
        Self { world: World::new(Arc::new(resources), &pods), interception }
    }

    pub(crate) fn one_pod_of_each_workload(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let first = |pod: &&Arc<Workload>| !pod.entry && seen.insert(pod.owner.clone());
        let pods: Vec<String> =
            self.world.workloads.iter().filter(first).map(|pod| pod.name.clone()).collect();
        pods
    }

    /// The pod's proxy, as a stock Envoy says it.
    pub(crate) fn node(&self, pod: &str) -> Node {
        let workload = self.world.workload(NAMESPACE, pod).unwrap();
        Node {
            role: Role::Sidecar,
            ip: workload.ip(),
            name: format!("{pod}.{NAMESPACE}"),
            domain: format!("{NAMESPACE}.svc.cluster.local"),
            cluster: format!("{}.{NAMESPACE}", workload.owner),
            locality: Locality::default(),
            agent: Agent { name: "envoy".to_owned(), ..Agent::default() },
            metadata: NodeMetadata {
                name: pod.to_owned(),
                namespace: NAMESPACE.to_owned(),
                service_account: workload.service_account.clone(),
                cluster_id: "Kubernetes".to_owned(),
                mesh_id: "cluster.local".to_owned(),
                // As in a bootstrap of Istio's, which says nothing of the program that reads it.
                istio_version: "1.29.6".to_owned(),
                instance_ips: workload.ip().into_iter().collect(),
                labels: workload.labels.clone(),
                workload_name: workload.owner.clone(),
                interception: self.interception,
                ..NodeMetadata::default()
            },
        }
    }

    /// What that proxy is to have.
    pub(crate) fn configuration(&self, pod: &str) -> Configuration {
        translate(&self.world, &self.node(pod))
    }
}

/// A running pod, injected. In a cluster's range, or, where listeners are bound to pods' addresses, on loopback and
/// with addresses for the TCP services (those that the mesh has count).
fn pod(
    name: &str,
    owner: (&str, &str),
    mut template: Value,
    number: usize,
    interception: Interception,
) -> Value {
    let mut labels: BTreeMap<String, String> =
        serde_json::from_value(template["metadata"]["labels"].take()).unwrap();
    labels.insert("security.istio.io/tlsMode".to_owned(), "istio".to_owned());
    let mut annotations: BTreeMap<String, String> =
        serde_json::from_value(template["metadata"]["annotations"].take()).unwrap_or_default();
    let ip = if interception == Interception::None {
        let address = |last: u8| format!("127.1.{number}.{last}");
        let tcp = json!({
            format!("postgres.{NAMESPACE}:5432"): address(10),
            format!("redis.{NAMESPACE}:6379"): address(11),
            format!("shop.{NAMESPACE}:7000"): address(12),
            format!("shop.{NAMESPACE}:6000"): address(12),
            "round.example:5433": address(13),
        });
        annotations.insert("weft.dev/localhost".to_owned(), address(2));
        annotations.insert("weft.dev/tcp-addresses".to_owned(), tcp.to_string());
        address(1)
    } else {
        format!("10.244.0.{number}")
    };
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name, "namespace": NAMESPACE, "labels": labels, "annotations": annotations,
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": owner.0, "name": owner.1, "uid": "", "controller": true,
            }],
        },
        "spec": template["spec"],
        "status": {
            "phase": "Running", "podIP": ip, "podIPs": [{ "ip": ip }],
            "conditions": [{ "type": "Ready", "status": "True" }],
        },
    })
}

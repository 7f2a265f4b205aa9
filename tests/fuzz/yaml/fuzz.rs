//! Any bytes as a user's YAML file: nothing panics, every complaint has a place, and what is accepted without an error
//! is translated for a pod of it to what that pod's proxy takes.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, PodIP, PodStatus};
use weft_control::check::{check, found};
use weft_control::read::read_bytes;
use weft_control::resources::Resources;
use weft_control::translate::translate;
use weft_control::world::World;
use weft_model::node::{Agent, Interception, Node, NodeMetadata, Role};

/// More would only be more of the same.
const MOST_PODS: u8 = 4;

/// Takes `data` for a file.
pub(crate) fn fuzz(data: &[u8]) {
    let reading = read_bytes("mesh.yaml", data);
    for diagnostic in &reading.diagnostics {
        assert!(diagnostic.to_string().starts_with("mesh.yaml:"), "no place: {diagnostic}");
    }
    if reading.has_errors() {
        let _ = found(&reading, check);
        return;
    }
    let pods = pods(&reading.resources);
    let world = World::new(Arc::new(reading.resources), &pods);
    let _ = check(&world);
    for pod in &pods {
        for interception in [Interception::Redirect, Interception::None] {
            let configuration = translate(&world, &node(&world, pod, interception));
            if let Err(refusals) = configuration.verify() {
                panic!("accepted, and then refused by the proxy: {refusals:#?}");
            }
        }
    }
}

/// A running pod for each of the first few Deployments.
fn pods(resources: &Resources) -> Vec<Pod> {
    let templates = resources.deployments.iter().zip(1..=MOST_PODS);
    let pods = templates.map(|(deployment, number)| {
        let template = &deployment.spec.template;
        let mut pod = Pod {
            metadata: template.metadata.clone().unwrap_or_default(),
            spec: template.spec.clone(),
            status: None,
        };
        pod.metadata.name = Some(deployment.meta.name.clone());
        pod.metadata.namespace = Some(deployment.meta.namespace.clone());
        let labels = pod.metadata.labels.get_or_insert_with(BTreeMap::new);
        labels.insert("security.istio.io/tlsMode".to_owned(), "istio".to_owned());
        let ip = Ipv4Addr::new(127, 64, number, 1).to_string();
        pod.status = Some(PodStatus {
            pod_ip: Some(ip.clone()),
            pod_ips: Some(vec![PodIP { ip }]),
            phase: Some("Running".to_owned()),
            ..PodStatus::default()
        });
        pod
    });
    pods.collect()
}

fn node(world: &World, pod: &Pod, interception: Interception) -> Node {
    let (name, namespace) = (pod.metadata.name.clone(), pod.metadata.namespace.clone());
    let (name, namespace) = (name.unwrap_or_default(), namespace.unwrap_or_default());
    let workload = world.workload(&namespace, &name);
    let ip = workload.and_then(|w| w.ip());
    Node {
        role: Role::Sidecar,
        ip,
        name: format!("{name}.{namespace}"),
        domain: format!("{namespace}.svc.cluster.local"),
        cluster: format!("{name}.{namespace}"),
        locality: Default::default(),
        agent: Agent { name: "weft".to_owned(), version: "0.1.0".to_owned(), istio_filters: true },
        metadata: NodeMetadata {
            name,
            namespace,
            service_account: workload.map(|w| w.service_account.clone()).unwrap_or_default(),
            instance_ips: ip.into_iter().collect(),
            labels: workload.map(|w| w.labels.clone()).unwrap_or_default(),
            interception,
            ..NodeMetadata::default()
        },
    }
}

//! Meshes for tests: YAML as read, and a running pod for every replica of a template.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, PodStatus, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use weft_model::endpoint::Locality;
use weft_model::node::{Agent, Interception, Node, NodeMetadata, Role};

use crate::read::{Reading, read, read_str};
use crate::resources::{Meta, Resources};
use crate::world::World;

/// What is read of deploy/selfmonitor.
pub(crate) fn selfmonitor() -> Reading {
    read(&[Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/selfmonitor")])
}

/// The world of a text, all its pods running.
pub(crate) fn world(yaml: &str) -> World {
    let reading = read_str("mesh.yaml", yaml);
    assert!(!reading.has_errors(), "{:#?}", reading.diagnostics);
    running(reading.resources)
}

/// The world of these resources, all their pods running.
pub(crate) fn running(resources: Resources) -> World {
    let pods = pods(&resources);
    World::new(Arc::new(resources), &pods)
}

/// A running pod for each replica, at 127.64.N.1.
pub(crate) fn pods(resources: &Resources) -> Vec<Pod> {
    let mut pods = Vec::new();
    let mut add = |meta: &Meta, replicas: Option<i32>, template: &PodTemplateSpec, kind: &str| {
        for replica in 0..replicas.unwrap_or(1) {
            let mut pod = Pod {
                metadata: template.metadata.clone().unwrap_or_default(),
                spec: template.spec.clone(),
                status: None,
            };
            pod.metadata.name = Some(format!("{}-{}", meta.name, replica + 1));
            pod.metadata.namespace = Some(meta.namespace.clone());
            pod.metadata.owner_references = Some(vec![OwnerReference {
                kind: kind.to_owned(),
                name: meta.name.clone(),
                controller: Some(true),
                ..OwnerReference::default()
            }]);
            run(&mut pod, pods.len() + 1);
            pods.push(pod);
        }
    };
    for object in &resources.deployments {
        add(&object.meta, object.spec.replicas, &object.spec.template, "Deployment");
    }
    for object in &resources.stateful_sets {
        add(&object.meta, object.spec.replicas, &object.spec.template, "StatefulSet");
    }
    for object in &resources.pods {
        let mut pod = Pod { spec: Some(object.spec.clone()), ..Pod::default() };
        pod.metadata.name = Some(object.meta.name.clone());
        pod.metadata.namespace = Some(object.meta.namespace.clone());
        pod.metadata.labels = Some(object.meta.labels.clone());
        pod.metadata.annotations = Some(object.meta.annotations.clone());
        run(&mut pod, pods.len() + 1);
        pods.push(pod);
    }
    pods
}

fn run(pod: &mut Pod, number: usize) {
    let number = u8::try_from(number).expect("a test has few pods");
    let labels = pod.metadata.labels.get_or_insert_with(BTreeMap::new);
    labels.entry("security.istio.io/tlsMode".to_owned()).or_insert_with(|| "istio".to_owned());
    let annotations = pod.metadata.annotations.get_or_insert_with(BTreeMap::new);
    annotations.insert("weft.dev/localhost".to_owned(), Ipv4Addr::new(127, 64, number, 2).to_string());
    let ip = Ipv4Addr::new(127, 64, number, 1).to_string();
    pod.status =
        Some(PodStatus { pod_ip: Some(ip), phase: Some("Running".to_owned()), ..PodStatus::default() });
}

/// The node of weft's proxy in that pod, without interception.
pub(crate) fn node(world: &World, namespace: &str, pod: &str) -> Node {
    let workload = world.workload(namespace, pod).expect("the test names a pod that runs");
    Node {
        role: Role::Sidecar,
        ip: workload.ip(),
        name: format!("{pod}.{namespace}"),
        domain: format!("{namespace}.svc.cluster.local"),
        cluster: format!("{}.{namespace}", workload.owner),
        locality: Locality::default(),
        agent: Agent { name: "weft".to_owned(), version: "0.1.0".to_owned(), istio_filters: true },
        metadata: NodeMetadata {
            name: pod.to_owned(),
            namespace: namespace.to_owned(),
            service_account: workload.service_account.clone(),
            cluster_id: "Kubernetes".to_owned(),
            instance_ips: workload.ip().into_iter().collect(),
            labels: workload.labels.clone(),
            interception: Interception::None,
            ..NodeMetadata::default()
        },
    }
}

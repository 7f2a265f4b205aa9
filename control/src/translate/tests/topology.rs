//! By where somebody is, Istio tells endpoints and callers apart as by labels of their own.

use weft_model::endpoint::Address;
use weft_model::route::RouteAction;

use crate::check::check;
use crate::sample;
use crate::translate::translate;

/// A caller, and a pod on each of two nodes; one of them says otherwise by a label of its own.
const MESH: &str = r"
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {topology.kubernetes.io/region: eu, topology.kubernetes.io/zone: eu-1}}
---
apiVersion: v1
kind: Node
metadata: {name: n2, labels: {topology.kubernetes.io/region: us}}
---
apiVersion: v1
kind: Pod
metadata: {name: caller, namespace: shop}
spec: {nodeName: n1, containers: [{name: app}]}
---
apiVersion: v1
kind: Pod
metadata: {name: one, namespace: shop, labels: {app: web, kubernetes.io/hostname: n2}}
spec: {nodeName: n1, containers: [{name: app}]}
---
apiVersion: v1
kind: Pod
metadata: {name: two, namespace: shop, labels: {app: web}}
spec: {nodeName: n2, containers: [{name: app}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]EXTRA}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: shop}
spec:
  host: web
  subsets:
  - {name: eu, labels: {topology.kubernetes.io/region: eu}}
  - {name: zone, labels: {app: web, topology.kubernetes.io/zone: eu-1}}
  - {name: node, labels: {kubernetes.io/hostname: n2}}
  - {name: here, labels: {topology.istio.io/cluster: Kubernetes}}
  - {name: there, labels: {topology.istio.io/cluster: other}}
";

/// The pods of a cluster that the caller calls, with their priorities.
fn pods(extra: &str, subset: &str) -> Vec<(&'static str, u32)> {
    let world = sample::world(&MESH.replace("EXTRA", extra));
    let configuration = translate(&world, &sample::node(&world, "shop", "caller"));
    let name = format!("outbound|80|{subset}|web.shop.svc.cluster.local");
    let assignment = configuration.endpoints.iter().find(|of| of.cluster == name).unwrap();
    let mut found = Vec::new();
    for (pod, of) in
        ["one", "two"].into_iter().flat_map(|pod| assignment.localities.iter().map(move |of| (pod, of)))
    {
        let ip = world.workload("shop", pod).unwrap().ip().unwrap();
        let is_it = |address: &Address| matches!(address, Address::Socket(at) if at.ip() == ip);
        if of.endpoints.iter().any(|endpoint| is_it(&endpoint.address)) {
            found.push((pod, of.priority));
        }
    }
    found
}

#[test]
fn subsets_choose_by_the_place_the_node_and_the_cluster() {
    assert_eq!(pods("", "eu"), [("one", 0)]);
    assert_eq!(pods("", "zone"), [("one", 0)]);
    // Where a pod is counts before what its label says.
    assert_eq!(pods("", "node"), [("two", 0)]);
    assert_eq!(pods("", "here"), [("one", 0), ("two", 0)]);
    assert_eq!(pods("", "there"), []);
}

#[test]
fn of_these_subsets_only_that_of_another_cluster_is_said_to_be_empty() {
    let warnings = check(&sample::world(&MESH.replace("EXTRA", "")));
    let paths: Vec<&str> = warnings.iter().map(|warning| &*warning.path).collect();
    assert_eq!(paths, ["spec.subsets[4].labels"], "{warnings:#?}");
    // The same before anything runs.
    let reading = crate::read::read_str("mesh.yaml", &MESH.replace("EXTRA", ""));
    let world = crate::world::World::new(std::sync::Arc::new(reading.resources), &[]);
    assert_eq!(check(&world), warnings);
}

#[test]
fn the_same_node_comes_first_where_a_service_asks_for_it() {
    assert_eq!(pods("", ""), [("one", 0), ("two", 0)]);
    assert_eq!(pods(", trafficDistribution: PreferSameNode", ""), [("one", 0), ("two", 1)]);
}

#[test]
fn a_route_is_for_callers_of_a_place_or_a_cluster() {
    let route = |labels: &str| {
        let yaml = format!(
            "{}---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: web, namespace: shop}}\nspec: {{hosts: [web], http: [{{match: [{{sourceLabels: {{{labels}}}}}], directResponse: {{status: 418}}}}, {{route: [{{destination: {{host: web}}}}]}}]}}\n",
            MESH.replace("EXTRA", "")
        );
        let world = sample::world(&yaml);
        let configuration = translate(&world, &sample::node(&world, "shop", "caller"));
        let mut hosts = configuration.routes.iter().flat_map(|routes| &routes.virtual_hosts);
        let host = hosts.find(|host| host.name == "web.shop.svc.cluster.local:80").unwrap();
        host.routes.iter().any(|route| matches!(route.action, RouteAction::DirectResponse { .. }))
    };
    assert!(route("topology.istio.io/cluster: Kubernetes"));
    assert!(route("topology.kubernetes.io/zone: eu-1, kubernetes.io/hostname: n1"));
    assert!(!route("topology.istio.io/cluster: other"));
    assert!(!route("topology.kubernetes.io/region: us"));
}

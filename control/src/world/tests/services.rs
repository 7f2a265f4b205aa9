//! Services and what is behind them; names in short and in full.

use std::sync::Arc;

use crate::sample;
use crate::world::World;
use crate::world::host::{covers, full};
use crate::world::service::{Resolution, Service};
use crate::world::workload::WorkloadAddress;

fn only(world: &World) -> Arc<Service> {
    let [service] = &world.services[..] else { unreachable!("one service is written down") };
    Arc::clone(service)
}

#[test]
fn a_short_name_is_of_the_namespace_it_stands_in() {
    assert_eq!(full("web", "shop"), "web.shop.svc.cluster.local");
    assert_eq!(full("Web.Shop", "x"), "web.shop");
    assert_eq!(full("*", "shop"), "*");
    assert!(covers("*.example", "a.example") && !covers("*.example", ".example") && covers("*", "a"));
    assert!(covers("*.example", "*.b.example") && !covers("*.b.example", "*.example"));
}

#[test]
fn a_named_target_port_is_each_pod_s_own() {
    let world = sample::world(
        r"
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: main}]}
---
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop, labels: {app: web}}
spec: {containers: [{name: app, image: a, ports: [{name: main, containerPort: 8000}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: shop, labels: {app: web}}
spec: {containers: [{name: app, image: b, ports: [{name: main, containerPort: 9000}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: c, namespace: shop, labels: {app: web}}
spec: {containers: [{name: app, image: c, ports: [{containerPort: 9000}]}]}
",
    );
    let ports: Vec<_> = only(&world).endpoints.iter().map(|endpoint| endpoint.ports[0]).collect();
    assert_eq!(ports, [Some(8000), Some(9000), None]);
}

#[test]
fn a_service_entry_by_name_is_its_own_endpoint() {
    let world = sample::world(
        "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: o, namespace: shop}\nspec: {hosts: [API.example], resolution: DNS, location: MESH_EXTERNAL, ports: [{number: 80, name: http, protocol: HTTP, targetPort: 443}]}",
    );
    let service = only(&world);
    assert_eq!(
        (service.host.as_str(), service.resolution, service.external),
        ("api.example", Resolution::Dns, true)
    );
    assert_eq!(service.endpoints[0].workload.address, Some(WorkloadAddress::Name("api.example".to_owned())));
    assert_eq!(service.endpoints[0].ports, [Some(443)]);
}

#[test]
fn a_workload_entry_with_an_account_speaks_mtls_even_without_the_label() {
    let world = sample::world(
        r"
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: vm, namespace: shop}
spec: {hosts: [vm.example], resolution: STATIC, location: MESH_INTERNAL, ports: [{number: 80, name: http, protocol: HTTP}], workloadSelector: {labels: {app: vm}}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: new, namespace: shop}
spec: {address: 10.0.0.1, serviceAccount: vm, labels: {app: vm}, ports: {http: 8080}, locality: eu/a/1, weight: 3}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: old, namespace: shop}
spec: {address: 10.0.0.2, labels: {app: vm}}
",
    );
    let service = only(&world);
    let facts: Vec<_> =
        service.endpoints.iter().map(|of| (of.workload.mtls, of.ports[0], of.workload.weight)).collect();
    assert_eq!(facts, [(true, Some(8080), 3), (false, Some(80), 1)]);
    assert_eq!(service.accounts().into_iter().collect::<Vec<_>>(), [("shop", "vm")]);
}

#[test]
fn a_udp_port_of_the_same_number_does_not_take_the_tcp_port_s_place() {
    let world = sample::world(
        r"
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  selector: {app: web}
  ports:
  - {name: quic, port: 80, protocol: UDP, targetPort: 7001}
  - {name: http, port: 80, targetPort: 8080}
---
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop, labels: {app: web}}
spec: {containers: [{name: app, image: a}]}
",
    );
    let service = only(&world);
    assert_eq!(service.port(80).unwrap().name, "http");
    let place = service.place(80).unwrap();
    assert_eq!(service.endpoints[0].ports[place], Some(8080));
}

#[test]
fn a_pod_stands_where_its_labels_say_and_else_where_its_node_does() {
    let world = sample::world(
        r"
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {topology.kubernetes.io/region: r1, topology.kubernetes.io/zone: z1, topology.istio.io/subzone: s1}}
---
apiVersion: v1
kind: Pod
metadata: {name: on-node, namespace: shop}
spec: {nodeName: n1, containers: [{name: app, image: a}]}
---
apiVersion: v1
kind: Pod
metadata: {name: says, namespace: shop, labels: {istio-locality: r2.z2}}
spec: {nodeName: n1, containers: [{name: app, image: a}]}
---
apiVersion: v1
kind: Pod
metadata: {name: copied, namespace: shop, labels: {topology.kubernetes.io/region: r3}}
spec: {nodeName: n1, containers: [{name: app, image: a}]}
---
apiVersion: v1
kind: Pod
metadata: {name: elsewhere, namespace: shop}
spec: {nodeName: n2, containers: [{name: app, image: a}]}
",
    );
    let at = |pod: &str| {
        let at = &world.workload("shop", pod).unwrap().locality;
        format!("{}/{}/{}", at.region, at.zone, at.sub_zone)
    };
    let all = ["on-node", "says", "copied", "elsewhere"].map(at);
    assert_eq!(all, ["r1/z1/s1", "r2/z2/", "r3//", "//"]);
}

//! What a proxy hears of: exportTo and Sidecars.

use crate::resources::mesh_config::OutboundMode;
use crate::sample;
use crate::world::scope::Scope;

const SERVICES: &str = r"
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{name: http, port: 80}, {name: grpc, port: 9000}]}
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop, annotations: {networking.istio.io/exportTo: .}}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: bank, namespace: money}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside, namespace: money}
spec: {hosts: [api.example], exportTo: [shop], location: MESH_EXTERNAL, resolution: DNS, ports: [{number: 443, name: tls, protocol: TLS}]}
";

fn sidecar(namespace: &str, name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{{spec}}}\n"
    )
}

fn scope(client: &str, more: &[String]) -> Scope {
    let labels = [("app".to_owned(), "web".to_owned())].into();
    Scope::new(&sample::world(&format!("{SERVICES}{}", more.concat())), client, &labels)
}

fn heard(client: &str, more: &[String]) -> Vec<String> {
    let name = |host: &str| host.strip_suffix(".svc.cluster.local").unwrap_or(host).to_owned();
    scope(client, more).services.iter().map(|service| name(&service.host)).collect()
}

#[test]
fn without_a_sidecar_it_is_all_that_is_exported_to_the_namespace() {
    assert_eq!(heard("shop", &[]), ["api.example", "bank.money", "cart.shop", "web.shop"]);
    assert_eq!(heard("money", &[]), ["bank.money", "web.shop"]);
}

#[test]
fn a_sidecar_lets_in_what_its_egress_names() {
    assert_eq!(
        heard("shop", &[sidecar("shop", "s", "egress: [{hosts: ['./*']}]")]),
        ["cart.shop", "web.shop"]
    );
    assert_eq!(
        heard("shop", &[sidecar("shop", "s", "egress: [{hosts: ['money/*']}]")]),
        ["api.example", "bank.money"]
    );
    let named = sidecar(
        "shop",
        "s",
        "egress: [{hosts: ['*/bank.money.svc.cluster.local', './web.shop.svc.cluster.local']}]",
    );
    assert_eq!(heard("shop", &[named]), ["bank.money", "web.shop"]);
    assert_eq!(heard("shop", &[sidecar("shop", "s", "egress: [{hosts: ['~/*']}]")]), Vec::<String>::new());
}

#[test]
fn the_workload_s_sidecar_comes_before_the_namespace_s_before_the_root_s() {
    let own = sidecar(
        "shop",
        "own",
        "workloadSelector: {labels: {app: web}}, egress: [{hosts: ['./web.shop.svc.cluster.local']}]",
    );
    let whole = sidecar("shop", "whole", "egress: [{hosts: ['./*']}]");
    let root = sidecar("istio-system", "root", "egress: [{hosts: ['money/bank.money.svc.cluster.local']}]");
    assert_eq!(heard("shop", &[root.clone(), whole.clone(), own]), ["web.shop"]);
    assert_eq!(heard("shop", &[root.clone(), whole]), ["cart.shop", "web.shop"]);
    assert_eq!(heard("shop", &[root]), ["bank.money"]);
}

#[test]
fn an_egress_line_with_a_port_lets_in_that_port_alone() {
    let sidecar =
        sidecar("shop", "s", "egress: [{port: {number: 9000, protocol: GRPC, name: grpc}, hosts: ['./*']}]");
    let scope = scope("shop", &[sidecar]);
    let [web] = &scope.services[..] else { unreachable!("one service has that port") };
    assert_eq!(web.ports.iter().map(|port| port.number).collect::<Vec<_>>(), [9000]);
}

#[test]
fn a_route_s_destination_is_heard_of_even_if_the_sidecar_does_not_name_it() {
    let route = "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: web, namespace: shop}\nspec: {hosts: [web], http: [{route: [{destination: {host: bank.money.svc.cluster.local}}]}]}\n";
    let sidecar = sidecar("shop", "s", "egress: [{hosts: ['./web.shop.svc.cluster.local']}]");
    assert_eq!(heard("shop", &[sidecar, route.to_owned()]), ["bank.money", "web.shop"]);
}

#[test]
fn what_nothing_names_is_let_out_unless_the_sidecar_or_the_mesh_says_otherwise() {
    assert_eq!(scope("shop", &[]).outbound, OutboundMode::AllowAny);
    let mesh = "---\noutboundTrafficPolicy: {mode: REGISTRY_ONLY}\n".to_owned();
    assert_eq!(scope("shop", std::slice::from_ref(&mesh)).outbound, OutboundMode::RegistryOnly);
    let open = sidecar("shop", "s", "outboundTrafficPolicy: {mode: ALLOW_ANY}");
    assert_eq!(scope("shop", &[mesh, open]).outbound, OutboundMode::AllowAny);
}

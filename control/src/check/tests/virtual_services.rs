//! Routes to what is not there, and VirtualServices of gateways.

use super::{found, said};

#[test]
fn a_route_to_what_is_not_there_is_named() {
    let yaml = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: web, namespace: shop}\nspec: {hosts: [web], http: [{route: [{destination: {host: web, subset: v9, port: {number: 81}}, weight: 50}, {destination: {host: wbe}, weight: 50}]}]}";
    assert_eq!(
        found(yaml),
        [
            "spec.http[0].route[0].destination.port.number: web does not expose port 81: requests fail with 503",
            "spec.http[0].route[0].destination.subset: no DestinationRule of web has a subset \"v9\": requests fail with 503",
            "spec.http[0].route[1].destination.host: no service that namespace shop sees is wbe.shop.svc.cluster.local: requests fail with 503",
        ]
    );
}

#[test]
fn a_mirror_to_nobody_fails_no_request() {
    let yaml = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: web, namespace: shop}\nspec: {hosts: [web], http: [{mirror: {host: nobody}, route: [{destination: {host: web}}]}]}";
    assert_eq!(
        found(yaml),
        [
            "spec.http[0].mirror.host: no service that namespace shop sees is nobody.shop.svc.cluster.local: no copy is sent"
        ]
    );
}

#[test]
fn a_virtual_service_of_gateways_alone_has_no_effect_and_a_gateway_that_is_nowhere_is_named() {
    let of = |gateways: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: web, namespace: shop}}\nspec: {{hosts: [web], gateways: [{gateways}], http: [{{route: [{{destination: {{host: web}}}}]}}]}}\n---\n"
        )
    };
    let gateway = "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: front, namespace: edge}\nspec: {selector: {a: b}, servers: [{hosts: ['*'], port: {number: 80, name: http, protocol: HTTP}}]}\n---\n";
    let said = |gateways: &str| said(&format!("{gateway}{}", of(gateways)));
    let idle = "spec.gateways: it is for gateways alone, and weft runs none: it has no effect; add mesh to `gateways`: then sidecars go by it";
    for name in ["edge/front", "front.edge", "front.edge.svc.cluster.local"] {
        assert_eq!(said(name), [idle], "{name}");
    }
    assert_eq!(
        said("front"),
        ["spec.gateways[0]: there is no Gateway shop/front; did you mean edge/front?", idle]
    );
    assert_eq!(
        said("mesh, edge/frnt"),
        ["spec.gateways[1]: there is no Gateway edge/frnt; did you mean front?"]
    );
    assert_eq!(said("mseh"), ["spec.gateways[0]: there is no Gateway shop/mseh; did you mean mesh?", idle]);
    assert_eq!(said("mesh, edge/front"), [""; 0]);
    assert_eq!(said(""), [""; 0]);
}

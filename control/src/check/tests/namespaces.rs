//! Namespaces in which nothing runs.

use super::said;

#[test]
fn a_policy_of_a_namespace_without_workloads_is_named() {
    for (group, kind) in [
        ("security.istio.io", "AuthorizationPolicy"),
        ("security.istio.io", "PeerAuthentication"),
        ("security.istio.io", "RequestAuthentication"),
        ("telemetry.istio.io", "Telemetry"),
        ("networking.istio.io", "Sidecar"),
    ] {
        let of = |metadata: &str| {
            said(&format!(
                "apiVersion: {group}/v1\nkind: {kind}\nmetadata: {{name: p{metadata}}}\nspec: {{}}"
            ))
        };
        assert_eq!(
            of(", namespace: shopp"),
            [
                "metadata.namespace: namespace shopp has no workload: it applies to nothing; did you mean shop?"
            ],
            "{kind}"
        );
        assert_eq!(
            of(""),
            [
                "metadata.namespace: namespace default has no workload: it applies to nothing; `metadata.namespace` says where it holds; without it that is default"
            ],
            "{kind}"
        );
        assert_eq!(of(", namespace: shop"), [""; 0], "{kind}");
        assert_eq!(of(", namespace: istio-system"), [""; 0], "{kind}");
    }
}

#[test]
fn callers_of_a_namespace_that_has_none_are_named() {
    let told = said(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p, namespace: shop}\nspec: {rules: [{from: [{source: {namespaces: [shp, shop, '*', istio-system]}}]}, {when: [{key: source.namespace, values: [elsewhere]}]}]}",
    );
    assert_eq!(
        told,
        [
            "spec.rules[0].from[0].source.namespaces[0]: namespace shp has no workload: nobody calls from there; did you mean shop?",
            "spec.rules[1].when[0].values[0]: namespace elsewhere has no workload: nobody calls from there; ",
        ]
    );
}

#[test]
fn hosts_of_a_namespace_without_services_are_named_in_a_scope() {
    let told = said(
        "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: s, namespace: shop}\nspec: {egress: [{hosts: ['./*', '*/web.shop.svc.cluster.local', 'istio-system/*', 'shop/*', 'shpo/*']}]}",
    );
    assert_eq!(
        told,
        ["spec.egress[0].hosts[4]: namespace shpo has no service: this lets in nothing; did you mean shop?"]
    );
}

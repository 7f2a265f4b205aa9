//! Policies of accounts and ports that no workload has, and rules that say less than they seem to.

use super::super::check;
use super::{WEB, found};

#[test]
fn an_account_that_no_pod_uses_is_named() {
    let yaml = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p, namespace: shop}\nspec: {rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/wb, cluster.local/ns/shop/sa/web, '*']}}]}]}";
    assert_eq!(
        found(yaml),
        ["spec.rules[0].from[0].source.principals[0]: no pod of namespace shop runs as service account wb"]
    );
}

#[test]
fn a_port_of_the_service_where_the_workload_s_is_meant_is_named() {
    let yaml = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p, namespace: shop}\nspec: {selector: {matchLabels: {app: web}}, rules: [{to: [{operation: {ports: ['80', '8000']}}]}]}";
    assert_eq!(
        found(yaml),
        [
            "spec.rules[0].to[0].operation.ports[0]: no workload that it selects has a port 80: the rule never matches"
        ]
    );
}

#[test]
fn from_and_to_as_two_rules_are_pointed_out() {
    let yaml = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p, namespace: shop}\nspec:\n  rules:\n  - from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}]\n  - to: [{operation: {methods: [POST]}}]";
    assert_eq!(
        found(yaml),
        [
            "spec.rules[1]: rules[0] has only `from` and rules[1] only `to`: these are two rules, and either of them lets in"
        ]
    );
}

#[test]
fn a_port_that_a_service_alone_names_is_a_port_whether_or_not_anything_runs() {
    let yaml = r"
apiVersion: v1
kind: Service
metadata: {name: metrics, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 90, targetPort: 9000}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: shop}
spec: {selector: {matchLabels: {app: web}}, rules: [{to: [{operation: {ports: ['9000', '9001']}}]}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: p, namespace: shop}
spec: {selector: {matchLabels: {app: web}}, portLevelMtls: {'9000': {mode: DISABLE}, '90': {mode: DISABLE}}}
";
    let reading = crate::read::read_str("mesh.yaml", &format!("{WEB}{yaml}"));
    let world = crate::world::World::new(std::sync::Arc::new(reading.resources), &[]);
    let paths: Vec<String> = check(&world).into_iter().map(|warning| warning.path).collect();
    assert_eq!(paths, ["spec.rules[0].to[0].operation.ports[1]", "spec.portLevelMtls[\"90\"]"]);
}

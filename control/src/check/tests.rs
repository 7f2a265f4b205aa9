//! The mistakes of SELFMONITOR's kind: each is found, and the good manifests have none.

use super::{check, check_loopback};
use crate::sample;

/// `path: message` of every warning about a text.
fn found(yaml: &str) -> Vec<String> {
    let warnings = check(&sample::world(&format!("{WEB}{yaml}")));
    warnings.iter().map(|warning| format!("{}: {}", warning.path, warning.message)).collect()
}

const WEB: &str = r"
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8000}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, version: v1}}
    spec: {serviceAccountName: web, containers: [{name: app, image: web, ports: [{containerPort: 8000}]}]}
---
";

#[test]
fn the_manifests_of_selfmonitor_have_no_such_mistake() {
    let warnings = check(&sample::running(sample::selfmonitor().resources));
    assert_eq!(warnings, []);
}

#[test]
fn a_subset_without_pods_is_named_with_what_pods_have_instead() {
    let yaml = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: web, namespace: shop}\nspec: {host: web, subsets: [{name: v2, labels: {version: v2}}]}";
    let world = sample::world(&format!("{WEB}{yaml}"));
    let warnings = check(&world);
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert_eq!(
        warnings[0].to_string(),
        "mesh.yaml:16:1: warning: spec.subsets[0].labels: no pod behind web has version=v2: subset v2 is empty, and what is routed to it fails with 503; version is one of v1 there [DestinationRule shop/web]"
    );
}

#[test]
fn a_selector_that_matches_nothing_is_named() {
    let yaml = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p, namespace: shop}\nspec: {selector: {matchLabels: {app: wbe}}}";
    assert_eq!(
        found(yaml),
        ["spec.selector.matchLabels: no workload of namespace shop has app=wbe: it applies to nothing"]
    );
}

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
fn a_rule_for_an_unknown_host_is_named() {
    let yaml = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: web, namespace: shop}\nspec: {host: web.shop}";
    let warnings = check(&sample::world(&format!("{WEB}{yaml}")));
    assert_eq!(warnings[0].hint.as_deref(), Some("did you mean web.shop.svc.cluster.local?"));
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
fn outlier_detection_that_can_never_act_is_named() {
    let rule = |spec: &str| {
        found(&format!(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: web, namespace: shop}}\nspec: {{host: web, {spec}}}"
        ))
    };
    assert_eq!(
        rule("trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3, maxEjectionPercent: 80}}"),
        [
            "spec.trafficPolicy.outlierDetection.maxEjectionPercent: 80 % of the 1 endpoint of web is less than one: none is ever ejected"
        ]
    );
    assert_eq!(rule("trafficPolicy: {outlierDetection: {maxEjectionPercent: 100}}"), [""; 0]);
    assert_eq!(
        rule("trafficPolicy: {outlierDetection: {consecutive5xxErrors: 0, maxEjectionPercent: 100}}"),
        ["spec.trafficPolicy.outlierDetection: no number of failures is set: nobody is ever ejected"]
    );
    assert_eq!(
        rule(
            "subsets: [{name: v1, labels: {version: v1}, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}}}]"
        ),
        [
            "spec.subsets[0].trafficPolicy.outlierDetection.maxEjectionPercent: 10 % of the 1 endpoint of subset v1 is less than one: none is ever ejected"
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

#[test]
fn a_peer_authentication_with_a_selector_in_the_root_namespace_is_named_once() {
    let yaml = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: p, namespace: istio-system}\nspec: {selector: {matchLabels: {app: web}}, portLevelMtls: {'1': {mode: DISABLE}}}";
    assert_eq!(
        found(yaml),
        [
            "spec.selector.matchLabels: in the root namespace istio-system a PeerAuthentication with a selector is ignored: it applies to nothing"
        ]
    );
}

#[test]
fn only_some_policies_of_the_root_namespace_select_in_all_namespaces() {
    let of = |kind: &str, group: &str, spec: &str| {
        found(&format!(
            "apiVersion: {group}/v1\nkind: {kind}\nmetadata: {{name: p, namespace: istio-system}}\nspec: {{{spec}}}"
        ))
    };
    let selector = "selector: {matchLabels: {app: web}}";
    assert_eq!(of("AuthorizationPolicy", "security.istio.io", selector), [""; 0]);
    assert_eq!(
        of("Telemetry", "telemetry.istio.io", selector),
        [
            "spec.selector.matchLabels: no workload of namespace istio-system has app=web: it applies to nothing"
        ]
    );
}

#[test]
fn what_asks_for_an_address_that_no_proxy_sees_on_loopback_is_named_there_and_only_there() {
    let yaml = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v, namespace: shop}\nspec: {hosts: [web], tcp: [{match: [{port: 80}, {destinationSubnets: [10.0.0.0/8]}], route: [{destination: {host: web}}]}], tls: [{match: [{sniHosts: [web], destinationSubnets: [10.1.1.1]}], route: [{destination: {host: web}}]}]}";
    let world = sample::world(&format!("{WEB}{yaml}"));
    let paths: Vec<String> = check_loopback(&world).into_iter().map(|warning| warning.path).collect();
    assert_eq!(paths, ["spec.tcp[0].match[1].destinationSubnets", "spec.tls[0].match[0].destinationSubnets"]);
    assert!(!check(&world).iter().any(|warning| warning.path.contains("destinationSubnets")));
}

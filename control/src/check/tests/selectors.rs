//! Selectors that match nothing.

use super::found;

#[test]
fn a_selector_that_matches_nothing_is_named() {
    let yaml = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p, namespace: shop}\nspec: {selector: {matchLabels: {app: wbe}}}";
    assert_eq!(
        found(yaml),
        ["spec.selector.matchLabels: no workload of namespace shop has app=wbe: it applies to nothing"]
    );
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

//! DestinationRules of hosts that nobody knows, and subsets without pods.

use super::super::check;
use super::{WEB, said, sample};

#[test]
fn a_subset_without_pods_is_named_with_what_pods_have_instead() {
    let yaml = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: web, namespace: shop}\nspec: {host: web, subsets: [{name: v2, labels: {version: v2}}]}";
    let world = sample::world(&format!("{WEB}{yaml}"));
    let warnings = check(&world);
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert_eq!(
        warnings[0].to_string(),
        "mesh.yaml:20:1: warning: spec.subsets[0].labels: no pod behind web has version=v2: subset v2 is empty, and what is routed to it fails with 503; version is v1 there [DestinationRule shop/web]"
    );
}

#[test]
fn an_empty_subset_is_told_with_what_pods_behind_the_service_have() {
    let other = WEB
        .replace("name: web", "name: other")
        .replace("app: web", "app: other")
        .replace("serviceAccountName: web", "serviceAccountName: other")
        .replace("version: v1", "version: v3");
    let rule = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: web, namespace: shop}\nspec: {host: web, subsets: [{name: v2, labels: {version: v2}}]}";
    let told = said(&format!("{other}{rule}"));
    assert!(told.len() == 1 && told[0].ends_with("; version is v1 there"), "{told:?}");
}

#[test]
fn what_pods_have_instead_is_never_an_empty_list() {
    let hint = |label: &str| {
        let web = WEB.replace(", version: v1", label);
        let rule = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: web, namespace: shop}\nspec: {host: web, subsets: [{name: v2, labels: {version: v2}}]}";
        let warnings = check(&sample::world(&format!("{web}{rule}")));
        assert_eq!(warnings.len(), 1, "{warnings:#?}");
        warnings[0].hint.clone().unwrap_or_default()
    };
    assert_eq!(hint(", version: v3"), "version is v3 there");
    assert_eq!(hint(", version: \"\""), "version is \"\" there");
    assert_eq!(hint(""), "nobody there has a label version");
}

#[test]
fn a_rule_for_an_unknown_host_is_named() {
    let yaml = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: web, namespace: shop}\nspec: {host: web.shop}";
    let warnings = check(&sample::world(&format!("{WEB}{yaml}")));
    assert_eq!(warnings[0].hint.as_deref(), Some("did you mean web.shop.svc.cluster.local?"));
}

#[test]
fn a_service_that_is_kept_from_a_namespace_is_not_taken_for_a_slip_of_the_pen() {
    let hidden = "apiVersion: v1\nkind: Service\nmetadata: {name: own, namespace: shop, annotations: {networking.istio.io/exportTo: '~'}}\nspec: {selector: {app: web}, ports: [{name: http, port: 80}]}\n---\n";
    let yaml = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: own, namespace: shop}\nspec: {host: own}";
    let warnings = check(&sample::world(&format!("{WEB}{hidden}{yaml}")));
    assert_eq!(
        warnings[0].hint.as_deref(),
        Some("it is at mesh.yaml:20, whose exportTo does not name this namespace")
    );
}

#[test]
fn a_warmup_that_its_balancer_does_not_heed_is_named() {
    let of = |balancer: &str| {
        said(&format!(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: web, namespace: shop}}\nspec: {{host: web, trafficPolicy: {{loadBalancer: {{{balancer}}}}}}}"
        ))
    };
    for heeds in ["simple: LEAST_REQUEST, warmup: {duration: 9s}", "warmup: {duration: 9s}", "simple: RANDOM"]
    {
        assert_eq!(of(heeds), [""; 0], "{heeds}");
    }
    assert_eq!(
        of("simple: RANDOM, warmup: {duration: 9s}"),
        [
            "spec.trafficPolicy.loadBalancer.warmup: RANDOM gives new endpoints their full share at once: warmup has no effect; ROUND_ROBIN and LEAST_REQUEST warm up"
        ]
    );
    let hashed = of("consistentHash: {useSourceIp: true}, warmupDurationSecs: 9s");
    assert!(
        hashed.len() == 1 && hashed[0].contains("warmupDurationSecs: consistentHash gives"),
        "{hashed:?}"
    );
}

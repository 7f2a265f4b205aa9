//! Outlier detection that can never act.

use super::{WEB, found, found_in};

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
    let apart = "consecutive5xxErrors: 0, splitExternalLocalOriginErrors: true, maxEjectionPercent: 100";
    for local in ["", ", consecutiveLocalOriginFailures: 0"] {
        assert_eq!(rule(&format!("trafficPolicy: {{outlierDetection: {{{apart}{local}}}}}")), [""; 0]);
    }
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

/// A rule for web, of which so many pods are described.
fn of_replicas(replicas: u32, outlier: &str) -> Vec<String> {
    let web = WEB.replace(
        "spec:\n  selector: {matchLabels",
        &format!("spec:\n  replicas: {replicas}\n  selector: {{matchLabels"),
    );
    assert!(web != WEB || replicas == 1);
    let rule = format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: web, namespace: shop}}\nspec: {{host: web, trafficPolicy: {{outlierDetection: {{{outlier}}}}}}}"
    );
    found_in(&format!("{web}{rule}"))
}

#[test]
fn an_ejection_after_which_all_are_used_again_is_named() {
    for (replicas, least, acts) in [
        (1, 0, true),
        (1, 1, false),
        (2, 50, true),
        (2, 51, false),
        (3, 66, true),
        (3, 67, false),
        // Three of four are taken to carry all.
        (4, 100, true),
        (9, 100, true),
    ] {
        let outlier = format!("consecutive5xxErrors: 3, maxEjectionPercent: 100, minHealthPercent: {least}");
        let s = if replicas == 1 { "" } else { "s" };
        let said = format!(
            "spec.trafficPolicy.outlierDetection.minHealthPercent: with one of the {replicas} endpoint{s} of web ejected less than {least} % are well, and then all are used: it is asked on"
        );
        let expected = if acts { vec![] } else { vec![said] };
        assert_eq!(of_replicas(replicas, &outlier), expected, "{replicas} {least}");
    }
}

#[test]
fn gateway_errors_that_5xx_eject_for_before_are_named() {
    let path = "spec.trafficPolicy.outlierDetection.consecutiveGatewayErrors";
    for (said, numbers) in [
        ("consecutiveGatewayErrors: 3, consecutive5xxErrors: 3", Some((3, 3))),
        // Envoy's default.
        ("consecutiveGatewayErrors: 7", Some((7, 5))),
        ("consecutiveGatewayErrors: 4", None),
        ("consecutiveGatewayErrors: 7, consecutive5xxErrors: 0", None),
        ("consecutiveGatewayErrors: 0", None),
    ] {
        let expected = numbers.map(|(gateway, any)| {
            format!("{path}: gateway errors are 5xx, and {any} of these in a row eject: that it takes {gateway} has no effect")
        });
        assert_eq!(
            of_replicas(1, &format!("{said}, maxEjectionPercent: 100")),
            Vec::from_iter(expected),
            "{said}"
        );
    }
}

/// A host outside with a rule, and a check of its health.
fn outside(resolution: &str, policy: &str, checks: &str) -> Vec<String> {
    found(&format!(
        "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: o, namespace: shop, annotations: {{{checks}}}}}\nspec: {{hosts: [api.example], location: MESH_EXTERNAL, resolution: {resolution}, ports: [{{number: 80, name: http, protocol: HTTP}}]}}\n---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: o, namespace: shop}}\nspec: {{host: api.example, trafficPolicy: {{{policy}}}}}"
    ))
}

#[test]
fn outlier_detection_of_a_host_outside_is_looked_at_as_far_as_it_can_be() {
    let at = "spec.trafficPolicy.outlierDetection";
    let outlier = "outlierDetection: {consecutive5xxErrors: 3, maxEjectionPercent: 80}";
    assert_eq!(outside("DNS", outlier, ""), [""; 0], "a name may have many addresses");
    assert_eq!(
        outside("DNS_ROUND_ROBIN", outlier, ""),
        [format!(
            "{at}.maxEjectionPercent: 80 % of the 1 endpoint of api.example is less than one: none is ever ejected"
        )]
    );
    assert_eq!(
        outside("DNS", "outlierDetection: {consecutive5xxErrors: 0}", ""),
        [format!("{at}: no number of failures is set: nobody is ever ejected")]
    );
    let passes = [format!("{at}: connections go wherever their client was going: nobody is ever ejected")];
    assert_eq!(outside("NONE", outlier, ""), passes);
    assert_eq!(outside("DNS", &format!("loadBalancer: {{simple: PASSTHROUGH}}, {outlier}"), ""), passes);
    let checks = "weft.dev/health-check: protocol=tcp";
    assert_eq!(
        outside("NONE", "", checks),
        [
            "metadata.annotations[\"weft.dev/health-check\"]: connections go wherever their client was going: nobody is checked"
        ]
    );
    assert_eq!(outside("DNS", "", checks), [""; 0]);
}

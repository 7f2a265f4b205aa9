//! The mistakes of SELFMONITOR's kind: each is found, and the good manifests have none.

use super::{check, check_interception, check_loopback};
use crate::sample;

/// `path: message` of every warning about a text.
fn found(yaml: &str) -> Vec<String> {
    let warnings = check(&sample::world(&format!("{WEB}{yaml}")));
    warnings.iter().map(|warning| format!("{}: {}", warning.path, warning.message)).collect()
}

const WEB: &str = r"
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: shop}
---
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
fn nor_have_those_that_meshes_are_compared_with() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench/compare/mesh");
    let reading = crate::read::read(&[path]);
    assert_eq!(reading.diagnostics, []);
    // Policies that are there to be many name accounts of nobody.
    for told in check(&sample::running(reading.resources)) {
        assert!(told.message.contains("runs as service account other-"), "{told}");
    }
}

#[test]
fn a_subset_without_pods_is_named_with_what_pods_have_instead() {
    let yaml = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: web, namespace: shop}\nspec: {host: web, subsets: [{name: v2, labels: {version: v2}}]}";
    let world = sample::world(&format!("{WEB}{yaml}"));
    let warnings = check(&world);
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert_eq!(
        warnings[0].to_string(),
        "mesh.yaml:20:1: warning: spec.subsets[0].labels: no pod behind web has version=v2: subset v2 is empty, and what is routed to it fails with 503; version is one of v1 there [DestinationRule shop/web]"
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
fn a_log_for_a_provider_that_is_not_there_or_no_file_is_named() {
    let mesh = "extensionProviders:\n- {name: file, envoyFileAccessLog: {path: /dev/stdout}}\n- {name: otel, envoyOtelAls: {service: a.b, port: 1}}\n---\n";
    let yaml = "apiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {name: t, namespace: shop}\nspec: {accessLogging: [{providers: [{name: envoy}, {name: file}, {name: otel}, {name: fiel}]}]}";
    assert_eq!(
        found(&format!("{mesh}{yaml}")),
        [
            "spec.accessLogging[0].providers[2].name: otel is no file, and weft logs to files alone: nothing comes there",
            "spec.accessLogging[0].providers[3].name: the mesh's extensionProviders have no fiel: nothing is logged there",
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
    let warnings = check(&sample::world(&format!("{web}{rule}")));
    warnings.iter().map(|warning| format!("{}: {}", warning.path, warning.message)).collect()
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

#[test]
fn a_health_check_that_no_port_understands_is_named() {
    let told = |checks: &str, port: &str| {
        let web = WEB
            .replace("metadata: {name: web, namespace: shop}\nspec: {selector", &format!("metadata: {{name: web, namespace: shop, annotations: {{weft.dev/health-check: {checks}}}}}\nspec: {{selector"))
            .replace("{name: http, port: 80", &format!("{{name: {port}, port: 80"));
        let warnings = check(&sample::world(&web));
        warnings
            .into_iter()
            .map(|warning| format!("{}: {}", warning.path, warning.message))
            .collect::<Vec<_>>()
    };
    let nobody =
        "metadata.annotations[\"weft.dev/health-check\"]: no port speaks what is asked in: nobody is checked";
    for (checks, port, asked) in [
        ("protocol=http", "http", true),
        ("protocol=http", "http2", true),
        ("protocol=http", "guess", true),
        ("protocol=http", "grpc", false),
        ("protocol=http", "tcp", false),
        ("protocol=grpc", "grpc", true),
        ("protocol=grpc", "http2", true),
        ("protocol=grpc", "http", false),
        ("protocol=grpc", "guess", false),
        ("protocol=tcp", "tcp", true),
        ("protocol=tcp", "https", true),
    ] {
        let expected: &[&str] = if asked { &[] } else { &[nobody] };
        assert_eq!(told(checks, port), expected, "{checks} {port}");
    }
}

#[test]
fn what_a_headless_service_cannot_have_where_connections_are_intercepted_is_named_there() {
    let headless = WEB
        .replace("metadata: {name: web, namespace: shop}\nspec: {selector: {app: web}", "metadata: {name: web, namespace: shop, annotations: {weft.dev/health-check: protocol=tcp}}\nspec: {clusterIP: None, selector: {app: web}");
    let rule = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: web, namespace: shop}\nspec: {host: web, trafficPolicy: {outlierDetection: {maxEjectionPercent: 100}}}";
    let told = |text: &str| {
        let warnings = check_interception(&sample::world(&format!("{text}{rule}")));
        warnings.into_iter().map(|warning| warning.path).collect::<Vec<_>>()
    };
    assert_eq!(
        told(&headless),
        ["spec.trafficPolicy.outlierDetection", "metadata.annotations[\"weft.dev/health-check\"]"]
    );
    assert_eq!(told(WEB), [""; 0]);
    assert_eq!(check(&sample::world(&format!("{headless}{rule}"))), [], "without interception it has both");
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

#[test]
fn a_virtual_service_of_gateways_alone_has_no_effect_and_a_gateway_that_is_nowhere_is_named() {
    let of = |gateways: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: web, namespace: shop}}\nspec: {{hosts: [web], gateways: [{gateways}], http: [{{route: [{{destination: {{host: web}}}}]}}]}}\n---\n"
        )
    };
    let gateway = "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: front, namespace: edge}\nspec: {selector: {a: b}, servers: [{hosts: ['*'], port: {number: 80, name: http, protocol: HTTP}}]}\n---\n";
    let said = |gateways: &str| {
        let found = check(&sample::world(&format!("{WEB}{gateway}{}", of(gateways))));
        found
            .iter()
            .map(|told| format!("{}: {}; {}", told.path, told.message, told.hint.as_deref().unwrap_or("-")))
            .collect::<Vec<_>>()
    };
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

#[test]
fn an_account_that_is_nowhere_written_down_is_named() {
    let pod = |spec: &str| {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: shop}}\nspec: {{{spec}, containers: [{{name: app, image: web}}]}}"
        );
        let found = check(&sample::world(&format!("{WEB}{text}")));
        found.into_iter().map(|told| (told.path, told.hint.unwrap_or_default())).collect::<Vec<_>>()
    };
    let told = |path: &str, hint: &str| vec![(path.to_owned(), hint.to_owned())];
    assert_eq!(
        pod("serviceAccountName: none"),
        told("spec.serviceAccountName", "write a ServiceAccount of that name beside it")
    );
    assert_eq!(pod("serviceAccountName: wbe"), told("spec.serviceAccountName", "did you mean web?"));
    assert_eq!(pod("serviceAccount: wbe"), told("spec.serviceAccount", "did you mean web?"));
    for known in ["web", "default", "''"] {
        assert_eq!(pod(&format!("serviceAccountName: {known}")), [], "{known}");
    }
    let deployment = WEB.replace("metadata: {name: web, namespace: shop}\n---", "metadata: {name: web}\n---");
    let found = check(&sample::world(&deployment));
    assert_eq!(
        found[0].to_string(),
        "mesh.yaml:11:1: warning: spec.template.spec.serviceAccountName: there is no ServiceAccount shop/web: a cluster makes no pod that runs as it; namespace default has one of that name [Deployment shop/web]"
    );
}

#[test]
fn of_two_sidecars_for_the_same_workloads_the_younger_is_ignored_which_is_said() {
    let of = |name: &str, more: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{egress: [{{hosts: ['./*']}}]{more}}}\n---\n"
        )
    };
    let web = ", workloadSelector: {labels: {app: web}}";
    assert_eq!(
        found(&(of("first", "") + &of("second", ""))),
        [
            "spec: all workloads of namespace shop have an older Sidecar, first (mesh.yaml:20): this one is ignored"
        ]
    );
    assert_eq!(
        found(&(of("first", web) + &of("second", web))),
        ["spec: workloads with app=web have an older Sidecar, first (mesh.yaml:20): this one is ignored"]
    );
    assert_eq!(found(&(of("first", "") + &of("second", web))), [""; 0]);
    let elsewhere = of("second", "").replace("namespace: shop", "namespace: istio-system");
    assert_eq!(found(&(of("first", "") + &elsewhere)), [""; 0]);
}

#[test]
fn of_two_destination_rules_of_one_host_that_contradict_the_younger_is_ignored_which_is_said() {
    let of = |name: &str, spec: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{{spec}}}\n---\n"
        )
    };
    let simple = |how: &str| format!("trafficPolicy: {{loadBalancer: {{simple: {how}}}}}");
    let v1 = "subsets: [{name: v1, labels: {version: v1}}]";
    let first = of("first", &format!("host: web, {}, {v1}", simple("RANDOM")));
    assert_eq!(
        found(
            &(first.clone()
                + &of(
                    "second",
                    &format!(
                        "host: web.shop.svc.cluster.local, {}, subsets: [{{name: v1, labels: {{app: web}}}}]",
                        simple("ROUND_ROBIN")
                    )
                ))
        ),
        [
            "spec.trafficPolicy: web.shop.svc.cluster.local has a trafficPolicy in an older DestinationRule, first (mesh.yaml:20): this one is ignored",
            "spec.subsets[0]: web.shop.svc.cluster.local has a subset \"v1\" in an older DestinationRule, first (mesh.yaml:20): this one is ignored",
        ]
    );
    for second in [
        format!("host: web, {}, {v1}", simple("RANDOM")),
        "host: web, subsets: [{name: all, labels: {app: web}}]".to_owned(),
        format!("host: '*.shop.svc.cluster.local', {}", simple("ROUND_ROBIN")),
        format!("host: web, {}, workloadSelector: {{matchLabels: {{app: web}}}}", simple("ROUND_ROBIN")),
    ] {
        assert_eq!(found(&(first.clone() + &of("second", &second))), [""; 0], "{second}");
    }
}

#[test]
fn a_subset_that_an_older_rule_of_the_same_host_has_is_told_as_ignored_and_not_as_empty() {
    let rule = |name: &str, version: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{host: web, subsets: [{{name: one, labels: {{version: {version}}}}}]}}\n---\n"
        )
    };
    let both = found(&format!("{}{}", rule("first", "v1"), rule("second", "v9")));
    assert_eq!(
        both,
        [
            "spec.subsets[0]: web.shop.svc.cluster.local has a subset \"one\" in an older DestinationRule, first (mesh.yaml:20): this one is ignored"
        ]
    );
    // Where callers are told apart, each rule is its own.
    let selects = rule("second", "v9")
        .replace("spec: {host", "spec: {workloadSelector: {matchLabels: {app: web}}, host");
    let apart = found(&format!("{}{selects}", rule("first", "v1")));
    assert!(apart.len() == 1 && apart[0].contains("subset one is empty"), "{apart:#?}");
}

#[test]
fn a_policy_for_some_that_an_older_rule_takes_for_all_is_named() {
    let rule = |name: &str, more: &str| {
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{host: web{more}}}\n"
        )
    };
    let policy = ", trafficPolicy: {loadBalancer: {simple: RANDOM}}";
    let some = rule("some", &format!("{policy}, workloadSelector: {{matchLabels: {{app: web}}}}"));
    let said = "spec.trafficPolicy: this is for callers with app=web, but an older DestinationRule of web.shop.svc.cluster.local, all (mesh.yaml:21), is for all and has no trafficPolicy: as in Istio it takes this one";
    assert_eq!(found(&format!("{}{some}", rule("all", ""))), [said]);
    assert_eq!(found(&format!("{}{some}", rule("all", policy))), Vec::<String>::new());
    assert_eq!(found(&format!("{some}{}", rule("all", ""))), Vec::<String>::new());
}

mod endpoints;
mod namespaces;
mod routes;
mod tcp_policies;
mod transport;

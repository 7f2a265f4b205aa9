//! Values that the type allows and Istio's or Kubernetes' admission does not.

use super::*;

pub(super) const NET: &str = "networking.istio.io/v1";
pub(super) const SEC: &str = "security.istio.io/v1";
const TEL: &str = "telemetry.istio.io/v1";

/// The findings of a spec without their places: `severity: path: message`.
pub(super) fn found(api: &str, kind: &str, spec: &str) -> Vec<String> {
    said_of(api, kind, &format!("spec: {spec}\n"))
        .into_iter()
        .filter(|line| !line.contains("does not honour"))
        .map(|line| line.split_once(": ").unwrap().1.to_owned())
        .collect()
}

#[track_caller]
pub(super) fn check(api: &str, kind: &str, cases: &[(&str, &str)]) {
    for (spec, expected) in cases {
        let found = found(api, kind, spec);
        match *expected {
            "" => assert_eq!(found, Vec::<String>::new(), "{spec}"),
            expected => assert!(found.iter().any(|line| line.starts_with(expected)), "{spec}: {found:#?}"),
        }
    }
}

/// HTTP routes, where ROUTE stands for one destination, and what comes of them.
const ROUTES: &[(&str, &str)] = &[
    ("{}", "error: spec.http[0]: one of route, redirect and directResponse is needed"),
    ("{ROUTE, redirect: {uri: /b}}", "error: spec.http[0]: only one of route, redirect can be set"),
    (
        "{redirect: {redirectCode: 200, uri: /}}",
        "error: spec.http[0].redirect.redirectCode: 200 is not one of",
    ),
    ("{redirect: {}}", "error: spec.http[0].redirect: a redirect to where the request already is"),
    ("{directResponse: {status: 42}}", "error: spec.http[0].directResponse.status: 42 is not a status"),
    ("{route: [{destination: {}}]}", "error: spec.http[0].route[0].destination: a host is missing"),
    (
        "{route: [{destination: {host: 'http://a'}}]}",
        "error: spec.http[0].route[0].destination.host: \"http://a\" is a URL",
    ),
    (
        "{route: [{destination: {host: 'a:80'}}]}",
        "error: spec.http[0].route[0].destination.host: \"a:80\" has a port",
    ),
    (
        "{route: [{destination: {host: a, port: {number: 70000}}}]}",
        "error: spec.http[0].route[0].destination.port.number: 70000 is not a port",
    ),
    (
        "{route: [{destination: {host: a}, weight: -1}]}",
        "error: spec.http[0].route[0].weight: -1 is negative",
    ),
    (
        "{route: [{destination: {host: a}, weight: 0}, {destination: {host: b}, weight: 0}]}",
        "error: spec.http[0].route: the weights add up to nothing",
    ),
    (
        "{ROUTE, match: [{uri: {regex: '('}}]}",
        "error: spec.http[0].match[0].uri.regex: not a regular expression (RE2): unclosed group",
    ),
    (
        "{ROUTE, match: [{uri: {exact: login}}]}",
        "warning: spec.http[0].match[0].uri: no path begins with \"login\"",
    ),
    (
        "{ROUTE, match: [{headers: {'x y': {exact: a}}}]}",
        "error: spec.http[0].match[0].headers[\"x y\"]: \"x y\" is not a header's name",
    ),
    ("{ROUTE, timeout: 10us}", "error: spec.http[0].timeout: 10µs is less than 1ms"),
    (
        "{ROUTE, retries: {attempts: 2, retryOn: 'gateway-eror'}}",
        "error: spec.http[0].retries.retryOn: \"gateway-eror\" is nothing that is retried on; did you mean gateway-error?",
    ),
    ("{ROUTE, retries: {attempts: 0, retryOn: 5xx}}", "error: spec.http[0].retries: 0 attempts never retry"),
    ("{ROUTE, retries: {attempts: 2, retryOn: '5xx,503, reset'}}", ""),
    (
        "{ROUTE, rewrite: {uri: /a, uriRegexRewrite: {match: a, rewrite: b}}}",
        "error: spec.http[0].rewrite: only one of uri and uriRegexRewrite can be set",
    ),
    ("{ROUTE, rewrite: {}}", "error: spec.http[0].rewrite: a rewrite that changes nothing"),
    (
        "{ROUTE, fault: {abort: {percentage: {value: 101}, httpStatus: 500}}}",
        "error: spec.http[0].fault.abort.percentage.value: 101 is not a percentage",
    ),
    (
        "{ROUTE, fault: {abort: {grpcStatus: NOPE}}}",
        "error: spec.http[0].fault.abort.grpcStatus: \"NOPE\" is not one of",
    ),
    ("{ROUTE, fault: {abort: {grpcStatus: UNAVAILABLE}}}", ""),
    (
        "{ROUTE, headers: {request: {set: {'bad name': v}}}}",
        "error: spec.http[0].headers.request.set[\"bad name\"]",
    ),
    (
        "{ROUTE, headers: {request: {set: {x: \"a\\nb\"}}}}",
        "error: spec.http[0].headers.request.set.x: a header's value has no control characters",
    ),
    ("{ROUTE}, {ROUTE}", "warning: spec.http[0]: it has no match and takes everything"),
];

#[test]
fn virtual_services() {
    let http = |route: &str| format!("{{hosts: [a], http: [{route}]}}");
    let to = "route: [{destination: {host: a}}]";
    for (route, expected) in ROUTES {
        check(NET, "VirtualService", &[(&http(&route.replace("ROUTE", to)), expected)]);
    }
    check(
        NET,
        "VirtualService",
        &[
            ("{http: [{route: [{destination: {host: a}}]}]}", "error: spec: `hosts` is missing"),
            ("{hosts: [a]}", "error: spec: no route"),
            (
                "{hosts: [a, A], tcp: [{route: [{destination: {host: a}}]}]}",
                "error: spec.hosts[1]: \"A\" stands here a second time",
            ),
            (
                "{hosts: ['a*'], tcp: [{route: [{destination: {host: a}}]}]}",
                "error: spec.hosts[0]: \"a*\": a wildcard is a whole label",
            ),
            (
                "{hosts: ['*'], http: [{route: [{destination: {host: a}}]}]}",
                "error: spec.hosts[0]: * is every service of the mesh, which Istio allows for gateways alone",
            ),
            (
                "{hosts: [b, '*'], gateways: [gw, mesh], tcp: [{route: [{destination: {host: a}}]}]}",
                "error: spec.hosts[1]: * is every service of the mesh",
            ),
            ("{hosts: ['*'], gateways: [gw], http: [{route: [{destination: {host: a}}]}]}", ""),
            ("{hosts: ['*.ns.svc.cluster.local'], http: [{route: [{destination: {host: a}}]}]}", ""),
            (
                "{hosts: [a], gateways: [x/y/z], tcp: [{route: [{destination: {host: a}}]}]}",
                "error: spec.gateways[0]",
            ),
            (
                "{hosts: [a], exportTo: ['*', b], tcp: [{route: [{destination: {host: a}}]}]}",
                "error: spec.exportTo: * and ~ stand alone",
            ),
            (
                "{hosts: [a], tls: [{route: [{destination: {host: a}}]}]}",
                "error: spec.tls[0]: `match` is missing",
            ),
            (
                "{hosts: [a], tls: [{match: [{port: 443}], route: [{destination: {host: a}}]}]}",
                "error: spec.tls[0].match[0]: `sniHosts` is missing",
            ),
            (
                "{hosts: [a], tcp: [{match: [{destinationSubnets: [10.0.0.0/33]}], route: [{destination: {host: a}}]}]}",
                "error: spec.tcp[0].match[0].destinationSubnets[0]",
            ),
        ],
    );
}

#[test]
fn destination_rules() {
    check(
        NET,
        "DestinationRule",
        &[
            ("{}", "error: spec: `host` is missing"),
            (
                "{host: a, subsets: [{name: v1}]}",
                "warning: spec.subsets[0]: the subset \"v1\" has no labels: it is the whole host",
            ),
            (
                "{host: a, subsets: [{name: v, labels: {a: b}}, {name: v, labels: {a: c}}]}",
                "error: spec.subsets[1].name: the subset \"v\" stands here a second time",
            ),
            (
                "{host: a, subsets: [{name: v, labels: {a: 'b c'}}]}",
                "error: spec.subsets[0].labels.a: \"b c\" is not a label's value",
            ),
            (
                "{host: a, trafficPolicy: {loadBalancer: {consistentHash: {}}}}",
                "error: spec.trafficPolicy.loadBalancer.consistentHash: one of httpHeaderName",
            ),
            (
                "{host: a, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, httpHeaderName: x}}}}",
                "error: spec.trafficPolicy.loadBalancer.consistentHash: only one of",
            ),
            (
                "{host: a, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: 10}}}}}",
                "error: spec.trafficPolicy.loadBalancer.consistentHash.maglev.tableSize: 10 is not a prime",
            ),
            (
                "{host: a, trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: c, attributes: [{name: 'a;b'}]}}}}}",
                "error: spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.attributes: one of them is no attribute",
            ),
            (
                "{host: a, trafficPolicy: {loadBalancer: {simple: RANDOM, consistentHash: {useSourceIp: true}}}}",
                "error: spec.trafficPolicy.loadBalancer: only one of simple and consistentHash",
            ),
            (
                "{host: a, trafficPolicy: {connectionPool: {tcp: {maxConnections: -1}}}}",
                "error: spec.trafficPolicy.connectionPool.tcp.maxConnections: -1 is negative",
            ),
            (
                "{host: a, trafficPolicy: {connectionPool: {tcp: {connectTimeout: 0s}}}}",
                "error: spec.trafficPolicy.connectionPool.tcp.connectTimeout: 0ns is less than 1ms",
            ),
            (
                "{host: a, trafficPolicy: {outlierDetection: {maxEjectionPercent: 101}}}",
                "error: spec.trafficPolicy.outlierDetection.maxEjectionPercent: 101 is not a percentage",
            ),
            (
                "{host: a, trafficPolicy: {outlierDetection: {splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 0}}}",
                "warning: spec.trafficPolicy.outlierDetection.consecutiveLocalOriginFailures: 0 says nothing here: Envoy's default of 5 holds",
            ),
            (
                "{host: a, trafficPolicy: {outlierDetection: {consecutiveErrors: 5}}}",
                "warning: spec.trafficPolicy.outlierDetection.consecutiveErrors: Istio no longer looks at this",
            ),
            (
                "{host: a, trafficPolicy: {tls: {mode: MUTUAL}}}",
                "error: spec.trafficPolicy.tls: MUTUAL needs clientCertificate",
            ),
            (
                "{host: a, trafficPolicy: {tls: {mode: ISTIO_MUTUAL, privateKey: /k}}}",
                "error: spec.trafficPolicy.tls.privateKey: ISTIO_MUTUAL uses the mesh's own",
            ),
            (
                "{host: a, trafficPolicy: {tls: {sni: a}}}",
                "warning: spec.trafficPolicy.tls: mode DISABLE speaks no TLS",
            ),
            (
                "{host: a, trafficPolicy: {portLevelSettings: [{}]}}",
                "error: spec.trafficPolicy.portLevelSettings[0]: `port` is missing",
            ),
            (
                "{host: a, trafficPolicy: {portLevelSettings: [{port: {number: 80}}, {port: {number: 80}}]}}",
                "error: spec.trafficPolicy.portLevelSettings[1].port: port 80 has settings already",
            ),
        ],
    );
}

#[test]
fn service_entries() {
    check(
        NET,
        "ServiceEntry",
        &[
            (
                "{hosts: ['*'], ports: [{number: 80, name: a}]}",
                "error: spec.hosts[0]: a ServiceEntry is not for every host",
            ),
            ("{hosts: [a]}", "error: spec: `ports` is missing"),
            ("{hosts: [a], ports: [{number: 80}]}", "error: spec.ports[0]: `name` is missing"),
            ("{hosts: [a], ports: [{number: 0, name: a}]}", "error: spec.ports[0].number: 0 is not a port"),
            (
                "{hosts: [a], ports: [{number: 80, name: a, protocol: HTPP}]}",
                "error: spec.ports[0].protocol: unknown protocol \"HTPP\"; did you mean HTTP?",
            ),
            (
                "{hosts: [a], ports: [{number: 80, name: a}, {number: 80, name: b}]}",
                "error: spec.ports[1].number: port 80 stands here a second time",
            ),
            (
                "{hosts: ['*.a'], resolution: DNS, ports: [{number: 80, name: a}]}",
                "error: spec.hosts[0]: \"*.a\" cannot be looked up",
            ),
            ("{hosts: ['*.a'], resolution: NONE, ports: [{number: 80, name: a}]}", ""),
            (
                "{hosts: [a], resolution: STATIC, ports: [{number: 80, name: a}]}",
                "warning: spec.resolution: resolution STATIC without endpoints",
            ),
            (
                "{hosts: [a], resolution: STATIC, endpoints: [{address: b.c}], ports: [{number: 80, name: a}]}",
                "error: spec.endpoints[0].address: \"b.c\" is not an IP address",
            ),
            (
                "{hosts: [a], resolution: STATIC, endpoints: [{address: 1.2.3.4, ports: {x: 1}}], ports: [{number: 80, name: a}]}",
                "error: spec.endpoints[0].ports.x: the service has no port \"x\"; it has a",
            ),
            (
                "{hosts: [a], endpoints: [{address: 1.2.3.4}], ports: [{number: 80, name: a}]}",
                "error: spec.resolution: with resolution NONE",
            ),
            (
                "{hosts: [a], addresses: [10.0.0.0/40], ports: [{number: 80, name: a}]}",
                "error: spec.addresses[0]",
            ),
            (
                "{hosts: [a], resolution: STATIC, workloadSelector: {}, ports: [{number: 80, name: a}]}",
                "error: spec.workloadSelector: `labels` is missing",
            ),
        ],
    );
    check(
        NET,
        "WorkloadEntry",
        &[
            ("{}", "error: spec: `address` is missing"),
            ("{address: 'a b'}", "error: spec.address"),
            ("{address: 1.2.3.4, ports: {a: 0}}", "error: spec.ports.a: 0 is not a port"),
        ],
    );
    check(
        NET,
        "Sidecar",
        &[
            (
                "{egress: [{hosts: [a]}]}",
                "error: spec.egress[0].hosts[0]: \"a\" is not namespace/host; write */a",
            ),
            ("{egress: [{}]}", "error: spec.egress[0]: `hosts` is missing"),
            ("{egress: [{hosts: [./*, '~/*', 'n/*.a.b']}]}", ""),
        ],
    );
    check(
        NET,
        "Gateway",
        &[
            ("{selector: {a: b}}", "error: spec: `servers` is missing"),
            (
                "{selector: {a: b}, servers: [{hosts: [a], port: {number: 443, name: a, protocol: HTTPS}}]}",
                "error: spec.servers[0]: `tls` is missing",
            ),
            (
                "{selector: {a: b}, servers: [{hosts: [a], port: {number: 443, name: a, protocol: HTTPS}, tls: {mode: SIMPLE}}]}",
                "error: spec.servers[0].tls: serverCertificate or credentialName is needed",
            ),
            (
                "{selector: {a: b}, servers: [{hosts: [a], port: {number: 443, name: a, protocol: HTTPS}, tls: {mode: SIMPLE, credentialName: c}}]}",
                "",
            ),
        ],
    );
}

#[test]
fn authorization_policies() {
    let rules = |rule: &str| format!("{{rules: [{rule}]}}");
    for (rule, expected) in [
        (
            "{from: [{source: {principals: [cluster.local/ns/a/sa/b]}}]}, {to: [{operation: {methods: [POST]}}]}",
            "warning: spec.rules[1]: this rule has no `from`, and stands beside one that has nothing else: either of them lets a request in, so anybody may do this",
        ),
        (
            "{from: [{source: {principals: [cluster.local/ns/a/sa/b]}}], to: [{operation: {methods: [POST]}}]}",
            "",
        ),
        ("{from: [{source: {namespaces: [a]}}]}, {from: [{source: {namespaces: [b]}}]}", ""),
        ("{from: [], to: [{operation: {paths: [/a]}}]}", "warning: spec.rules[0].from: nothing stands here"),
        (
            "{from: [{source: {principals: [], namespaces: [a]}}]}",
            "warning: spec.rules[0].from[0].source.principals: nothing stands here",
        ),
        ("{from: [{source: {}}]}", "error: spec.rules[0].from[0].source: an empty source"),
        ("{from: [{}]}", "error: spec.rules[0].from[0]: `source` is missing"),
        ("{to: [{operation: {}}]}", "error: spec.rules[0].to[0].operation: an empty operation"),
        (
            "{from: [{source: {principals: ['spiffe://cluster.local/ns/a/sa/b']}}]}",
            "warning: spec.rules[0].from[0].source.principals[0]: principals are written without spiffe://",
        ),
        (
            "{from: [{source: {principals: [ns/a/sa/b]}}]}",
            "warning: spec.rules[0].from[0].source.principals[0]: \"ns/a/sa/b\" is not TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT: no workload of the mesh is this; write cluster.local/ns/a/sa/b",
        ),
        ("{from: [{source: {principals: ['*/sa/b', '*']}}]}", ""),
        (
            "{from: [{source: {ipBlocks: [10.0.0.1/8]}}]}",
            "warning: spec.rules[0].from[0].source.ipBlocks[0]: 10.0.0.1/8 has bits beyond its prefix: it means 10.0.0.0/8",
        ),
        ("{from: [{source: {ipBlocks: [ten]}}]}", "error: spec.rules[0].from[0].source.ipBlocks[0]"),
        (
            "{from: [{source: {serviceAccounts: ['a/b/c']}}]}",
            "error: spec.rules[0].from[0].source.serviceAccounts[0]",
        ),
        (
            "{from: [{source: {serviceAccounts: [a], namespaces: [b]}}]}",
            "error: spec.rules[0].from[0].source: serviceAccounts cannot stand beside",
        ),
        (
            "{to: [{operation: {ports: ['http']}}]}",
            "error: spec.rules[0].to[0].operation.ports[0]: \"http\" is not a port",
        ),
        (
            "{to: [{operation: {methods: [get]}}]}",
            "warning: spec.rules[0].to[0].operation.methods[0]: methods are matched with their case",
        ),
        (
            "{to: [{operation: {paths: [admin]}}]}",
            "warning: spec.rules[0].to[0].operation.paths[0]: no path begins with \"admin\"",
        ),
        (
            "{to: [{operation: {paths: ['/a/*/b']}}]}",
            "warning: spec.rules[0].to[0].operation.paths[0]: the * inside",
        ),
        ("{to: [{operation: {paths: ['/a/{*}/b', '/{**}', '/a*', '*/b', '*']}}]}", ""),
        (
            "{to: [{operation: {paths: ['/a/{*}b']}}]}",
            "error: spec.rules[0].to[0].operation.paths[0]: \"/a/{*}b\": a segment is",
        ),
        ("{to: [{operation: {paths: ['/{**}/{*}']}}]}", "error: spec.rules[0].to[0].operation.paths[0]"),
        (
            "{to: [{operation: {paths: ['']}}]}",
            "error: spec.rules[0].to[0].operation.paths[0]: an empty value",
        ),
        (
            "{when: [{key: source.principl, values: [a]}]}",
            "error: spec.rules[0].when[0].key: \"source.principl\" is no attribute; did you mean source.principal?",
        ),
        (
            "{when: [{key: request.headers, values: [a]}]}",
            "error: spec.rules[0].when[0].key: request.headers needs a name in brackets",
        ),
        (
            "{when: [{key: 'request.headers[x]'}]}",
            "error: spec.rules[0].when[0]: one of values and notValues is needed",
        ),
        (
            "{when: [{key: destination.port, values: ['x']}]}",
            "error: spec.rules[0].when[0].values[0]: \"x\" is not a port",
        ),
        ("{when: [{key: source.ip, values: ['x']}]}", "error: spec.rules[0].when[0].values[0]"),
    ] {
        check(SEC, "AuthorizationPolicy", &[(&rules(rule), expected)]);
    }
    check(
        SEC,
        "AuthorizationPolicy",
        &[
            ("{action: CUSTOM, rules: [{}]}", "error: spec: action CUSTOM needs a provider"),
            ("{provider: {name: a}, rules: [{}]}", "error: spec.provider: only action CUSTOM has a provider"),
            ("{action: DENY}", "error: spec: `rules` is missing: DENY without rules does nothing"),
            (
                "{selector: {matchLabels: {a: '*'}}}",
                "error: spec.selector.matchLabels.a: wildcards are not for selectors",
            ),
        ],
    );
}

#[test]
fn other_policies() {
    check(
        SEC,
        "PeerAuthentication",
        &[
            ("{portLevelMtls: {80: {mode: STRICT}}}", "error: spec.portLevelMtls: ports are a workload's"),
            ("{mtls: {mode: STRICT}}", ""),
        ],
    );
    check(
        SEC,
        "RequestAuthentication",
        &[
            ("{jwtRules: [{}]}", "error: spec.jwtRules[0]: `issuer` is missing"),
            ("{jwtRules: [{issuer: a, jwks: '{}'}]}", "error: spec.jwtRules[0].jwks: not a JSON Web Key Set"),
            ("{jwtRules: [{issuer: a, jwksUri: a.b}]}", "error: spec.jwtRules[0].jwksUri"),
            (
                "{jwtRules: [{issuer: a, jwks: '{\"keys\": []}', jwksUri: 'https://a/'}]}",
                "error: spec.jwtRules[0]: only one of",
            ),
        ],
    );
    check(
        TEL,
        "Telemetry",
        &[
            (
                "{accessLogging: [{providers: [{}]}]}",
                "error: spec.accessLogging[0].providers[0]: `name` is missing",
            ),
            (
                "{tracing: [{randomSamplingPercentage: 150}]}",
                "error: spec.tracing[0].randomSamplingPercentage: 150 is not a percentage",
            ),
            ("{accessLogging: [{disabled: true}]}", ""),
        ],
    );
}

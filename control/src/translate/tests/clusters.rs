//! Outbound clusters by what DestinationRules and ServiceEntries ask.

use weft_model::cluster::{Cluster, Discovery, LbPolicy, UpstreamProtocol};
use weft_model::tls::{Roots, Transport, UpstreamTls};

use crate::sample;
use crate::translate::translate;

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app: web, version: v1}}\nspec: {serviceAccountName: web, containers: [{name: app, image: web, ports: [{containerPort: 80}]}]}\n";
const SERVICE: &str = "---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {selector: {app: web}, ports: [{name: http, port: 80}, {name: tcp, port: 81}]}\n";
const OUTSIDE: &str = "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: o, namespace: shop}\nspec: {hosts: [api.example], location: MESH_EXTERNAL, resolution: RESOLUTION, ports: [{number: 80, name: http, protocol: HTTP}]}\n";

/// The cluster of that name, as the pod has it.
fn cluster(yaml: &str, name: &str) -> Cluster {
    let world = sample::world(&format!("{POD}{yaml}"));
    let configuration = translate(&world, &sample::node(&world, "shop", "web"));
    configuration.clusters.into_iter().find(|cluster| cluster.name == name).unwrap()
}

/// The cluster of web's port 80 under a rule with this policy.
fn web(policy: &str) -> Cluster {
    cluster(&format!("{SERVICE}{}", rule("web", policy)), "outbound|80||web.shop.svc.cluster.local")
}

fn rule(host: &str, policy: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: r, namespace: shop}}\nspec: {{host: {host}, trafficPolicy: {{{policy}}}}}\n"
    )
}

#[test]
fn without_a_rule_it_is_least_request_without_limits_and_mtls_where_the_endpoint_can() {
    let cluster = cluster(SERVICE, "outbound|80||web.shop.svc.cluster.local");
    assert_eq!(cluster.balancing.policy, LbPolicy::LeastRequest { choices: 2 });
    assert_eq!(cluster.balancing.panic_threshold, None);
    assert_eq!(cluster.circuit_breakers.max_connections, Some(u32::MAX));
    assert_eq!(cluster.connect_timeout, Some(std::time::Duration::from_secs(10)));
    let names: Vec<&str> = cluster.transport_matches.iter().map(|of| of.name.as_str()).collect();
    assert_eq!(names, ["tlsMode-istio", "tlsMode-disabled"]);
    let Transport::Tls(tls) = &cluster.transport_matches[0].transport else { unreachable!("it is mTLS") };
    assert_eq!(tls.sni, "outbound_.80_._.web.shop.svc.cluster.local");
    assert_eq!(sans(tls), ["spiffe://cluster.local/ns/shop/sa/web"]);
}

#[test]
fn the_way_to_the_app_has_the_sidecars_limits_before_the_rules() {
    let rule = rule("web", "connectionPool: {tcp: {maxConnections: 7}, http: {http2MaxRequests: 8}}");
    let sidecar = "---\napiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: s, namespace: shop}\nspec: {inboundConnectionPool: {http: {http1MaxPendingRequests: 3}}}\n";
    let inbound = |yaml: String| cluster(&yaml, "inbound|80||").circuit_breakers;
    let of_rule = inbound(format!("{SERVICE}{rule}"));
    assert_eq!((of_rule.max_connections, of_rule.max_requests), (Some(7), Some(8)));
    let of_sidecar = inbound(format!("{SERVICE}{rule}{sidecar}"));
    assert_eq!((of_sidecar.max_connections, of_sidecar.max_pending_requests), (Some(u32::MAX), Some(3)));
}

fn sans(tls: &UpstreamTls) -> Vec<String> {
    let names = tls.common.validation.match_sans.iter();
    names
        .map(|san| match &san.matcher.pattern {
            weft_model::matcher::Pattern::Exact(name) => name.clone(),
            other => format!("{other:?}"),
        })
        .collect()
}

#[test]
fn every_balancer_has_its_policy() {
    let policy = |balancer: &str| web(&format!("loadBalancer: {{{balancer}}}")).balancing.policy;
    assert_eq!(policy("simple: ROUND_ROBIN"), LbPolicy::RoundRobin);
    assert_eq!(policy("simple: RANDOM"), LbPolicy::Random);
    assert_eq!(policy("simple: LEAST_CONN"), LbPolicy::LeastRequest { choices: 2 });
    assert_eq!(policy("simple: PASSTHROUGH"), LbPolicy::ClusterProvided);
    assert_eq!(policy("consistentHash: {useSourceIp: true}"), LbPolicy::RingHash { minimum_ring_size: 1024 });
    assert_eq!(
        policy("consistentHash: {useSourceIp: true, minimumRingSize: 4096}"),
        LbPolicy::RingHash { minimum_ring_size: 4096 }
    );
    assert_eq!(
        policy("consistentHash: {useSourceIp: true, maglev: {}}"),
        LbPolicy::Maglev { table_size: 65_537 }
    );
    assert_eq!(web("loadBalancer: {simple: PASSTHROUGH}").discovery, Discovery::OriginalDst);
}

#[test]
fn a_port_s_own_settings_inherit_nothing() {
    let policy = "connectionPool: {tcp: {maxConnections: 5}}, loadBalancer: {simple: RANDOM}, portLevelSettings: [{port: {number: 80}, connectionPool: {http: {http2MaxRequests: 9}}}]";
    let yaml = format!("{SERVICE}{}", rule("web", policy));
    let own = cluster(&yaml, "outbound|80||web.shop.svc.cluster.local");
    assert_eq!(
        (own.circuit_breakers.max_connections, own.circuit_breakers.max_requests),
        (Some(u32::MAX), Some(9))
    );
    assert_eq!(own.balancing.policy, LbPolicy::LeastRequest { choices: 2 });
    let other = cluster(&yaml, "outbound|81||web.shop.svc.cluster.local");
    assert_eq!(other.circuit_breakers.max_connections, Some(5));
}

#[test]
fn a_subset_has_the_host_s_policy_under_its_own() {
    let rule = "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: r, namespace: shop}\nspec: {host: web, trafficPolicy: {connectionPool: {tcp: {maxConnections: 5}}, loadBalancer: {simple: RANDOM}}, subsets: [{name: v1, labels: {version: v1}, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}]}\n";
    let cluster = cluster(&format!("{SERVICE}{rule}"), "outbound|80|v1|web.shop.svc.cluster.local");
    assert_eq!(cluster.balancing.policy, LbPolicy::RoundRobin);
    assert_eq!(cluster.circuit_breakers.max_connections, Some(5));
}

#[test]
fn outlier_detection_enforces_what_is_set_and_ends_the_panic_threshold() {
    let cluster = web(
        "outlierDetection: {consecutiveGatewayErrors: 0, consecutive5xxErrors: 3, maxEjectionPercent: 80}",
    );
    let outlier = cluster.outlier_detection.unwrap();
    assert_eq!((outlier.consecutive_5xx, outlier.enforcing_consecutive_5xx), (Some(3), Some(100)));
    assert_eq!(
        (outlier.consecutive_gateway_failure, outlier.enforcing_consecutive_gateway_failure),
        (Some(0), Some(0))
    );
    assert_eq!((outlier.max_ejection_percent, outlier.enforcing_success_rate), (Some(80), Some(0)));
    assert_eq!(cluster.balancing.panic_threshold, Some(0.0));
    let apart = |said: &str| {
        let said = format!("outlierDetection: {{splitExternalLocalOriginErrors: true{said}}}");
        let outlier = web(&said).outlier_detection.unwrap();
        (outlier.consecutive_local_origin_failure, outlier.enforcing_consecutive_local_origin_failure)
    };
    assert_eq!(apart(", consecutiveLocalOriginFailures: 2"), (Some(2), Some(100)));
    // Envoy's 5.
    assert_eq!((apart(", consecutiveLocalOriginFailures: 0"), apart("")), ((None, None), (None, None)));
}

#[test]
fn a_retry_budget_has_a_floor_of_three_where_none_is_said() {
    let floor = |said: &str| {
        let budget =
            web(&format!("retryBudget: {{percent: 20{said}}}")).circuit_breakers.retry_budget.unwrap();
        (budget.budget_percent, budget.min_retry_concurrency)
    };
    assert_eq!(floor(""), (20.0, 3));
    assert_eq!(floor(", minRetryConcurrency: 7"), (20.0, 7));
}

#[test]
fn tls_modes_say_how_the_connection_is_carried() {
    let disabled = web("tls: {mode: DISABLE}");
    assert_eq!((&disabled.transport, disabled.transport_matches.len()), (&Transport::Raw, 0));
    let mutual = web("tls: {mode: ISTIO_MUTUAL}");
    let Transport::Tls(tls) = &mutual.transport else { unreachable!("it is mTLS") };
    assert_eq!(sans(tls), ["spiffe://cluster.local/ns/shop/sa/web"]);
    assert!(mutual.transport_matches.is_empty() && !mutual.istio.keep_alpn);
}

#[test]
fn tls_to_the_outside_believes_the_system_and_checks_the_name_that_is_asked_for() {
    let outside = OUTSIDE.replace("RESOLUTION", "DNS");
    let of = |tls: &str| {
        cluster(
            &format!("{outside}{}", rule("api.example", &format!("tls: {{{tls}}}"))),
            "outbound|80||api.example",
        )
    };
    let simple = of("mode: SIMPLE");
    let Transport::Tls(tls) = &simple.transport else { unreachable!("it is TLS") };
    let Some(Roots::Sds(roots)) = &tls.common.validation.roots else { unreachable!("somebody is believed") };
    assert_eq!((roots.name.as_str(), tls.sni.as_str()), ("file-root:system", ""));
    assert!(simple.http.auto_sni && simple.http.auto_san_validation && simple.istio.keep_alpn);
    let named = of("mode: SIMPLE, sni: api.example, subjectAltNames: [api.example], caCertificates: /ca.pem");
    let Transport::Tls(tls) = &named.transport else { unreachable!("it is TLS") };
    let Some(Roots::Sds(roots)) = &tls.common.validation.roots else { unreachable!("somebody is believed") };
    assert_eq!((roots.name.as_str(), sans(tls)), ("file-root:/ca.pem", vec!["api.example".to_owned()]));
    assert!(!named.http.auto_sni);
}

#[test]
fn a_service_entry_s_resolution_is_its_discovery() {
    let of =
        |resolution: &str| cluster(&OUTSIDE.replace("RESOLUTION", resolution), "outbound|80||api.example");
    assert_eq!(of("DNS").discovery, Discovery::StrictDns);
    assert_eq!(of("DNS_ROUND_ROBIN").discovery, Discovery::LogicalDns);
    assert_eq!(of("NONE").discovery, Discovery::OriginalDst);
    assert!(of("DNS").transport_matches.is_empty(), "what is outside has no mTLS of the mesh");
    assert_eq!(of("DNS").http.protocol, UpstreamProtocol::Http1);
}

#[test]
fn a_port_whose_policy_is_disable_is_called_in_the_clear() {
    let policy = "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: p, namespace: shop}\nspec: {selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}, portLevelMtls: {'81': {mode: DISABLE}}}\n";
    let world = sample::world(&format!("{POD}{SERVICE}{policy}"));
    let configuration = translate(&world, &sample::node(&world, "shop", "web"));
    let mtls = |port: u16| {
        let name = format!("outbound|{port}||web.shop.svc.cluster.local");
        let of = configuration.endpoints.iter().find(|of| of.cluster == name).unwrap();
        of.localities[0].endpoints[0].transport_match.contains_key("tlsMode")
    };
    assert!(mtls(80) && !mtls(81));
}

#[test]
fn traffic_to_the_unknown_leaves_through_the_egress_proxy() {
    let sidecar = "---\napiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: s, namespace: shop}\nspec: {egress: [{hosts: ['~/*']}], outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: web, port: {number: 80}}}}\n";
    let world = sample::world(&format!("{POD}{SERVICE}{sidecar}"));
    let configuration = translate(&world, &sample::node(&world, "shop", "web"));
    let cluster = "outbound|80||web.shop.svc.cluster.local";
    assert!(configuration.clusters.iter().any(|of| of.name == cluster));
    let catch_all = configuration.routes[0].virtual_hosts.last().unwrap();
    assert!(format!("{:?}", catch_all.routes).contains(cluster), "{catch_all:#?}");
    assert_eq!(configuration.verify(), Ok(()));
}

#[test]
fn what_a_rule_says_of_connections_is_what_its_cluster_has() {
    use std::time::Duration;
    use weft_model::cluster::TcpKeepalive;
    let asked = web(
        "loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 10s, minimumPercent: 20}}, connectionPool: {tcp: {connectTimeout: 30ms, tcpKeepalive: {time: 7s, interval: 5s, probes: 3}}, http: {h2UpgradePolicy: UPGRADE, idleTimeout: 5s, maxConcurrentStreams: 9, maxRequestsPerConnection: 4}}",
    );
    let seconds = |n| Some(Duration::from_secs(n));
    assert_eq!(asked.connect_timeout, Some(Duration::from_millis(30)));
    let keepalive = TcpKeepalive { time: seconds(7), interval: seconds(5), probes: Some(3) };
    assert_eq!(asked.tcp_keepalive, Some(keepalive));
    assert_eq!(asked.http.protocol, UpstreamProtocol::Http2);
    assert_eq!((asked.http.idle_timeout, asked.http.max_concurrent_streams), (seconds(5), Some(9)));
    assert_eq!(asked.http.max_requests_per_connection, Some(4));
    let slow = asked.balancing.slow_start.unwrap();
    assert_eq!((Some(slow.window), slow.min_weight_percent), (seconds(10), 20.0));
}

#[test]
fn the_mesh_may_ask_for_http2_and_a_rule_decline() {
    let mesh =
        "---\napiVersion: mesh.istio.io/v1alpha1\nkind: MeshConfig\nspec: {h2UpgradePolicy: UPGRADE}\n";
    let name = "outbound|80||web.shop.svc.cluster.local";
    let of = |rule: &str| cluster(&format!("{SERVICE}{rule}{mesh}"), name).http.protocol;
    assert_eq!(of(""), UpstreamProtocol::Http2);
    let declines = rule("web", "connectionPool: {http: {h2UpgradePolicy: DO_NOT_UPGRADE}}");
    assert_eq!(of(&declines), UpstreamProtocol::Http1);
}

#[test]
fn connections_that_are_only_passed_on_last_and_are_idle_as_long_as_the_rule_says() {
    use std::time::Duration;
    use weft_model::listener::NetworkFilter;
    let said = |tcp: &str| {
        let rule = rule("web", &format!("connectionPool: {{tcp: {{{tcp}}}}}"));
        let world = sample::world(&format!("{POD}{SERVICE}{rule}"));
        let mut node = sample::node(&world, "shop", "web");
        node.metadata.interception = weft_model::node::Interception::Redirect;
        let configuration = translate(&world, &node);
        let to_web = |filter: &NetworkFilter| match filter {
            NetworkFilter::TcpProxy(bytes) if bytes.clusters[0].0.starts_with("outbound|81||web") => {
                Some((bytes.idle_timeout, bytes.max_connection_duration))
            }
            _ => None,
        };
        let chains = configuration
            .listeners
            .iter()
            .flat_map(|of| of.filter_chains.iter().chain(of.default_filter_chain.as_deref()));
        chains.flat_map(|chain| &chain.filters).find_map(to_web).unwrap()
    };
    let seconds = |n| Some(Duration::from_secs(n));
    assert_eq!(said("maxConnections: 1"), (None, None));
    assert_eq!(said("idleTimeout: 60s, maxConnectionDuration: 900s"), (seconds(60), seconds(900)));
    assert_eq!(said("idleTimeout: 0s").0, seconds(0), "which is: for ever");
}

#[test]
fn how_long_connections_may_be_idle_that_a_proxy_takes_is_its_own_to_say_where_no_rule_does() {
    use std::time::Duration;
    use weft_model::listener::NetworkFilter;
    let rule = rule("web", "connectionPool: {tcp: {idleTimeout: 60s}}");
    let idle = |said: &str| {
        let world = sample::world(&format!("{POD}{SERVICE}{rule}"));
        let mut node = sample::node(&world, "shop", "web");
        node.metadata.interception = weft_model::node::Interception::Redirect;
        node.metadata.idle_timeout = said.to_owned();
        let (mut http, mut bytes) = (Vec::new(), Vec::new());
        for listener in translate(&world, &node).listeners {
            for filter in listener
                .filter_chains
                .into_iter()
                .chain(listener.default_filter_chain.map(|of| *of))
                .flat_map(|of| of.filters)
            {
                match filter {
                    NetworkFilter::Http(manager) => http.push(manager.idle_timeout),
                    NetworkFilter::TcpProxy(proxy) if proxy.clusters[0].0.starts_with("outbound|81") => {
                        assert_eq!(proxy.idle_timeout, Some(Duration::from_secs(60)), "the rule's");
                    }
                    NetworkFilter::TcpProxy(proxy) => bytes.push(proxy.idle_timeout),
                    _ => {}
                }
            }
        }
        assert!(http.len() > 1 && bytes.len() > 1, "calls in and out, HTTP and bytes");
        let all = [http, bytes].concat();
        assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
        all[0]
    };
    assert_eq!(idle(""), None);
    assert_eq!(idle("1m30s"), Some(Duration::from_secs(90)));
    assert_eq!(idle("0s"), Some(Duration::ZERO));
    assert_eq!(idle("soon"), None);
}

#[test]
fn endpoints_are_asked_under_the_services_own_name_which_is_a_host_unlike_the_clusters() {
    use weft_model::health::Probe;
    let asked = |checks: &str| {
        let service = format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: shop, annotations: {{weft.dev/health-check: \"{checks}\"}}}}\nspec: {{selector: {{app: web}}, ports: [{{name: http2, port: 80}}]}}\n"
        );
        match cluster(&service, "outbound|80||web.shop.svc.cluster.local").health_check.unwrap().probe {
            Probe::Http { host, .. } | Probe::Grpc { authority: host, .. } => host,
            Probe::Tcp => unreachable!("it asks nothing"),
        }
    };
    assert_eq!(asked("protocol=http"), "web.shop.svc.cluster.local");
    assert_eq!(asked("protocol=grpc"), "web.shop.svc.cluster.local");
    assert_eq!(asked("protocol=http, host=other.example"), "other.example");
}

#[test]
fn who_fails_his_checks_gets_nothing_however_few_are_well_unless_a_rule_says_from_when_on() {
    let panics = |annotations: &str, policy: &str| {
        let service = format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: shop, annotations: {{{annotations}}}}}\nspec: {{selector: {{app: web}}, ports: [{{name: http, port: 80}}]}}\n{}",
            rule("web", policy)
        );
        cluster(&service, "outbound|80||web.shop.svc.cluster.local").balancing.panic_threshold
    };
    let check = "weft.dev/health-check: protocol=http";
    assert_eq!(panics("", ""), None, "Envoy's own");
    assert_eq!(panics(check, ""), Some(0.0));
    assert_eq!(panics(check, "outlierDetection: {minHealthPercent: 40}"), Some(40.0));
}

#[test]
fn endpoints_are_checked_on_the_ports_that_speak_what_is_asked_in() {
    let ports = "ports: [{name: http, port: 80}, {name: grpc, port: 81}, {name: tcp, port: 82}, {name: http2, port: 83}, {name: guess, port: 84}, {name: https, port: 85}]";
    let asked = |checks: &str, policy: &str| -> Vec<u16> {
        let service = format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: shop, annotations: {{weft.dev/health-check: {checks}}}}}\nspec: {{selector: {{app: web}}, {ports}}}\n{}",
            rule("web", policy)
        );
        let world = sample::world(&format!("{POD}{service}"));
        let clusters = translate(&world, &sample::node(&world, "shop", "web")).clusters;
        let checked = clusters.iter().filter(|cluster| cluster.health_check.is_some());
        checked.map(|cluster| cluster.name.split('|').nth(1).unwrap().parse().unwrap()).collect()
    };
    assert_eq!(asked("protocol=http", ""), [80, 83, 84]);
    assert_eq!(asked("protocol=grpc", ""), [81, 83]);
    assert_eq!(asked("protocol=tcp", ""), [80, 81, 82, 83, 84, 85]);
    // By the client's protocol it may be HTTP/1.1, in which nobody can be asked so, and Envoy refuses such a cluster.
    assert_eq!(asked("protocol=grpc", "connectionPool: {http: {useClientProtocol: true}}"), [0; 0]);
}

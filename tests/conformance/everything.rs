//! Settings of every kind that the recorded mesh does not happen to use, for Envoy to look at.

use std::collections::BTreeMap;
use std::time::Duration;

use weft_model::access_log::{AccessLog, LogFormat};
use weft_model::cluster::*;
use weft_model::endpoint::{Address, Endpoint, Health, LoadAssignment, LocalityEndpoints};
use weft_model::health::{HealthCheck, Probe};
use weft_model::http::*;
use weft_model::limit::{LocalRateLimit, TokenBucket};
use weft_model::listener::{
    Direction, FilterChain, FilterChainMatch, Listener, ListenerFilter, NetworkFilter, TcpProxy,
};
use weft_model::matcher::*;
use weft_model::rbac::*;
use weft_model::route::*;
use weft_model::tls::*;

fn header(name: &str, value: HeaderValueMatch) -> HeaderMatcher {
    HeaderMatcher { name: name.to_owned(), value, invert: true, treat_missing_as_empty: true }
}

fn limit() -> LocalRateLimit {
    let fill_interval = Duration::from_secs(1);
    LocalRateLimit {
        stat_prefix: "a".to_owned(),
        bucket: Some(TokenBucket { max_tokens: 9, tokens_per_fill: 3, fill_interval }),
        enabled: Fraction { numerator: 100, denominator: 100 },
        enforced: Fraction { numerator: 50, denominator: 100 },
        status: 503,
        headers: true,
        resource_exhausted: true,
    }
}

fn claim() -> MetadataMatcher {
    let role = || MetadataValue::String(StringMatcher::exact("admin"));
    MetadataMatcher {
        filter: "envoy.filters.http.jwt_authn".to_owned(),
        path: vec!["payload".to_owned(), "roles".to_owned()],
        value: MetadataValue::Or(vec![role(), MetadataValue::ListOneOf(Box::new(role()))]),
        invert: false,
    }
}

fn rbac(network: bool) -> RbacFilter {
    let path = || StringMatcher::from(Pattern::Prefix("/a".to_owned()));
    let mut permissions = vec![
        Permission::Not(Box::new(Permission::Any)),
        Permission::DestinationIp("10.0.0.0/8".parse().unwrap()),
        Permission::DestinationPort(80),
        Permission::DestinationPortRange(80, 90),
        Permission::RequestedServerName(StringMatcher::exact("a.example")),
    ];
    let mut principals = vec![
        Principal::Authenticated(None),
        Principal::Authenticated(Some(Pattern::Regex("spiffe://.+/sa/x".to_owned()).into())),
        Principal::DirectRemoteIp("10.0.0.0/8".parse().unwrap()),
        Principal::RemoteIp("::/0".parse().unwrap()),
        Principal::FilterState {
            key: "io.istio.peer_principal".to_owned(),
            value: StringMatcher::exact("x"),
        },
    ];
    if !network {
        permissions.push(Permission::Header(header("x-a", HeaderValueMatch::Range(1..9))));
        permissions.push(Permission::UrlPath(path()));
        permissions.push(Permission::UriTemplate("/a/*/b/**".to_owned()));
        principals.push(Principal::Header(header(":authority", HeaderValueMatch::Present(true))));
        principals.push(Principal::UrlPath(path()));
        principals.push(Principal::Metadata(claim()));
    }
    let policy = Policy {
        permissions: vec![Permission::And(vec![Permission::Or(permissions)])],
        principals: vec![Principal::And(vec![Principal::Or(principals)])],
        has_condition: false,
    };
    let rules = Rbac {
        action: Action::Deny,
        policies: BTreeMap::from([("ns[a]-policy[b]-rule[0]".to_owned(), policy)]),
    };
    RbacFilter {
        rules: Some(rules.clone()),
        shadow_rules: Some(rules),
        shadow_rules_stat_prefix: "istio_ext_authz_".to_owned(),
        stat_prefix: if network { "tcp.".to_owned() } else { String::new() },
    }
}

fn jwt() -> JwtAuthn {
    let provider = |name: &str, keys| JwtProvider {
        name: name.to_owned(),
        issuer: format!("https://{name}.example"),
        keys: Some(keys),
        from_headers: vec![("x-token".to_owned(), "Bearer ".to_owned())],
        from_cookies: vec!["token".to_owned()],
        payload_in_metadata: "payload".to_owned(),
        forward_payload_header: "x-payload".to_owned(),
        ..JwtProvider::default()
    };
    let remote = JwksSource::Remote {
        uri: "https://b.example/keys".to_owned(),
        cluster: "static".to_owned(),
        timeout: Duration::from_secs(5),
        cache: Some(Duration::from_secs(1200)),
    };
    // The example key of RFC 7517.
    let keys = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"1","use":"sig",
        "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#;
    let any =
        JwtRequirement::Any(vec![JwtRequirement::Provider("b".to_owned()), JwtRequirement::AllowMissing]);
    JwtAuthn {
        providers: vec![provider("a", JwksSource::Inline(keys.to_owned())), provider("b", remote)],
        rules: vec![JwtRule {
            matches: RouteMatch::path(PathMatch::Prefix("/".to_owned())),
            requires: Some(JwtRequirement::All(vec![any, JwtRequirement::AllowMissingOrFailed])),
        }],
        bypass_cors_preflight: true,
    }
}

pub(crate) fn listener() -> Listener {
    let filters = vec![
        HttpFilter::Rbac(rbac(false)),
        HttpFilter::ExtAuthz(ExtAuthz {
            provider: "istio-ext-authz".to_owned(),
            cluster: "static".to_owned(),
            grpc: true,
        }),
        HttpFilter::ExtAuthz(ExtAuthz { provider: String::new(), cluster: "static".to_owned(), grpc: false }),
        HttpFilter::JwtAuthn(jwt()),
        HttpFilter::GrpcWeb,
        HttpFilter::GrpcStats,
        HttpFilter::Fault,
        HttpFilter::Cors,
        HttpFilter::LocalRateLimit(limit()),
        HttpFilter::Router,
    ];
    let mut manager = HttpConnectionManager::new("all", RouteSource::Rds("80".to_owned()), filters);
    manager.accept_http_10 = true;
    manager.allow_absolute_url = false;
    manager.preserve_header_case = true;
    manager.client_cert_details = ClientCertDetails { subject: true, cert: true, dns: true, uri: true };
    manager.upgrades.push(Upgrade {
        token: "websocket".to_owned(),
        enabled: false,
        terminate_connect: false,
    });
    manager.path.escaped_slashes = EscapedSlashes::UnescapeAndForward;
    manager.drain_timeout = Some(Duration::from_secs(45));
    manager.max_request_headers_kb = Some(96);
    manager.access_log.push(AccessLog {
        path: "/dev/stdout".to_owned(),
        format: LogFormat::Json(vec![("path".to_owned(), "%REQ(:PATH)%".to_owned())]),
        only_no_route: true,
    });
    let validation = Validation {
        roots: Some(Roots::Sds(SecretRef { name: "kubernetes://edge-cacert".to_owned(), over_ads: true })),
        match_sans: vec![SanMatcher { kind: SanKind::Dns, matcher: StringMatcher::exact("a.example") }],
    };
    let common = CommonTls {
        certificates: vec![CertificateSource::Sds(SecretRef {
            name: "kubernetes://edge".to_owned(),
            over_ads: true,
        })],
        validation,
        alpn: vec!["h2".to_owned()],
        min_version: Some(TlsVersion::V1_3),
        max_version: None,
        cipher_suites: Vec::new(),
    };
    let tls = DownstreamTls { common, require_client_certificate: true };
    let http = FilterChain {
        name: "http".to_owned(),
        matches: FilterChainMatch {
            destination_port: Some(80),
            prefix_ranges: vec!["10.0.0.1/32".parse().unwrap()],
            server_names: vec!["*.example".to_owned()],
            transport_protocol: "tls".to_owned(),
            application_protocols: vec!["h2".to_owned()],
            source_prefix_ranges: vec!["10.0.0.0/8".parse().unwrap()],
            source_ports: vec![1234],
        },
        transport: Transport::Tls(Box::new(tls)),
        filters: vec![NetworkFilter::Http(Box::new(manager))],
        ..FilterChain::default()
    };
    let proxy = TcpProxy {
        stat_prefix: "tcp".to_owned(),
        clusters: vec![("static".to_owned(), 1), ("names".to_owned(), 2)],
        weighted: true,
        idle_timeout: Some(Duration::ZERO),
        max_connection_duration: Some(Duration::from_secs(7)),
        hash: vec![HashPolicy { key: HashKey::SourceIp, terminal: false }],
        max_connect_attempts: Some(3),
        ..TcpProxy::default()
    };
    let tcp = FilterChain {
        name: "tcp".to_owned(),
        filters: vec![
            NetworkFilter::Rbac(rbac(true)),
            NetworkFilter::ExtAuthz(ExtAuthz {
                provider: "istio-ext-authz".to_owned(),
                cluster: "static".to_owned(),
                grpc: true,
            }),
            NetworkFilter::TcpProxy(proxy),
        ],
        ..FilterChain::default()
    };
    let mut listener = Listener::new("all", "0.0.0.0:15006".parse().unwrap(), Direction::Inbound);
    listener.additional_addresses.push("[::]:15006".parse().unwrap());
    listener.listener_filters = vec![
        ListenerFilter::OriginalDst,
        ListenerFilter::TlsInspector { disabled: vec![80..=80, 90..=99] },
        ListenerFilter::HttpInspector { disabled: vec![443..=443] },
    ];
    listener.bind_to_port = false;
    listener.filter_chains.push(http);
    listener.default_filter_chain = Some(Box::new(tcp));
    listener
}

/// A session stays on one of two versions.
fn sticky() -> Forward {
    let mut sticky = Forward::to("");
    let version = |weight| WeightedCluster {
        name: "static".to_owned(),
        weight,
        headers: HeaderOperations::default(),
        host_rewrite: None,
    };
    sticky.target = Target::Weighted(vec![version(90), version(10)]);
    sticky.sticky = true;
    sticky.hash = vec![HashPolicy { key: HashKey::Header("x-user".to_owned()), terminal: true }];
    sticky
}

pub(crate) fn routes() -> RouteConfiguration {
    let mut forward = Forward::to("static");
    forward.template_rewrite = Some("/x/{id}".to_owned());
    forward.host_rewrite = HostRewrite::Header("x-host".to_owned());
    forward.grpc_timeout_cap = Some(Duration::ZERO);
    forward.grpc_timeout_in_max_stream = true;
    forward.cluster_not_found = Some(404);
    forward.retry = Some(RetryPolicy {
        retry_on: "5xx".to_owned(),
        avoid_previous_hosts: true,
        avoid_previous_priorities: Some(2),
        retriable_headers: vec![header("x-retry", HeaderValueMatch::Present(true))],
        back_off_base: Some(Duration::from_millis(10)),
        back_off_max: Some(Duration::from_millis(100)),
        ..RetryPolicy::default()
    });
    forward.hash = vec![
        HashPolicy { key: HashKey::Query("q".to_owned()), terminal: true },
        HashPolicy {
            key: HashKey::Cookie {
                name: "c".to_owned(),
                ttl: Some(Duration::ZERO),
                path: String::new(),
                attributes: vec![("Secure".to_owned(), String::new())],
            },
            terminal: false,
        },
    ];
    forward.upgrades.push(Upgrade {
        token: "websocket".to_owned(),
        enabled: false,
        terminate_connect: false,
    });
    let mut by_template = RouteMatch::path(PathMatch::Template("/a/{id}".to_owned()));
    by_template.metadata.push(claim());
    by_template.grpc = true;
    by_template.fraction = Some(Fraction { numerator: 5, denominator: 10_000 });
    let mut connect = Forward::to("static");
    connect.upgrades.push(Upgrade { token: "CONNECT".to_owned(), enabled: true, terminate_connect: true });
    let mut by_regex = Forward::to("names");
    by_regex.target = Target::Header("x-cluster".to_owned());
    by_regex.regex_rewrite =
        Some(RegexRewrite { pattern: "^/b/(.*)".to_owned(), substitution: "/\\1".to_owned() });
    by_regex.host_rewrite = HostRewrite::Auto;
    let route = |matches, action| Route {
        name: String::new(),
        matches,
        action,
        headers: HeaderOperations::default(),
        config: "/apis/x".to_owned(),
        operation: "x".to_owned(),
        fault: Some(Fault {
            delay: None,
            abort: Some((FaultAbort::Grpc(14), Fraction { numerator: 1, denominator: 100 })),
        }),
        cors: Some(Cors::default()),
        limit: Some(limit()),
    };
    let redirect = Redirect {
        scheme: Some("https".to_owned()),
        port: Some(8443),
        path: Some(RedirectPath::Prefix("/new".to_owned())),
        status: 307,
        ..Redirect::default()
    };
    let host = VirtualHost {
        name: "all".to_owned(),
        domains: vec!["*.example".to_owned()],
        routes: vec![
            route(by_template, RouteAction::Forward(Box::new(forward))),
            route(RouteMatch::path(PathMatch::Connect), RouteAction::Forward(Box::new(connect))),
            route(
                RouteMatch::path(PathMatch::Regex("/b/.*".to_owned())),
                RouteAction::Forward(Box::new(by_regex)),
            ),
            route(
                RouteMatch::path(PathMatch::Prefix("/s".to_owned())),
                RouteAction::Forward(Box::new(sticky())),
            ),
            route(
                RouteMatch::path(PathMatch::PathSeparatedPrefix("/c".to_owned())),
                RouteAction::Redirect(redirect),
            ),
            route(
                RouteMatch::path(PathMatch::Exact("/d".to_owned())),
                RouteAction::DirectResponse { status: 200, body: vec![b'x'; 10_000] },
            ),
            route(
                RouteMatch::path(PathMatch::Prefix("/e".to_owned())),
                RouteAction::DirectResponse { status: 204, body: vec![0xff; 3] },
            ),
            route(
                RouteMatch::path(PathMatch::Prefix("/".to_owned())),
                RouteAction::Unknown("non_forwarding_action".to_owned()),
            ),
        ],
        require_tls: TlsRequirement::ExternalOnly,
        ..VirtualHost::default()
    };
    RouteConfiguration { name: "all".to_owned(), virtual_hosts: vec![host], ..RouteConfiguration::default() }
}

fn endpoint(address: Address) -> Endpoint {
    Endpoint {
        address,
        weight: 3,
        health: Health::Draining,
        transport_match: BTreeMap::from([("tlsMode".to_owned(), "istio".to_owned())]),
        workload: "a;b;c;d;e".to_owned(),
        hostname: "a.example".to_owned(),
    }
}

fn cluster(name: &str, discovery: Discovery, address: Address, policy: LbPolicy) -> Cluster {
    let endpoints = vec![endpoint(address)];
    let locality = LocalityEndpoints { weight: Some(1), endpoints, ..LocalityEndpoints::default() };
    let tls = UpstreamTls {
        common: CommonTls {
            certificates: vec![CertificateSource::Sds(SecretRef {
                name: "default".to_owned(),
                over_ads: false,
            })],
            validation: Validation {
                roots: Some(Roots::Sds(SecretRef { name: "file-root:system".to_owned(), over_ads: false })),
                match_sans: Vec::new(),
            },
            alpn: vec!["h2".to_owned()],
            ..CommonTls::default()
        },
        sni: String::new(),
        auto_sni: false,
        auto_san_validation: false,
    };
    Cluster {
        name: name.to_owned(),
        discovery,
        load_assignment: Some(LoadAssignment {
            cluster: name.to_owned(),
            localities: vec![locality],
            overprovisioning_factor: Some(100),
        }),
        balancing: Balancing {
            policy,
            panic_threshold: Some(0.0),
            locality_weighted: true,
            slow_start: matches!(policy, LbPolicy::LeastRequest { .. } | LbPolicy::RoundRobin).then_some(
                SlowStart { window: Duration::from_secs(30), aggression: 1.0, min_weight_percent: 10.0 },
            ),
        },
        connect_timeout: Some(Duration::from_secs(1)),
        circuit_breakers: CircuitBreakers {
            max_connections: Some(1),
            retry_budget: Some(RetryBudget { budget_percent: 20.0, min_retry_concurrency: 3 }),
            track_remaining: true,
            ..CircuitBreakers::default()
        },
        outlier_detection: Some(OutlierDetection {
            max_ejection_time: Some(Duration::from_secs(300)),
            health_check_readmits: Some(false),
            ..OutlierDetection::default()
        }),
        http: UpstreamHttp {
            protocol: UpstreamProtocol::Downstream,
            max_connection_duration: Some(Duration::from_secs(9)),
            preserve_header_case: true,
            auto_sni: true,
            auto_san_validation: true,
            max_concurrent_streams: Some(5),
            ..UpstreamHttp::default()
        },
        transport: Transport::Tls(Box::new(tls.clone())),
        transport_matches: vec![
            TransportMatch {
                name: "tlsMode-istio".to_owned(),
                criteria: BTreeMap::from([("tlsMode".to_owned(), "istio".to_owned())]),
                transport: Transport::Tls(Box::new(tls)),
            },
            TransportMatch {
                name: "tlsMode-disabled".to_owned(),
                criteria: BTreeMap::new(),
                transport: Transport::Raw,
            },
        ],
        bind_address: Some("127.0.0.6:0".parse().unwrap()),
        tcp_keepalive: Some(TcpKeepalive {
            probes: Some(3),
            time: Some(Duration::from_secs(9)),
            interval: None,
        }),
        dns: Dns { family: DnsFamily::All, refresh_rate: Some(Duration::from_secs(5)), respect_ttl: true },
        istio: IstioMetadata { external: true, keep_alpn: true, ..IstioMetadata::default() },
        metadata_exchange: false,
        health_check: Some(HealthCheck {
            probe: Probe::Http { path: "/healthz".to_owned(), host: String::new(), patient: true },
            interval: Duration::from_secs(5),
            jitter_percent: 10,
            timeout: Duration::from_secs(1),
            unhealthy_threshold: 3,
            healthy_threshold: 2,
        }),
        ignore_health_on_host_removal: true,
    }
}

pub(crate) fn clusters() -> Vec<Cluster> {
    let socket = || Address::Socket("10.0.0.1:80".parse().unwrap());
    let named = || Address::Name("a.example".to_owned(), 443);
    let mut raw = cluster("raw", Discovery::Static, socket(), LbPolicy::RoundRobin);
    raw.transport = Transport::Raw;
    raw.transport_matches.clear();
    raw.http = UpstreamHttp::default();
    // Envoy wants ALPN of every transport where it is to choose the protocol.
    let mut auto = cluster("auto", Discovery::Static, socket(), LbPolicy::ClusterProvided);
    auto.balancing = Balancing::default();
    auto.http.protocol = UpstreamProtocol::Auto;
    auto.transport_matches.clear();
    vec![
        cluster("static", Discovery::Static, socket(), LbPolicy::LeastRequest { choices: 3 }),
        cluster("names", Discovery::StrictDns, named(), LbPolicy::Random),
        cluster("name", Discovery::LogicalDns, named(), LbPolicy::Maglev { table_size: 65537 }),
        cluster(
            "pipe",
            Discovery::Static,
            Address::Pipe("/run/x".to_owned()),
            LbPolicy::RingHash { minimum_ring_size: 2 },
        ),
        auto,
        raw,
    ]
}

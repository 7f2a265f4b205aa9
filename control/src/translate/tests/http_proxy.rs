//! Without interception: the HTTP proxy's names, and the addresses of what is no HTTP.

use std::collections::BTreeMap;

use weft_model::listener::{Listener, NetworkFilter};
use weft_model::route::{PathMatch, RouteAction, RouteConfiguration, Target, VirtualHost};

use crate::sample;
use crate::translate::{Configuration, translate};

const SHOP: &str = r"
apiVersion: v1
kind: Pod
metadata:
  name: cart
  namespace: shop
  labels: {app: cart}
  annotations:
    weft.dev/tcp-addresses: '{\x22db.shop:5432\x22: \x22127.64.1.10\x22, \x22auto.shop:7000\x22: \x22127.64.1.11\x22, \x22mail.example:25\x22: \x22127.64.1.12\x22, \x22gone.shop:1\x22: \x22127.64.1.13\x22}'
spec: {containers: [{name: app, image: cart}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.0.0.1, ports: [{name: http, port: 80}, {name: grpc, port: 9000}]}
---
apiVersion: v1
kind: Service
metadata: {name: admin, namespace: shop}
spec: {ports: [{name: http, port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {ports: [{name: tcp, port: 5432}]}
---
apiVersion: v1
kind: Service
metadata: {name: auto, namespace: shop}
spec: {ports: [{name: first, port: 7000}, {name: second, port: 7001}]}
---
apiVersion: v1
kind: Service
metadata: {name: bank, namespace: money}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: mail, namespace: shop}
spec: {hosts: [mail.example], location: MESH_EXTERNAL, resolution: DNS, ports: [{number: 25, name: tcp, protocol: TCP}]}
";

fn cart(more: &str) -> Configuration {
    let world = sample::world(&format!("{}\n{more}", SHOP.replace("\\x22", "\"")));
    translate(&world, &sample::node(&world, "shop", "cart"))
}

fn proxy_routes(configuration: &Configuration) -> &RouteConfiguration {
    configuration.routes.iter().find(|routes| routes.name == "http_proxy").unwrap()
}

/// Which virtual host has each domain.
fn owners(routes: &RouteConfiguration) -> BTreeMap<&str, &str> {
    let domains = |host: &'_ VirtualHost| host.domains.len();
    let owners: BTreeMap<&str, &str> = routes
        .virtual_hosts
        .iter()
        .flat_map(|host| host.domains.iter().map(|domain| (domain.as_str(), host.name.as_str())))
        .collect();
    assert_eq!(
        owners.len(),
        routes.virtual_hosts.iter().map(domains).sum::<usize>(),
        "a domain stands twice"
    );
    owners
}

#[test]
fn a_name_with_a_port_is_that_port_and_a_bare_name_is_port_80() {
    let configuration = cart("");
    let owners = owners(proxy_routes(&configuration));
    for name in [
        "web",
        "web.shop",
        "web.shop.svc",
        "web.shop.svc.cluster.local",
        "web.shop.svc.cluster.local.",
        "10.0.0.1",
    ] {
        assert_eq!(owners[name], "web.shop.svc.cluster.local:80");
        assert_eq!(owners[&*format!("{name}:80")], "web.shop.svc.cluster.local:80");
        assert_eq!(owners[&*format!("{name}:9000")], "web.shop.svc.cluster.local:9000");
    }
    assert_eq!(owners["admin:8080"], "admin.shop.svc.cluster.local:8080");
    // Another namespace's service has no shortest form here.
    assert_eq!(owners.get("bank"), None);
    assert_eq!(owners["bank.money"], "bank.money.svc.cluster.local:80");
}

#[test]
fn a_port_that_a_service_does_not_have_is_refused_with_those_that_it_has() {
    let elsewhere = "---\napiVersion: v1\nkind: Service\nmetadata: {name: store, namespace: shop}\nspec: {type: ExternalName, externalName: store.example, ports: [{name: http, port: 8080}]}\n";
    let configuration = cart(elsewhere);
    let routes = proxy_routes(&configuration);
    let owners = owners(routes);
    assert_eq!(owners["store:8080"], "store.shop.svc.cluster.local:8080");
    let asked = |domain: &str| {
        let host = routes.virtual_hosts.iter().find(|host| host.name == owners[domain]).unwrap();
        [false, true].map(|connect| {
            let is_it = |path: &PathMatch| (*path == PathMatch::Connect) == connect;
            let route = host.routes.iter().find(|route| is_it(&route.matches.path)).unwrap();
            let RouteAction::DirectResponse { status, body } = &route.action else { panic!("{route:?}") };
            (route.name.as_str(), *status, std::str::from_utf8(body).unwrap())
        })
    };
    let said = |domain: &str, text: &str| assert_eq!(asked(domain), [("no_port", 503, text); 2], "{domain}");
    let admin = "service admin.shop has no such port; it has 8080 (HTTP)";
    for domain in ["admin", "admin:*", "admin.shop", "admin.shop.svc.cluster.local.:*"] {
        said(domain, admin);
    }
    said("auto", "service auto.shop has no such port; it has 7000 (sniffed), 7001 (sniffed)");
    said("web:*", "service web.shop has no such port; it has 80 (HTTP), 9000 (gRPC)");
    said("bank.money:*", "service bank.money has no such port; it has 80 (HTTP)");
    // Another namespace's service has no shortest form here, and a host outside may have more ports than are written down.
    for domain in ["bank:*", "mail.example", "mail.example:*", "store", "store:*"] {
        assert_eq!(owners.get(domain), None);
    }
}

#[test]
fn ports_that_a_sidecar_hides_are_not_said_to_be_missing() {
    let configuration = cart(
        "---\napiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: s, namespace: shop}\nspec: {egress: [{port: {number: 9000, name: grpc, protocol: GRPC}, hosts: ['./*']}]}\n",
    );
    let routes = proxy_routes(&configuration);
    let host = routes.virtual_hosts.iter().find(|host| host.domains.contains(&"web:*".to_owned())).unwrap();
    let RouteAction::DirectResponse { body, .. } = &host.routes[0].action else { panic!("{host:?}") };
    assert_eq!(
        std::str::from_utf8(body).unwrap(),
        "a Sidecar leaves this workload no such port of service web.shop; it leaves it 9000 (gRPC)"
    );
}

fn leads_to(routes: &[weft_model::route::Route], connect: bool) -> Option<String> {
    let route = routes.iter().find(|route| (route.matches.path == PathMatch::Connect) == connect)?;
    match &route.action {
        RouteAction::Forward(forward) => match &forward.target {
            Target::Cluster(name) => Some(name.clone()),
            other => Some(format!("{other:?}")),
        },
        RouteAction::DirectResponse { status, .. } => Some(status.to_string()),
        other => Some(format!("{other:?}")),
    }
}

#[test]
fn connect_leads_where_requests_do_and_bytes_take_connect_alone() {
    let configuration = cart("");
    let routes = proxy_routes(&configuration);
    let host = |name: &str| routes.virtual_hosts.iter().find(|host| host.name == name).unwrap();
    let web = &host("web.shop.svc.cluster.local:9000").routes;
    assert_eq!(leads_to(web, true).as_deref(), Some("outbound|9000||web.shop.svc.cluster.local"));
    assert_eq!(leads_to(web, false), leads_to(web, true));
    let db = &host("db.shop.svc.cluster.local:5432").routes;
    assert_eq!(leads_to(db, true).as_deref(), Some("outbound|5432||db.shop.svc.cluster.local"));
    assert_eq!(leads_to(db, false), leads_to(db, true), "what a client takes for HTTP are bytes, too");
    let name = |host: &[weft_model::route::Route]| host[0].name.clone();
    assert_eq!((name(web), name(db)), ("connect".into(), "connect_bytes".into()));
    assert_eq!(name(&host("auto.shop.svc.cluster.local:7000").routes), "connect_sniffed");
    let RouteAction::Forward(forward) = &db[0].action else { unreachable!("it is a tunnel") };
    assert!(forward.upgrades[0].terminate_connect && forward.upgrades[0].token == "CONNECT");
}

/// How long nothing may move in a tunnel to such a host, and how long it may last.
fn lasts(configuration: &Configuration, host: &str) -> [Option<u64>; 2] {
    let host = proxy_routes(configuration).virtual_hosts.iter().find(|of| of.name == host).unwrap();
    let RouteAction::Forward(forward) = &host.routes[0].action else { unreachable!("it is a tunnel") };
    [forward.idle_timeout, forward.max_stream_duration].map(|time| time.map(|time| time.as_secs()))
}

#[test]
fn a_tunnel_of_bytes_lasts_as_long_as_a_connection_to_the_service_and_is_idle_as_long() {
    let rule = |host: &str, said: &str| {
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {host}, namespace: shop}}\nspec: {{host: {host}, trafficPolicy: {{connectionPool: {{tcp: {{{said}}}}}}}}}\n"
        )
    };
    let (db, auto, web) = (
        "db.shop.svc.cluster.local:5432",
        "auto.shop.svc.cluster.local:7000",
        "web.shop.svc.cluster.local:80",
    );
    let hour = Some(3600);
    assert_eq!([db, auto, web].map(|host| lasts(&cart(""), host)), [[hour, None]; 3]);
    let said = "idleTimeout: 60s, maxConnectionDuration: 900s";
    let ruled = cart(&["db", "auto", "web"].map(|host| rule(host, said)).concat());
    assert_eq!([db, auto].map(|host| lasts(&ruled, host)), [[Some(60), Some(900)]; 2]);
    assert_eq!(lasts(&ruled, web), [hour, None], "its requests have limits of their own");
    let never = cart(&rule("db", "idleTimeout: 0s"));
    assert_eq!(lasts(&never, db), [Some(0), None]);
}

#[test]
fn what_nothing_names_is_let_out_or_answered_502() {
    let open = cart("");
    let host = proxy_routes(&open).virtual_hosts.last().unwrap();
    assert_eq!((host.name.as_str(), &host.domains[..]), ("allow_any", &["*".to_owned()][..]));
    assert_eq!(leads_to(&host.routes, false).as_deref(), Some("PassthroughCluster"));
    assert_eq!(leads_to(&host.routes, true).as_deref(), Some("PassthroughCluster"));
    let closed = cart("---\noutboundTrafficPolicy: {mode: REGISTRY_ONLY}\n");
    let host = proxy_routes(&closed).virtual_hosts.last().unwrap();
    assert_eq!(host.name, "block_all");
    assert_eq!(leads_to(&host.routes, false).as_deref(), Some("502"));
    assert_eq!(leads_to(&host.routes, true).as_deref(), Some("502"));
}

#[test]
fn a_host_of_routes_alone_is_called_on_port_80() {
    let configuration = cart(
        "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v, namespace: shop}\nspec: {hosts: [shop.example], http: [{route: [{destination: {host: web, port: {number: 80}}}]}]}\n",
    );
    let routes = proxy_routes(&configuration);
    assert_eq!(owners(routes)["shop.example:80"], "shop.example:80");
    let host = routes.virtual_hosts.iter().find(|host| host.name == "shop.example:80").unwrap();
    assert_eq!(leads_to(&host.routes, false).as_deref(), Some("outbound|80||web.shop.svc.cluster.local"));
    assert_eq!(leads_to(&host.routes, true), leads_to(&host.routes, false));
    assert!(!configuration.clusters.iter().any(|cluster| cluster.name.contains("shop.example")));
}

fn at<'a>(configuration: &'a Configuration, name: &str) -> &'a Listener {
    configuration.listeners.iter().find(|listener| listener.name == name).unwrap()
}

#[test]
fn each_address_of_the_annotation_is_a_listener_for_its_service() {
    let configuration = cart("");
    let cluster = |filters: &[NetworkFilter]| match filters.last() {
        Some(NetworkFilter::TcpProxy(proxy)) => proxy.clusters[0].0.clone(),
        other => format!("{other:?}"),
    };
    let db = at(&configuration, "127.64.1.10_5432");
    assert!(db.bind_to_port);
    assert_eq!(cluster(&db.filter_chains[0].filters), "outbound|5432||db.shop.svc.cluster.local");
    let mail = at(&configuration, "127.64.1.12_25");
    assert_eq!(cluster(&mail.filter_chains[0].filters), "outbound|25||mail.example");
    // What nobody declares is sniffed: HTTP has its routes, all else is bytes.
    let auto = at(&configuration, "127.64.1.11_7000");
    assert!(matches!(auto.filter_chains[0].filters.last(), Some(NetworkFilter::Http(_))));
    assert!(configuration.routes.iter().any(|routes| routes.name == "auto.shop.svc.cluster.local:7000"));
    let rest = auto.default_filter_chain.as_ref().unwrap();
    assert_eq!(cluster(&rest.filters), "outbound|7000||auto.shop.svc.cluster.local");
    assert!(!configuration.listeners.iter().any(|listener| listener.name.starts_with("127.64.1.13")));
}

const TLS: &str = r"
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: tls, namespace: shop}
spec:
  hosts: [one.example.com, two.example.com, '*.wild.example.com', egress.example.com]
  location: MESH_EXTERNAL
  resolution: NONE
  ports: [{number: 443, name: tls, protocol: TLS}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: sni, namespace: shop}
spec:
  hosts: [one.example.com, '*.wild.example.com']
  tls:
  - match: [{port: 443, sniHosts: [one.example.com, a.wild.example.com]}]
    route: [{destination: {host: egress.example.com, port: {number: 443}}}]
";

#[test]
fn connect_to_a_name_that_a_tls_route_speaks_of_goes_where_its_server_name_would() {
    let configuration = cart(TLS);
    let routes = proxy_routes(&configuration);
    let owners = owners(routes);
    let target = |domain: &str| {
        let host = routes.virtual_hosts.iter().find(|host| host.name == owners[domain]).unwrap();
        leads_to(&host.routes, true).unwrap()
    };
    assert_eq!(target("one.example.com:443"), "outbound|443||egress.example.com");
    assert_eq!(target("one.example.com.:443"), "outbound|443||egress.example.com");
    assert_eq!(target("two.example.com:443"), "outbound|443||two.example.com");
    assert_eq!(target("a.wild.example.com:443"), "outbound|443||egress.example.com");
    assert_eq!(target("*.wild.example.com:443"), "outbound|443||*.wild.example.com");
    // By the names in the tunnel, as by filter chains of the port: any of the VirtualService's, whichever host was asked for.
    for port in ["one.example.com:443", "*.wild.example.com:443"] {
        let named = |name: &str| target(&format!("{name}|sni|{port}"));
        assert_eq!(named("a.wild.example.com"), "outbound|443||egress.example.com");
        assert_eq!(named("one.example.com"), "outbound|443||egress.example.com");
        let own = format!("outbound|443||{}", port.trim_end_matches(":443"));
        assert_eq!(named("*"), own, "any other name is the service's own");
    }
    assert!(
        !owners.keys().any(|domain| domain.ends_with("|sni|two.example.com:443")),
        "no TLS route speaks of it"
    );
}

//! What becomes of requests.

use std::time::Duration;

use weft_model::route::{FaultAbort, Fraction, HeaderAction, HostRewrite, RegexRewrite};

use super::*;

fn one(route: &str) -> Route {
    routes(&http(&format!("[{{{route}}}]"))).swap_remove(0)
}

const TO_A: &str = "route: [{destination: {host: a}}]";

#[test]
fn a_destination_is_a_cluster_by_port_subset_and_full_name() {
    let cases = [
        ("{host: a}", "outbound|80||a.foo.svc.cluster.local"),
        (
            "{host: a.bar.svc.cluster.local, subset: v1, port: {number: 9}}",
            "outbound|9|v1|a.bar.svc.cluster.local",
        ),
        ("{host: single}", "outbound|8080||single.foo.svc.cluster.local"),
        ("{host: single, port: {number: 81}}", "outbound|81||single.foo.svc.cluster.local"),
        ("{host: svc}", "outbound|80||svc.foo.svc.cluster.local"),
        ("{host: Api.Example.com}", "outbound|80||api.example.com"),
    ];
    for (destination, cluster) in cases {
        let route = one(&format!("route: [{{destination: {destination}}}]"));
        assert_eq!(forward(&route).target, Target::Cluster(cluster.into()), "{destination}");
    }
}

#[test]
fn what_is_said_nowhere_has_istios_defaults() {
    let route = one(TO_A);
    let expected = Forward {
        timeout: Some(Duration::ZERO),
        grpc_timeout_cap: Some(Duration::ZERO),
        retry: retry_policy(None, false),
        ..Forward::to("outbound|80||a.foo.svc.cluster.local")
    };
    assert_eq!(*forward(&route), expected);
    assert_eq!(route.operation, "a.foo.svc.cluster.local:80/*");
    assert_eq!(route.config, "/apis/networking.istio.io/v1/namespaces/foo/virtual-service/v");
    let default = default_route("a.foo.svc.cluster.local", 80, Vec::new(), &MeshConfig::default());
    assert_eq!(*forward(&default), expected);
    assert_eq!(
        (default.name.as_str(), default.operation.as_str()),
        ("default", "a.foo.svc.cluster.local:80/*")
    );
}

#[test]
fn a_timeout_caps_grpcs_too() {
    let route = one(&format!("{TO_A}, timeout: 1.5s"));
    let time = Some(Duration::from_millis(1500));
    assert_eq!((forward(&route).timeout, forward(&route).grpc_timeout_cap), (time, time));
}

#[test]
fn shares_of_zero_are_left_out() {
    let route = one(
        "name: w, route: [{destination: {host: a}, weight: 3}, {destination: {host: b}, weight: 0}, {destination: {host: c}, weight: 1}]",
    );
    let Target::Weighted(weighted) = &forward(&route).target else { panic!("several") };
    let shares: Vec<_> =
        weighted.iter().map(|to| (to.name.split('|').next_back().unwrap(), to.weight)).collect();
    assert_eq!(shares, [("a.foo.svc.cluster.local", 3), ("c.foo.svc.cluster.local", 1)]);
    assert_eq!(route.operation, "v:80/*", "no single destination names it");
    let one_left = one("route: [{destination: {host: a}, weight: 100}, {destination: {host: b}, weight: 0}]");
    assert!(matches!(&forward(&one_left).target, Target::Weighted(left) if left.len() == 1));
    assert!(
        matches!(one("route: [{destination: {host: a}, weight: 0}]").action, RouteAction::Forward(_)),
        "an only one has it all"
    );
}

#[test]
fn where_nobody_has_a_share_and_where_it_would_be_delegated_requests_are_answered_with_500() {
    let mut service =
        http("[{route: [{destination: {host: a}, weight: 1}, {destination: {host: b}, weight: 1}]}]");
    for to in &mut service.spec.http[0].route {
        to.weight = None;
    }
    assert_eq!(becomes(&service, &get("/")), " 500");
    service.spec.http[0].route.clear();
    service.spec.http[0].delegate = Some(crate::resources::virtual_service::Delegate::default());
    assert_eq!(becomes(&service, &get("/")), " 500");
}

#[test]
fn paths_and_hosts_are_rewritten() {
    let cases = [
        ("match: [{uri: {prefix: /api/v1/}}], rewrite: {uri: /}", "/api/v1/x?y=z", "svc/x?y=z"),
        ("match: [{uri: {prefix: /api}}], rewrite: {uri: /}", "/api/x", "svc//x"),
        ("match: [{uri: {exact: /old}}], rewrite: {uri: /new, authority: other}", "/old?q", "other/new?q"),
        ("rewrite: {uriRegexRewrite: {match: '^/a/(.*)$', rewrite: '/b/\\1'}}", "/a/x", "svc/b/x"),
        ("headers: {request: {set: {':authority': other}}}", "/", "other/"),
        ("headers: {request: {set: {Host: other}, add: {':authority': less}}}", "/", "other/"),
        ("rewrite: {authority: more}, headers: {request: {set: {host: less}}}", "/", "more/"),
    ];
    for (route, path, expected) in cases {
        let service = http(&format!("[{{name: r, {route}, {TO_A}}}]"));
        let becomes = becomes(&service, &get(path));
        assert_eq!(becomes, format!("r to outbound|80||a.foo.svc.cluster.local as {expected}"), "{route}");
    }
    let route = one(&format!("rewrite: {{uriRegexRewrite: {{match: a, rewrite: b}}}}, {TO_A}"));
    assert_eq!(
        forward(&route).regex_rewrite,
        Some(RegexRewrite { pattern: "a".into(), substitution: "b".into() })
    );
}

#[test]
fn redirects() {
    let cases = [
        ("uri: /new", "301 http://svc/new?q"),
        ("uri: /new, redirectCode: 308", "308 http://svc/new?q"),
        ("authority: other.example", "301 http://other.example/old?q"),
        ("scheme: https", "301 https://svc/old?q"),
        ("port: 8443, scheme: https", "301 https://svc:8443/old?q"),
        ("port: 443, scheme: https", "301 https://svc/old?q"),
        ("authority: o, port: 80", "301 http://o/old?q"),
        ("authority: o, derivePort: FROM_REQUEST_PORT", "301 http://o:9000/old?q"),
        ("authority: o, derivePort: FROM_PROTOCOL_DEFAULT", "301 http://o/old?q"),
    ];
    let proxy = Proxy { port: 9000, ..sidecar() };
    for (redirect, expected) in cases {
        let service = http(&format!("[{{name: r, redirect: {{{redirect}}}}}]"));
        let becomes = becomes_at(&proxy, &service, &get("/old?q"));
        assert_eq!(becomes, format!("r {expected}"), "{redirect}");
    }
}

#[test]
fn direct_responses() {
    let service = http("[{name: gone, directResponse: {status: 410, body: {string: gone}}}]");
    assert_eq!(becomes(&service, &get("/")), "gone 410");
    let RouteAction::DirectResponse { body, .. } = &routes(&service)[0].action else { panic!("answered") };
    assert_eq!(body, b"gone");
    assert_eq!(routes(&service)[0].operation, "v:80/*");
}

#[test]
fn headers_are_set_then_added_and_host_is_none_of_them() {
    let route = one(
        "headers: {request: {set: {b: '1', a: '2', host: h}, add: {c: '3'}, remove: [d, ':authority', host]}, response: {add: {e: '4'}, remove: [f]}}, route: [{destination: {host: a}, headers: {request: {set: {g: '5', ':authority': less}}, response: {remove: [h]}}}]",
    );
    let set: Vec<_> = route.headers.request_set.iter().map(|of| (of.name.as_str(), of.action)).collect();
    use HeaderAction::{Append, Overwrite};
    assert_eq!(set, [("a", Overwrite), ("b", Overwrite), ("c", Append), ("g", Overwrite)]);
    assert_eq!(route.headers.request_remove, ["d"]);
    assert_eq!(route.headers.response_set[0].action, Append);
    assert_eq!(route.headers.response_remove, ["f", "h"]);
    assert_eq!(
        forward(&route).host_rewrite,
        HostRewrite::Literal("h".into()),
        "the route's before the destination's"
    );
}

#[test]
fn each_of_several_destinations_has_headers_of_its_own() {
    let route = one(
        "route: [{destination: {host: a}, weight: 1, headers: {request: {set: {x: v, ':authority': z}}}}, {destination: {host: b}, weight: 1}]",
    );
    let Target::Weighted(weighted) = &forward(&route).target else { panic!("several") };
    assert_eq!(weighted[0].headers.request_set[0].name, "x");
    assert_eq!(weighted[0].host_rewrite.as_deref(), Some("z"));
    assert!(weighted[1].headers.is_empty() && route.headers.is_empty());
}

#[test]
fn a_consistent_hash_travels_with_its_route_and_keeps_to_its_endpoint() {
    let route = one("route: [{destination: {host: sticky}}]");
    assert_eq!(forward(&route).hash.len(), 1);
    assert!(!forward(&route).retry.as_ref().unwrap().avoid_previous_hosts);
    let several =
        one("route: [{destination: {host: sticky}, weight: 1}, {destination: {host: a}, weight: 1}]");
    assert_eq!(forward(&several).hash.len(), 1);
    assert!(forward(&several).retry.as_ref().unwrap().avoid_previous_hosts);
}

#[test]
fn copies() {
    let shares = |mirror: &str| -> Vec<(String, Fraction)> {
        let route = one(&format!("{TO_A}, {mirror}"));
        let mirrors = forward(&route).mirrors.iter();
        mirrors.map(|mirror| (mirror.cluster.clone(), mirror.fraction.unwrap())).collect()
    };
    let of = |host: &str, numerator, denominator| {
        (format!("outbound|80||{host}.foo.svc.cluster.local"), Fraction { numerator, denominator })
    };
    assert_eq!(shares("mirror: {host: m}"), [of("m", 100, 100)]);
    assert_eq!(shares("mirror: {host: m}, mirrorPercentage: {value: 0.5}"), [of("m", 5000, 1_000_000)]);
    assert_eq!(shares("mirror: {host: m}, mirrorPercentage: {value: 0}"), []);
    assert_eq!(
        shares("mirrors: [{destination: {host: m}}, {destination: {host: o}, percentage: {value: 7}}]"),
        [of("m", 100, 100), of("o", 70_000, 1_000_000)]
    );
    assert!(forward(&one(&format!("{TO_A}, mirror: {{host: m}}"))).mirrors[0].keep_host);
}

#[test]
fn faults() {
    let fault = |fault: &str| one(&format!("{TO_A}, fault: {fault}")).fault.unwrap();
    let half = Fraction { numerator: 500_000, denominator: 1_000_000 };
    let delayed = fault("{delay: {percentage: {value: 50}, fixedDelay: 2s}}");
    assert_eq!(delayed.delay, Some((Duration::from_secs(2), half)));
    let aborted = fault("{abort: {percentage: {value: 50}, httpStatus: 503}}");
    assert_eq!(aborted.abort, Some((FaultAbort::Http(503), half)));
    let grpc = fault("{abort: {percentage: {value: 50}, grpcStatus: UNAVAILABLE}}");
    assert_eq!(grpc.abort, Some((FaultAbort::Grpc(14), half)));
    let nobody = fault("{abort: {grpcStatus: \"5\"}}");
    assert_eq!(nobody.abort, Some((FaultAbort::Grpc(5), Fraction { numerator: 0, denominator: 100 })));
}

#[test]
fn cors() {
    let cors = |cors: &str| one(&format!("{TO_A}, corsPolicy: {cors}")).cors.unwrap();
    let made = cors(
        "{allowOrigins: [{exact: a}, {prefix: b}], allowMethods: [GET, POST], allowHeaders: [x, z], exposeHeaders: [z], maxAge: 1m, allowCredentials: false}",
    );
    assert_eq!(made.allow_origins.len(), 2);
    assert_eq!(
        (made.allow_methods.as_str(), made.allow_headers.as_str(), made.expose_headers.as_str()),
        ("GET,POST", "x,z", "z")
    );
    assert_eq!((made.max_age.as_str(), made.allow_credentials), ("60", Some(false)));
    assert_eq!(made.forward_not_matching_preflights, Some(true));
    assert_eq!(cors("{unmatchedPreflights: IGNORE}").forward_not_matching_preflights, Some(false));
    assert_eq!(cors("{allowOrigin: [a]}").allow_origins.len(), 1);
}

//! Which requests, from whom, a route is for.

use super::*;

const TO_A: &str = "route: [{destination: {host: a}}]";

/// Whether one condition takes a request.
fn takes(condition: &str, request: &Request) -> bool {
    becomes(&http(&format!("[{{name: it, match: [{condition}], {TO_A}}}]")), request).starts_with("it to ")
}

#[test]
fn paths() {
    let cases = [
        ("{uri: {exact: /a}}", "/a", true),
        ("{uri: {exact: /a}}", "/a?b=c", true),
        ("{uri: {exact: /a}}", "/a/", false),
        ("{uri: {prefix: /a}}", "/ab", true),
        ("{uri: {prefix: /a/}}", "/a", false),
        ("{uri: {regex: \"/a/[0-9]+\"}}", "/a/1", true),
        ("{uri: {regex: \"/a/[0-9]+\"}}", "/a/1/2", false),
        ("{uri: {exact: /A}, ignoreUriCase: true}", "/a", true),
        ("{uri: {prefix: /A}, ignoreUriCase: true}", "/ab", true),
        ("{uri: {exact: /A}}", "/a", false),
    ];
    for (condition, path, expected) in cases {
        assert_eq!(takes(condition, &get(path)), expected, "{condition} {path}");
    }
}

#[test]
fn methods_hosts_and_schemes() {
    assert!(takes("{method: {exact: GET}}", &get("/")));
    assert!(!takes("{method: {exact: POST}}", &get("/")));
    assert!(takes("{method: {regex: \"GET|HEAD\"}}", &get("/")));
    assert!(takes("{authority: {prefix: sv}}", &get("/")));
    assert!(!takes("{authority: {exact: other}}", &get("/")));
    assert!(takes("{scheme: {exact: http}}", &get("/")));
    assert!(!takes("{scheme: {exact: https}}", &get("/")));
}

#[test]
fn headers_that_are_there_have_a_value_or_are_missing() {
    let with = |value: &str| get("/").with("X-H", value);
    let cases = [
        ("{headers: {x-h: {exact: a}}}", Some("a"), true),
        ("{headers: {X-H: {exact: a}}}", Some("a"), true),
        ("{headers: {x-h: {exact: a}}}", Some("ab"), false),
        ("{headers: {x-h: {exact: a}}}", None, false),
        ("{headers: {x-h: {prefix: a}}}", Some("ab"), true),
        ("{headers: {x-h: {regex: \"a+\"}}}", Some("aa"), true),
        ("{headers: {x-h: {regex: \"a+\"}}}", Some("aab"), false),
        ("{headers: {x-h: {}}}", Some("any"), true),
        ("{headers: {x-h: {}}}", None, false),
        ("{withoutHeaders: {x-h: {}}}", None, true),
        ("{withoutHeaders: {x-h: {}}}", Some("any"), false),
        ("{withoutHeaders: {x-h: {exact: a}}}", None, true),
        ("{withoutHeaders: {x-h: {exact: a}}}", Some("b"), true),
        ("{withoutHeaders: {x-h: {exact: a}}}", Some("a"), false),
    ];
    for (condition, value, expected) in cases {
        let request = value.map_or_else(|| get("/"), with);
        assert_eq!(takes(condition, &request), expected, "{condition} {value:?}");
    }
}

#[test]
fn query_parameters() {
    assert!(takes("{queryParams: {page: {exact: \"1\"}}}", &get("/?page=1")));
    assert!(!takes("{queryParams: {page: {exact: \"1\"}}}", &get("/?page=2")));
    assert!(takes("{queryParams: {page: {regex: \"[0-9]+\"}}}", &get("/?x=y&page=12")));
    assert!(takes("{queryParams: {page: {}}}", &get("/?page=")));
    assert!(!takes("{queryParams: {page: {}}}", &get("/?x=page")));
}

#[test]
fn all_of_a_condition_holds_and_any_of_the_conditions() {
    let one = "{uri: {prefix: /a}, headers: {x: {exact: v}}}";
    assert!(takes(one, &get("/a").with("x", "v")));
    assert!(!takes(one, &get("/a")));
    let service = http(&format!("[{{match: [{{uri: {{exact: /a}}}}, {{uri: {{exact: /b}}}}], {TO_A}}}]"));
    assert_eq!(routes(&service).len(), 2);
    assert_ne!(becomes(&service, &get("/b")), "404");
    assert_eq!(becomes(&service, &get("/c")), "404");
}

#[test]
fn the_first_match_wins_and_nothing_is_written_behind_one_that_takes_everything() {
    let service = http(
        "[{name: one, match: [{uri: {prefix: /a}}], route: [{destination: {host: a}}]}, {name: two, match: [{uri: {prefix: /}}, {uri: {exact: /x}}], route: [{destination: {host: b}}]}, {name: three, route: [{destination: {host: c}}]}]",
    );
    assert!(becomes(&service, &get("/ab")).starts_with("one to "));
    assert!(becomes(&service, &get("/x")).starts_with("two to "));
    let names: Vec<String> = routes(&service).into_iter().map(|route| route.name).collect();
    assert_eq!(names, ["one", "two"]);
}

#[test]
fn conditions_on_the_proxy_are_decided_here() {
    let count = |condition: &str, proxy: &Proxy| {
        proxy.routes(&http(&format!("[{{match: [{condition}], {TO_A}}}]"))).len()
    };
    let on = |port| Proxy { port, ..sidecar() };
    assert_eq!(count("{port: 80}", &on(80)), 1);
    assert_eq!(count("{port: 80}", &on(9000)), 0);
    assert_eq!(count("{sourceLabels: {app: client}}", &sidecar()), 1);
    assert_eq!(count("{sourceLabels: {app: other}}", &sidecar()), 0);
    assert_eq!(count("{sourceLabels: {app: client, version: v1}}", &sidecar()), 0);
    assert_eq!(count("{sourceNamespace: foo}", &sidecar()), 1);
    assert_eq!(count("{sourceNamespace: bar}", &sidecar()), 0);
    assert_eq!(count("{gateways: [mesh]}", &sidecar()), 1);
    assert_eq!(count("{gateways: [gw]}", &sidecar()), 0);
    let gateway = Proxy { gateways: vec!["foo/gw"], ..sidecar() };
    for name in ["gw", "foo/gw"] {
        assert_eq!(count(&format!("{{gateways: [{name}]}}"), &gateway), 1, "{name}");
    }
    assert_eq!(count("{gateways: [bar/gw]}", &gateway), 0);
    assert_eq!(count("{gateways: [mesh]}", &gateway), 0);
}

#[test]
fn a_conditions_name_stands_behind_the_routes() {
    let service = http(&format!("[{{name: r, match: [{{name: m, uri: {{exact: /a}}}}], {TO_A}}}]"));
    assert_eq!(routes(&service)[0].name, "r.m");
}

#[test]
fn claims_are_asked_of_the_token_and_not_of_a_header() {
    let mut service = http(&format!("[{{match: [{{uri: {{exact: /a}}}}], {TO_A}}}]"));
    let condition = &mut service.spec.http[0].matches[0];
    for name in ["@request.auth.claims[group][id]", "@request.auth.claims.group.id"] {
        condition.headers.insert(name.to_owned(), StringMatch::Exact("x".into()));
    }
    let route = &routes(&service)[0];
    assert!(route.matches.headers.is_empty());
    assert_eq!(route.matches.metadata.len(), 2);
    for metadata in &route.matches.metadata {
        assert_eq!(metadata.path, ["payload", "group", "id"]);
    }
}

mod rewriting;

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use weft_model::compile;
use weft_model::matcher::{HeaderMatcher, HeaderValueMatch, Pattern, QueryMatcher, StringMatcher};
use weft_model::route as settings;
use weft_model::route::{Fraction, PathMatch, RouteAction, RouteConfiguration, RouteMatch, VirtualHost};
use weft_model::table::Names;

use super::*;
use crate::sample::Request;

fn rng() -> SmallRng {
    SmallRng::seed_from_u64(7)
}

fn named(name: &str, matches: RouteMatch, action: RouteAction) -> settings::Route {
    settings::Route::new(name, matches, action)
}

fn to(cluster: &str) -> RouteAction {
    RouteAction::Forward(Box::new(settings::Forward::to(cluster)))
}

fn table_of(routes: Vec<settings::Route>) -> RouteTable {
    let host = VirtualHost { name: "h".into(), domains: vec!["*".into()], routes, ..VirtualHost::default() };
    let configuration = RouteConfiguration { virtual_hosts: vec![host], ..RouteConfiguration::default() };
    compile::route_table(&configuration, &mut Names::default()).unwrap().part
}

fn prefix(text: &str) -> RouteMatch {
    RouteMatch::path(PathMatch::Prefix(text.into()))
}

/// The name of the route that takes a request, or what else happens.
fn taken(table: &RouteTable, request: &Request) -> String {
    match route(table, request, 0, &mut rng()) {
        Decision::Forward(Forwarding { route, .. })
        | Decision::Redirect { route, .. }
        | Decision::DirectResponse { route, .. } => route.name.to_string(),
        Decision::TlsRedirect { .. } => "tls".into(),
        Decision::NoHost => "no host".into(),
        Decision::NoRoute { .. } => "no route".into(),
        Decision::Refused { route, .. } => format!("refused by {}", route.name),
    }
}

/// Whether one match takes a request.
fn takes(matches: RouteMatch, request: &Request) -> bool {
    let table = table_of(vec![named("it", matches, to("a"))]);
    taken(&table, request) == "it"
}

#[test]
fn paths_match_by_each_shape() {
    let at = |path: &str| Request::get("h", path);
    let cases = [
        (PathMatch::Prefix("/a".into()), "/ab", true),
        (PathMatch::Prefix("/a".into()), "/b", false),
        (PathMatch::Exact("/a".into()), "/a?x=1", true),
        (PathMatch::Exact("/a".into()), "/a/", false),
        (PathMatch::Exact("/a".into()), "/a#f", true),
        (PathMatch::Regex("/a/[0-9]+".into()), "/a/42?b=c", true),
        (PathMatch::Regex("/a/[0-9]+".into()), "/a/42/x", false),
        (PathMatch::PathSeparatedPrefix("/a".into()), "/a", true),
        (PathMatch::PathSeparatedPrefix("/a".into()), "/a/b", true),
        (PathMatch::PathSeparatedPrefix("/a".into()), "/a?b", true),
        (PathMatch::PathSeparatedPrefix("/a".into()), "/ab", false),
        (PathMatch::Template("/a/*/c".into()), "/a/b/c", true),
        (PathMatch::Template("/a/**".into()), "/a/b/c", true),
        (PathMatch::Connect, "/", false),
    ];
    for (shape, path, expected) in cases {
        let name = format!("{shape:?} on {path}");
        assert_eq!(takes(RouteMatch::path(shape), &at(path)), expected, "{name}");
    }
    let ignoring = |shape| RouteMatch { ignore_case: true, ..RouteMatch::path(shape) };
    assert!(takes(ignoring(PathMatch::Prefix("/Api".into())), &at("/aPI/x")));
    assert!(takes(ignoring(PathMatch::Exact("/Api".into())), &at("/api")));
    assert!(takes(ignoring(PathMatch::PathSeparatedPrefix("/Api".into())), &at("/api/x")));
}

#[test]
fn a_connect_without_a_path_is_meant_by_no_rule_on_paths() {
    let connect = Request::get("h:443", "").method("CONNECT");
    let table = table_of(vec![
        named("all", prefix("/"), to("a")),
        named("regex", RouteMatch::path(PathMatch::Regex(".*".into())), to("a")),
        named("connect", RouteMatch::path(PathMatch::Connect), to("a")),
    ]);
    assert_eq!(taken(&table, &connect), "connect");
}

fn header(name: &str, value: HeaderValueMatch) -> HeaderMatcher {
    HeaderMatcher { name: name.into(), value, invert: false, treat_missing_as_empty: false }
}

fn text(pattern: Pattern) -> HeaderValueMatch {
    HeaderValueMatch::String(pattern.into())
}

#[test]
fn headers_match_by_each_shape() {
    let with = |value: &str| Request::get("h", "/").with("X-A", value);
    let cases = [
        (text(Pattern::Exact("v".into())), "v", true),
        (text(Pattern::Exact("v".into())), "V", false),
        (text(Pattern::Prefix("v".into())), "vw", true),
        (text(Pattern::Suffix("w".into())), "vw", true),
        (text(Pattern::Contains("o".into())), "foo", true),
        (text(Pattern::Regex("[a-z]+".into())), "foo", true),
        (text(Pattern::Regex("[a-z]+".into())), "foo1", false),
        (HeaderValueMatch::Range(1..10), "9", true),
        (HeaderValueMatch::Range(1..10), "10", false),
        (HeaderValueMatch::Range(-5..0), "-3", true),
        (HeaderValueMatch::Range(1..10), "x", false),
        (HeaderValueMatch::Present(true), "", true),
        (HeaderValueMatch::Present(false), "", false),
    ];
    for (value, sent, expected) in cases {
        let name = format!("{value:?} on {sent:?}");
        let matches = RouteMatch { headers: vec![header("x-a", value)], ..prefix("/") };
        assert_eq!(takes(matches, &with(sent)), expected, "{name}");
    }
}

#[test]
fn pseudo_headers_are_headers() {
    let request = Request::get("Api.example:80", "/a?b").https().method("POST");
    for (name, value) in
        [(":method", "POST"), (":scheme", "https"), (":authority", "Api.example:80"), (":path", "/a?b")]
    {
        let matches =
            RouteMatch { headers: vec![header(name, text(Pattern::Exact(value.into())))], ..prefix("/") };
        assert!(takes(matches, &request), "{name}");
    }
}

#[test]
fn a_missing_header_meets_nothing_but_its_absence() {
    let bare = Request::get("h", "/");
    let cases = [
        (HeaderMatcher { invert: true, ..header("x", text(Pattern::Exact("v".into()))) }, false),
        (
            HeaderMatcher {
                treat_missing_as_empty: true,
                ..header("x", text(Pattern::Exact(String::new())))
            },
            true,
        ),
        (
            HeaderMatcher {
                invert: true,
                treat_missing_as_empty: true,
                ..header("x", text(Pattern::Exact("v".into())))
            },
            true,
        ),
        (header("x", HeaderValueMatch::Present(false)), true),
        (HeaderMatcher { invert: true, ..header("x", HeaderValueMatch::Present(true)) }, true),
    ];
    for (matcher, expected) in cases {
        let name = format!("{matcher:?}");
        assert_eq!(takes(RouteMatch { headers: vec![matcher], ..prefix("/") }, &bare), expected, "{name}");
    }
}

#[test]
fn several_values_are_one_joined_by_commas() {
    let twice = Request::get("h", "/").with("x", "a").with("X", "b");
    let exact = |value: &str| RouteMatch {
        headers: vec![header("x", text(Pattern::Exact(value.into())))],
        ..prefix("/")
    };
    assert!(takes(exact("a,b"), &twice));
    assert!(!takes(exact("a"), &twice));
}

#[test]
fn query_parameters_match_by_their_first_value() {
    let query = |value: Option<Pattern>| RouteMatch {
        query: vec![QueryMatcher { name: "page".into(), value: value.map(StringMatcher::from) }],
        ..prefix("/")
    };
    let at = |path: &str| Request::get("h", path);
    assert!(takes(query(None), &at("/?page")));
    assert!(takes(query(None), &at("/?a=b&page=2#f")));
    assert!(!takes(query(None), &at("/page=2")));
    assert!(takes(query(Some(Pattern::Regex("^[0-9]+$".into()))), &at("/?page=2&page=x")));
    assert!(!takes(query(Some(Pattern::Regex("^[0-9]+$".into()))), &at("/?page=x&page=2")));
    assert!(!takes(query(Some(Pattern::Exact("2".into()))), &at("/?pages=2")));
}

#[test]
fn grpc_is_told_by_its_content_type() {
    let grpc = RouteMatch { grpc: true, ..prefix("/") };
    for (kind, expected) in [
        ("application/grpc", true),
        ("application/grpc+proto", true),
        ("application/grpc-web", false),
        ("text/plain", false),
    ] {
        assert_eq!(
            takes(grpc.clone(), &Request::get("h", "/").with("content-type", kind)),
            expected,
            "{kind}"
        );
    }
    assert!(!takes(grpc, &Request::get("h", "/")));
}

#[test]
fn a_share_of_requests_is_taken_and_the_rest_goes_on() {
    let some = RouteMatch { fraction: Some(Fraction { numerator: 25, denominator: 100 }), ..prefix("/") };
    let table = table_of(vec![named("some", some, to("a")), named("rest", prefix("/"), to("b"))]);
    let mut rng = rng();
    let count = (0..4000)
        .filter(|_| match route(&table, &Request::get("h", "/"), 0, &mut rng) {
            Decision::Forward(to) => &*to.route.name == "some",
            _ => unreachable!(),
        })
        .count();
    assert!((900..1100).contains(&count), "{count} of 4000");
}

#[test]
fn weights_are_kept_within_statistics_and_zero_gets_nothing() {
    let of = |name: &str, weight| settings::WeightedCluster {
        name: name.into(),
        weight,
        headers: settings::HeaderOperations::default(),
        host_rewrite: None,
    };
    let target =
        settings::Target::Weighted(vec![of("none", 0), of("v1", 90), of("none too", 0), of("v2", 10)]);
    let forward = settings::Forward { target, ..settings::Forward::to("") };
    let table = table_of(vec![named("w", prefix("/"), RouteAction::Forward(Box::new(forward)))]);
    let mut rng = rng();
    let mut v2 = 0;
    for _ in 0..5000 {
        let Decision::Forward(Forwarding { to: Choice::Cluster(to), .. }) =
            route(&table, &Request::get("h", "/"), 0, &mut rng)
        else {
            unreachable!()
        };
        assert_ne!(to.weight, 0);
        v2 += usize::from(&*to.cluster.name == "v2");
    }
    assert!((420..580).contains(&v2), "{v2} of 5000");
}

#[test]
fn an_undecidable_route_refuses_what_it_may_be_for_and_nothing_else() {
    let broken = RouteMatch {
        headers: vec![header("x", HeaderValueMatch::Present(true))],
        ..RouteMatch::path(PathMatch::Regex("(".into()))
    };
    let table = table_of(vec![named("broken", broken, to("a")), named("rest", prefix("/"), to("b"))]);
    assert_eq!(taken(&table, &Request::get("h", "/").with("x", "1")), "refused by broken");
    assert_eq!(taken(&table, &Request::get("h", "/")), "rest");
    let regex = RouteMatch { headers: vec![header("x", text(Pattern::Regex("a*".into())))], ..prefix("/") };
    let table = table_of(vec![named("regex", regex, to("a")), named("rest", prefix("/"), to("b"))]);
    assert_eq!(taken(&table, &Request::get("h", "/").with("x", b"\xff")), "refused by regex");
}

#[test]
fn plain_requests_of_a_tls_host_are_redirected() {
    let host = VirtualHost {
        domains: vec!["selfmonitor.example".into()],
        require_tls: TlsRequirement::All,
        routes: vec![named("r", prefix("/"), to("a"))],
        ..VirtualHost::default()
    };
    let configuration = RouteConfiguration {
        virtual_hosts: vec![host],
        ignore_port_in_host_matching: true,
        ..RouteConfiguration::default()
    };
    let table = compile::route_table(&configuration, &mut Names::default()).unwrap().part;
    let plain = Request::get("selfmonitor.example:80", "/x?y=1");
    assert_eq!(taken(&table, &plain), "tls");
    let mut out = String::new();
    tls_location(&plain, &mut out);
    assert_eq!(out, "https://selfmonitor.example/x?y=1");
    assert_eq!(taken(&table, &plain.clone().https()), "r");
    assert_eq!(taken(&table, &Request::get("other", "/")), "no host");
}

/// What the recorded mesh's VirtualService of transactions-service says, and what Envoy did with it.
#[test]
fn the_recorded_virtual_service_routes_as_it_was_recorded() {
    let absent = HeaderMatcher { invert: true, ..header("x-internal", HeaderValueMatch::Present(true)) };
    let page = QueryMatcher { name: "page".into(), value: Some(Pattern::Regex("^[0-9]+$".into()).into()) };
    let chaos = vec![
        header("x-chaos", text(Pattern::Prefix("yes".into()))),
        header(":method", text(Pattern::Exact("GET".into()))),
    ];
    let table = table_of(vec![
        named("chaos", RouteMatch { headers: chaos, ..prefix("/") }, to("t")),
        named("legacy", RouteMatch::path(PathMatch::Exact("/old".into())), to("t")),
        named(
            "rewritten",
            RouteMatch { headers: vec![absent], query: vec![page], ..prefix("/api/v1/") },
            to("t"),
        ),
        named("gone", RouteMatch::path(PathMatch::Regex("/gone/.*".into())), to("t")),
        named("default", prefix("/"), to("t")),
    ]);
    let at = |path: &str| Request::get("transactions-service", path);
    for (request, expected) in [
        (at("/old"), "legacy"),
        (at("/old/"), "default"),
        (at("/gone/a"), "gone"),
        (at("/gone"), "default"),
        (at("/api/v1/list?page=2"), "rewritten"),
        (at("/api/v1/list?page=two"), "default"),
        (at("/api/v1/list?page=2").with("x-internal", "1"), "default"),
        (at("/x").with("x-chaos", "yes please"), "chaos"),
        (at("/x").with("x-chaos", "yes please").method("POST"), "default"),
    ] {
        assert_eq!(taken(&table, &request), expected, "{request:?}");
    }
}

/// What a plain reading of a path match says.
fn naive(matches: &RouteMatch, path: &str) -> bool {
    let (own, path) = match matches.ignore_case {
        true => (lower(&matches.path), path.to_ascii_lowercase()),
        false => (matches.path.clone(), path.to_owned()),
    };
    match own {
        PathMatch::Prefix(own) => path.starts_with(&own),
        PathMatch::Exact(own) => path == own,
        PathMatch::PathSeparatedPrefix(own) => path == own || path.starts_with(&format!("{own}/")),
        _ => unreachable!(),
    }
}

fn lower(path: &PathMatch) -> PathMatch {
    match path {
        PathMatch::Prefix(own) => PathMatch::Prefix(own.to_ascii_lowercase()),
        PathMatch::Exact(own) => PathMatch::Exact(own.to_ascii_lowercase()),
        PathMatch::PathSeparatedPrefix(own) => PathMatch::PathSeparatedPrefix(own.to_ascii_lowercase()),
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn the_compiled_table_agrees_with_reading_one_route_after_the_other(
        rules in prop::collection::vec((0u8..3, "(/[abAB]{1,2}){1,3}", any::<bool>(), any::<bool>()), 0..40),
        path in "(/[abAB]{1,2}){0,4}/?",
        tagged: bool,
    ) {
        let tag = || header("x-tag", HeaderValueMatch::Present(true));
        let matches: Vec<RouteMatch> = rules
            .iter()
            .map(|(shape, text, ignore_case, tagged)| {
                let text = text.clone();
                let path = match shape {
                    0 => PathMatch::Prefix(text),
                    1 => PathMatch::Exact(text),
                    _ => PathMatch::PathSeparatedPrefix(text),
                };
                let headers = if *tagged { vec![tag()] } else { Vec::new() };
                RouteMatch { ignore_case: *ignore_case, headers, ..RouteMatch::path(path) }
            })
            .collect();
        prop_assume!(!path.is_empty());
        let routes = matches.iter().enumerate().map(|(n, of)| named(&n.to_string(), of.clone(), to("a"))).collect();
        let request = Request::get("h", format!("{path}?q"));
        let request = if tagged { request.with("x-tag", "1") } else { request };
        let first = matches.iter().position(|of| naive(of, &path) && (of.headers.is_empty() || tagged));
        let expected = first.map_or("no route".to_owned(), |n| n.to_string());
        prop_assert_eq!(taken(&table_of(routes), &request), expected);
    }
}

proptest! {
    #[test]
    fn any_request_gets_a_decision(
        method in "(GET|CONNECT|é|)",
        authority in r"([a-z.:\[\]0-9*]|é){0,12}",
        path in r"(/|\PC|\?|#|%|a){0,16}",
        value in prop::collection::vec(any::<u8>(), 0..6),
    ) {
        let regex = || settings::RegexRewrite { pattern: "a(.)".into(), substitution: r"\1".into() };
        let mut forward = settings::Forward::to("a");
        forward.regex_rewrite = Some(regex());
        let mut prefixed = settings::Forward::to("a");
        prefixed.prefix_rewrite = Some("x".into());
        prefixed.host_rewrite = settings::HostRewrite::Header("x".into());
        let redirect = settings::Redirect {
            path: Some(settings::RedirectPath::Prefix("/n".into())),
            status: 301,
            ..settings::Redirect::default()
        };
        let text = header("x", text(Pattern::Regex("[a-c]+".into())));
        let table = table_of(vec![
            named("connect", RouteMatch::path(PathMatch::Connect), to("a")),
            named("regex", RouteMatch { headers: vec![text], ..prefix("/a") }, RouteAction::Forward(Box::new(forward))),
            named("template", RouteMatch::path(PathMatch::Template("/*/a/**".into())), RouteAction::Redirect(redirect)),
            named("é", RouteMatch { ignore_case: true, ..prefix("/É") }, RouteAction::Forward(Box::new(prefixed))),
            named("rest", RouteMatch { query: vec![QueryMatcher { name: "a".into(), value: None }], ..prefix("") }, to("a")),
        ]);
        let request = Request::get(&authority, &path).method(&method).with("x", &value);
        let mut out = String::new();
        match route(&table, &request, 0, &mut rng()) {
            Decision::Forward(to) => {
                rewritten_path(&to, &request, &mut out);
                rewritten_host(&to, &request);
            }
            Decision::Redirect { route, redirect, .. } => location(route, redirect, &request, &mut out),
            other => drop(format!("{other:?}")),
        }
        tls_location(&request, &mut out);
        crate::path::normalize(&path, weft_model::http::PathNormalization {
            normalize: true,
            merge_slashes: true,
            escaped_slashes: weft_model::http::EscapedSlashes::UnescapeAndForward,
        });
    }
}

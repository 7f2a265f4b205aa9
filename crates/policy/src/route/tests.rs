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
    settings::Route {
        name: name.into(),
        matches,
        action,
        headers: settings::HeaderOperations::default(),
        config: String::new(),
        operation: String::new(),
        fault: None,
        cors: None,
    }
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
    match route(table, request, &mut rng()) {
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
        .filter(|_| match route(&table, &Request::get("h", "/"), &mut rng) {
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
            route(&table, &Request::get("h", "/"), &mut rng)
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

fn rewritten(matches: RouteMatch, change: impl Fn(&mut settings::Forward), path: &str) -> Option<String> {
    let mut forward = settings::Forward::to("a");
    change(&mut forward);
    let table = table_of(vec![named("r", matches, RouteAction::Forward(Box::new(forward)))]);
    let request = Request::get("h", path);
    let Decision::Forward(to) = route(&table, &request, &mut rng()) else {
        unreachable!("no forward of {path}")
    };
    let mut out = String::new();
    rewritten_path(&to, &request, &mut out).then_some(out)
}

#[test]
fn a_prefix_rewrite_replaces_what_matched_and_keeps_the_query() {
    let to_root = |forward: &mut settings::Forward| forward.prefix_rewrite = Some("/".into());
    assert_eq!(
        rewritten(prefix("/api/v1/"), to_root, "/api/v1/list?page=2").as_deref(),
        Some("/list?page=2")
    );
    assert_eq!(rewritten(prefix("/"), to_root, "/list"), None, "nothing changed");
    let exact = RouteMatch::path(PathMatch::Exact("/a".into()));
    assert_eq!(rewritten(exact, to_root, "/a?x").as_deref(), Some("/?x"));
    let regex = RouteMatch::path(PathMatch::Regex("/.*".into()));
    assert_eq!(rewritten(regex, to_root, "/a/b?x").as_deref(), Some("/?x"));
    let bare = |forward: &mut settings::Forward| forward.prefix_rewrite = Some("v2".into());
    assert_eq!(rewritten(prefix("/v1"), bare, "/v1/x").as_deref(), Some("/v2/x"), "it stays a path");
}

#[test]
fn a_regex_rewrite_substitutes_groups_in_the_path_alone() {
    let change = |forward: &mut settings::Forward| {
        forward.regex_rewrite = Some(settings::RegexRewrite {
            pattern: "^/service/([^/]+)(/.*)$".into(),
            substitution: r"\2/instance/\1".into(),
        });
    };
    let path = "/service/foo/v1/api?q=/service/x/";
    assert_eq!(rewritten(prefix("/"), change, path).as_deref(), Some("/v1/api/instance/foo?q=/service/x/"));
    assert_eq!(rewritten(prefix("/"), change, "/other"), None);
}

#[test]
fn a_template_rewrite_carries_its_variables_over() {
    let change = |forward: &mut settings::Forward| forward.template_rewrite = Some("/{rest}/{lang}".into());
    let matches = RouteMatch::path(PathMatch::Template("/{lang}/{rest=**}".into()));
    assert_eq!(rewritten(matches, change, "/en/a/b?q").as_deref(), Some("/a/b/en?q"));
}

#[test]
fn the_host_becomes_what_the_most_specific_rule_says() {
    let mut forward = settings::Forward::to("a");
    forward.host_rewrite = settings::HostRewrite::Header("x-host".into());
    let table = table_of(vec![named("r", prefix("/"), RouteAction::Forward(Box::new(forward.clone())))]);
    let host = |table: &RouteTable, request: &Request| {
        let Decision::Forward(to) = route(table, request, &mut rng()) else { unreachable!() };
        rewritten_host(&to, request).map(str::to_owned)
    };
    assert_eq!(host(&table, &Request::get("h", "/").with("x-host", "b")).as_deref(), Some("b"));
    assert_eq!(host(&table, &Request::get("h", "/")), None);
    forward.host_rewrite = settings::HostRewrite::Literal("c".into());
    forward.target = settings::Target::Weighted(vec![settings::WeightedCluster {
        name: "a".into(),
        weight: 1,
        headers: settings::HeaderOperations::default(),
        host_rewrite: Some("d".into()),
    }]);
    let table = table_of(vec![named("r", prefix("/"), RouteAction::Forward(Box::new(forward)))]);
    assert_eq!(host(&table, &Request::get("h", "/")).as_deref(), Some("d"));
}

#[test]
fn redirects_say_where_as_envoy_does() {
    use settings::{Redirect, RedirectPath};
    let none = Redirect::default();
    let located = |redirect: &Redirect, request: &Request| {
        let table = table_of(vec![named("r", prefix("/old"), RouteAction::Redirect(redirect.clone()))]);
        let Decision::Redirect { route, redirect, .. } = route(&table, request, &mut rng()) else {
            unreachable!()
        };
        let mut out = String::new();
        location(route, redirect, request, &mut out);
        out
    };
    let plain = |authority: &str| Request::get(authority, "/old/x?q=1");
    let path = |path: RedirectPath| Redirect { path: Some(path), ..none.clone() };
    let host = |host: &str| Redirect { host: Some(host.into()), ..none.clone() };
    let https = Redirect { https: true, ..none.clone() };
    let cases = [
        (none.clone(), plain("h"), "http://h/old/x?q=1"),
        (https.clone(), plain("h:80"), "https://h/old/x?q=1"),
        (https.clone(), plain("h:8080"), "https://h:8080/old/x?q=1"),
        (https, plain("h:443").https(), "https://h:443/old/x?q=1"),
        (
            Redirect { scheme: Some("http".into()), ..none.clone() },
            plain("h:443").https(),
            "http://h/old/x?q=1",
        ),
        (host("n.example"), plain("h:80"), "http://n.example/old/x?q=1"),
        (Redirect { port: Some(8443), ..none.clone() }, plain("h:80"), "http://h:8443/old/x?q=1"),
        (Redirect { port: Some(81), ..host("n") }, plain("h"), "http://n:81/old/x?q=1"),
        (path(RedirectPath::Full("/new".into())), plain("h"), "http://h/new?q=1"),
        (path(RedirectPath::Full("/new?own=1".into())), plain("h"), "http://h/new?own=1"),
        (path(RedirectPath::Prefix("/new".into())), plain("h"), "http://h/new/x?q=1"),
        (
            path(RedirectPath::Regex(settings::RegexRewrite {
                pattern: "old/(.)".into(),
                substitution: r"\1/new".into(),
            })),
            plain("h"),
            "http://h/x/new?q=1",
        ),
        (Redirect { strip_query: true, ..none }, plain("h"), "http://h/old/x"),
    ];
    for (redirect, request, expected) in cases {
        assert_eq!(located(&redirect, &request), expected, "{redirect:?} of {request:?}");
    }
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
        let request = Request::get("h", &format!("{path}?q"));
        let request = if tagged { request.with("x-tag", "1") } else { request };
        let first = matches.iter().position(|of| naive(of, &path) && (of.headers.is_empty() || tagged));
        let expected = first.map_or("no route".to_owned(), |n| n.to_string());
        prop_assert_eq!(taken(&table_of(routes), &request), expected);
    }
}

use super::*;

fn rewritten(matches: RouteMatch, change: impl Fn(&mut settings::Forward), path: &str) -> Option<String> {
    let mut forward = settings::Forward::to("a");
    change(&mut forward);
    let table = table_of(vec![named("r", matches, RouteAction::Forward(Box::new(forward)))]);
    let request = Request::get("h", path);
    let Decision::Forward(to) = route(&table, &request, 0, &mut rng()) else {
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
        let Decision::Forward(to) = route(table, request, 0, &mut rng()) else { unreachable!() };
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
        let Decision::Redirect { route, redirect, .. } = route(&table, request, 0, &mut rng()) else {
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

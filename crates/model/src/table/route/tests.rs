use crate::compile;
use crate::route::{PathMatch, Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost};
use crate::table::Names;
use crate::table::route::{RouteTable, without_port};

fn table(domains: &[(&str, &[&str])], ignore_port: bool) -> RouteTable {
    let host = |(name, domains): &(&str, &[&str])| VirtualHost {
        name: (*name).to_owned(),
        domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
        ..VirtualHost::default()
    };
    let configuration = RouteConfiguration {
        virtual_hosts: domains.iter().map(host).collect(),
        ignore_port_in_host_matching: ignore_port,
        ..RouteConfiguration::default()
    };
    compile::route_table(&configuration, &mut Names::default()).unwrap().part
}

fn host<'a>(table: &'a RouteTable, authority: &str) -> Option<&'a str> {
    table.host(authority).map(|host| &*host.name)
}

#[test]
fn exact_comes_before_suffix_before_prefix_before_any() {
    let hosts: [(&str, &[&str]); 6] = [
        ("any", &["*"]),
        ("prefix", &["api.*"]),
        ("suffix", &["*.example"]),
        ("longer", &["*.b.example", "*-x.b.example"]),
        ("longest prefix", &["api.b.*"]),
        ("exact", &["api.example", "API.b.example"]),
    ];
    let table = table(&hosts, false);
    for (authority, expected) in [
        ("api.example", "exact"),
        ("api.B.example", "exact"),
        ("a.example", "suffix"),
        ("a.b.example", "longer"),
        ("a-x.b.example", "longer"),
        ("api.other", "prefix"),
        ("api.b.other", "longest prefix"),
        (".example", "any"),
        ("api.", "any"),
        ("api.example:80", "prefix"),
        ("", "any"),
    ] {
        assert_eq!(host(&table, authority), Some(expected), "{authority}");
    }
}

#[test]
fn without_a_catch_all_a_strange_host_has_none() {
    let table = table(&[("a", &["a.example"])], false);
    assert_eq!(host(&table, "b.example"), None);
    assert_eq!(host(&table, "a.example:80"), None);
}

#[test]
fn the_port_does_not_count_where_it_should_not() {
    let table = table(&[("a", &["a.example", "[::1]"])], true);
    assert_eq!(host(&table, "a.example:8080"), Some("a"));
    assert_eq!(host(&table, "A.Example:1"), Some("a"));
    assert_eq!(host(&table, "[::1]:80"), Some("a"));
    assert_eq!(host(&table, "a.example:"), None);
    assert_eq!(host(&table, "a.example:8o"), None);
}

#[test]
fn only_digits_after_the_last_colon_are_a_port() {
    for (authority, host) in [
        ("a:80", "a"),
        ("a", "a"),
        ("[::1]:80", "[::1]"),
        ("[::1]", "[::1]"),
        ("::1", "::1"),
        ("a:x", "a:x"),
        (":80", ""),
    ] {
        assert_eq!(without_port(authority), host);
    }
}

#[test]
fn two_hosts_of_one_domain_are_refused_by_name() {
    let host = |name: &str| VirtualHost {
        name: name.to_owned(),
        domains: vec!["a.example".to_owned()],
        ..VirtualHost::default()
    };
    let configuration = RouteConfiguration {
        name: "80".to_owned(),
        virtual_hosts: vec![host("one"), host("two")],
        ..RouteConfiguration::default()
    };
    let error = compile::route_table(&configuration, &mut Names::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "route configuration 80: virtual_hosts[1].domains: \"a.example\" of \"two\" is a domain of \"one\" already"
    );
}

#[test]
fn the_index_keeps_the_order_of_routes() {
    let path = |path| {
        Route::new("", RouteMatch::path(path), RouteAction::DirectResponse { status: 200, body: Vec::new() })
    };
    let mut routes: Vec<Route> = (0..20).map(|n| path(PathMatch::Exact(format!("/{n}")))).collect();
    routes.insert(3, path(PathMatch::Regex("/1.*".into())));
    routes.insert(7, path(PathMatch::Prefix("/".into())));
    routes.push(path(PathMatch::Prefix("/1".into())));
    for (number, route) in routes.iter_mut().enumerate() {
        route.name = number.to_string();
    }
    let virtual_hosts = vec![VirtualHost { domains: vec!["*".into()], routes, ..VirtualHost::default() }];
    let configuration = RouteConfiguration { virtual_hosts, ..RouteConfiguration::default() };
    let table = compile::route_table(&configuration, &mut Names::default()).unwrap().part;
    let candidates: Vec<&str> =
        table.host("x").unwrap().candidates("/12").map(|route| &*route.name).collect();
    assert_eq!(candidates, ["3", "7", "14", "22"]);
}

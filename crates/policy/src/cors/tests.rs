use weft_model::compile;
use weft_model::matcher::{Pattern, StringMatcher};
use weft_model::route as settings;
use weft_model::table::Names;

use super::*;
use crate::sample::Request;

/// The policy of the recorded mesh.
fn recorded() -> settings::Cors {
    settings::Cors {
        allow_origins: vec![
            StringMatcher::exact("https://app.example"),
            Pattern::Regex(r"https://.*\.app\.example".into()).into(),
        ],
        allow_methods: "GET,POST".into(),
        allow_headers: "authorization".into(),
        max_age: "86400".into(),
        allow_credentials: Some(true),
        ..settings::Cors::default()
    }
}

fn compiled(cors: settings::Cors) -> Cors {
    let route = settings::Route {
        cors: Some(cors),
        ..settings::Route::new(
            "",
            settings::RouteMatch::path(settings::PathMatch::Prefix("/".into())),
            settings::RouteAction::Forward(Box::new(settings::Forward::to("a"))),
        )
    };
    let host = settings::VirtualHost { domains: vec!["*".into()], routes: vec![route], ..Default::default() };
    let configuration = settings::RouteConfiguration { virtual_hosts: vec![host], ..Default::default() };
    let table = compile::route_table(&configuration, &mut Names::default()).unwrap().part;
    table.hosts[0].routes[0].cors.clone().unwrap()
}

fn from(origin: &str) -> Request {
    Request::get("transactions-service", "/x").with("origin", origin)
}

fn preflight(origin: &str) -> Request {
    from(origin).method("OPTIONS").with("access-control-request-method", "POST")
}

fn said(cors: &Cors, request: &Request) -> String {
    let headers = |grant: Grant<'_>| {
        let all: Vec<String> = grant.headers().map(|(name, value)| format!("{name}: {value}")).collect();
        all.join("; ").replace("access-control-", "")
    };
    match decide(cors, request) {
        Decision::Nothing => "nothing".into(),
        Decision::Withheld(grant) => format!("withheld {}", headers(grant)),
        Decision::Preflight(grant) => format!("200 {}", headers(grant)),
        Decision::Granted(grant) => format!("+ {}", headers(grant)),
    }
}

#[test]
fn the_recorded_preflight_is_answered_as_recorded() {
    let answer = "200 allow-origin: https://app.example; allow-credentials: true; allow-methods: GET,POST; allow-headers: authorization; max-age: 86400";
    assert_eq!(said(&compiled(recorded()), &preflight("https://app.example")), answer);
}

#[test]
fn answers_to_an_allowed_origin_are_marked() {
    let cors = compiled(settings::Cors { expose_headers: "x-a".into(), ..recorded() });
    let granted = "+ allow-origin: https://b.app.example; allow-credentials: true; expose-headers: x-a";
    assert_eq!(said(&cors, &from("https://b.app.example")), granted);
    assert_eq!(
        said(&cors, &from("https://b.app.example").method("OPTIONS")),
        granted,
        "it asks for no method"
    );
}

#[test]
fn strangers_get_nothing_and_their_preflights_go_on_unless_switched_off() {
    let cors = compiled(recorded());
    for origin in ["https://evil.example", "https://b.app.example.evil", "xhttps://b.app.example", "", "null"]
    {
        assert_eq!(said(&cors, &from(origin)), "nothing", "{origin}");
        assert_eq!(said(&cors, &preflight(origin)), "nothing", "{origin}");
    }
    assert_eq!(said(&cors, &Request::get("h", "/")), "nothing");
    let strict = compiled(settings::Cors { forward_not_matching_preflights: Some(false), ..recorded() });
    let withheld = "withheld allow-credentials: true; allow-methods: GET,POST; allow-headers: authorization; max-age: 86400";
    assert_eq!(said(&strict, &preflight("https://evil.example")), withheld);
}

#[test]
fn an_origin_that_is_repeated_is_none() {
    let cors = compiled(recorded());
    assert_eq!(said(&cors, &from("https://evil.example").with("origin", "https://app.example")), "nothing");
}

#[test]
fn a_star_allows_every_origin_and_a_bad_regex_none() {
    let star = settings::Cors { allow_origins: vec![StringMatcher::exact("*")], ..settings::Cors::default() };
    assert_eq!(said(&compiled(star), &from("https://any.example")), "+ allow-origin: https://any.example");
    let bad = settings::Cors {
        allow_origins: vec![Pattern::Regex("(".into()).into()],
        ..settings::Cors::default()
    };
    assert_eq!(said(&compiled(bad), &from("(")), "nothing");
}

#[test]
fn a_star_for_methods_and_headers_is_what_the_preflight_asks_for() {
    let cors = compiled(settings::Cors {
        allow_methods: "*".into(),
        allow_headers: "*".into(),
        expose_headers: "*".into(),
        ..recorded()
    });
    let asked = preflight("https://app.example").with("access-control-request-headers", "x-a,x-b");
    let answer = "200 allow-origin: https://app.example; allow-credentials: true; allow-methods: POST; allow-headers: x-a,x-b; max-age: 86400; expose-headers: *";
    assert_eq!(said(&cors, &asked), answer);
}

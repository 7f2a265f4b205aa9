use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::*;

use crate::limit::{LocalRateLimit, TokenBucket};
use crate::matcher::HeaderMatcher;
use crate::matcher::{HeaderValueMatch, Pattern, QueryMatcher, StringMatcher};
use crate::route::{PathMatch, RouteConfiguration, RouteMatch, VirtualHost, WeightedCluster};

fn one_route(
    matches: RouteMatch,
    action: settings::RouteAction,
) -> Result<Compiled<RouteTable>, CompileError> {
    one(settings::Route::new("r", matches, action))
}

fn one(route: settings::Route) -> Result<Compiled<RouteTable>, CompileError> {
    one_of(route, &mut Names::default())
}

fn one_of(route: settings::Route, names: &mut Names) -> Result<Compiled<RouteTable>, CompileError> {
    let host = VirtualHost { domains: vec!["*".into()], routes: vec![route], ..VirtualHost::default() };
    let configuration =
        RouteConfiguration { name: "80".into(), virtual_hosts: vec![host], ..RouteConfiguration::default() };
    route_table(&configuration, names)
}

fn answer() -> settings::RouteAction {
    settings::RouteAction::DirectResponse { status: 200, body: Vec::new() }
}

#[test]
fn a_bad_regex_anywhere_in_a_match_is_told_with_its_place() {
    let bad = || StringMatcher::from(Pattern::Regex("(".into()));
    let header = HeaderMatcher {
        name: "x".into(),
        value: HeaderValueMatch::String(bad()),
        invert: false,
        treat_missing_as_empty: false,
    };
    let any = || RouteMatch::path(PathMatch::Prefix("/".into()));
    let query = QueryMatcher { name: "q".into(), value: Some(bad()) };
    for matches in [
        RouteMatch::path(PathMatch::Regex("(".into())),
        RouteMatch { headers: vec![header], ..any() },
        RouteMatch { query: vec![query], ..any() },
    ] {
        let compiled = one_route(matches, answer()).unwrap();
        let [warning] = &compiled.warnings[..] else { unreachable!("{:?}", compiled.warnings) };
        assert_eq!(warning.resource, "route configuration 80");
        assert_eq!(warning.field, "virtual_hosts[0].routes[0].match");
        assert!(warning.message.contains("answers 500"), "{warning}");
    }
}

#[test]
fn weights_that_add_up_to_nothing_are_refused() {
    let of = |weight| WeightedCluster {
        name: "a".into(),
        weight,
        headers: settings::HeaderOperations::default(),
        host_rewrite: None,
    };
    let forward = |weights: &[u32]| {
        let target = settings::Target::Weighted(weights.iter().map(|weight| of(*weight)).collect());
        settings::RouteAction::Forward(Box::new(settings::Forward { target, ..settings::Forward::to("") }))
    };
    let any = || RouteMatch::path(PathMatch::Prefix("/".into()));
    assert!(one_route(any(), forward(&[0, 0])).is_err());
    assert!(one_route(any(), forward(&[])).is_err());
    assert!(one_route(any(), forward(&[0, 1])).is_ok());
}

#[test]
fn whose_turn_it_is_and_what_is_left_outlive_a_change_of_weights() {
    let mut names = Names::default();
    let mut compiled = |weight: u32| {
        let of = |name: &str, weight| WeightedCluster {
            name: name.into(),
            weight,
            headers: settings::HeaderOperations::default(),
            host_rewrite: None,
        };
        let target = settings::Target::Weighted(vec![of("a", 100 - weight), of("b", weight)]);
        let forward = settings::Forward { target, ..settings::Forward::to("") };
        let matches = RouteMatch::path(PathMatch::Prefix("/".into()));
        let mut route = settings::Route::new("r", matches, settings::RouteAction::Forward(Box::new(forward)));
        route.limit = Some(LocalRateLimit {
            stat_prefix: String::new(),
            bucket: Some(TokenBucket {
                max_tokens: 9,
                tokens_per_fill: 1,
                fill_interval: Duration::from_secs(1),
            }),
            enabled: settings::Fraction { numerator: 1, denominator: 1 },
            enforced: settings::Fraction { numerator: 1, denominator: 1 },
            status: 429,
            headers: true,
            resource_exhausted: false,
        });
        let table = one_of(route, &mut names).unwrap().part;
        let route = &table.hosts[0].routes[0];
        let Action::Forward(forward) = &route.action else { unreachable!("{:?}", route.action) };
        let Target::Weighted { turns, .. } = &forward.target else { unreachable!("{:?}", forward.target) };
        (turns.clone(), route.limit.as_ref().unwrap().left.clone())
    };
    let (before, after) = (compiled(10), compiled(20));
    assert!(Arc::ptr_eq(&before.0, &after.0) && Arc::ptr_eq(&before.1, &after.1));
    let [one, other] = before.0.each(|turn| turn.load(Relaxed));
    assert_ne!(one, other, "lanes do not begin alike");
}

#[test]
fn an_action_that_cannot_be_done_compiles_to_a_refusal() {
    let rewrite = settings::RegexRewrite { pattern: "a".into(), substitution: r"\9".into() };
    let mut to = settings::Forward::to("a");
    to.regex_rewrite = Some(rewrite.clone());
    let mut template = settings::Forward::to("a");
    template.template_rewrite = Some("/{x}".into());
    let redirect = settings::Redirect {
        path: Some(settings::RedirectPath::Regex(rewrite)),
        ..settings::Redirect::default()
    };
    for action in [
        settings::RouteAction::Forward(Box::new(to)),
        settings::RouteAction::Forward(Box::new(template)),
        settings::RouteAction::Redirect(redirect),
        settings::RouteAction::Unknown("filter action".into()),
    ] {
        let compiled = one_route(RouteMatch::path(PathMatch::Prefix("/".into())), action).unwrap();
        assert_eq!(compiled.warnings.len(), 1);
        assert!(matches!(compiled.part.hosts[0].routes[0].action, Action::Refuse(_)));
    }
}

#[test]
fn a_route_by_claims_never_matches_while_no_token_is_verified() {
    let claim = |filter: &str, invert| MetadataMatcher {
        filter: filter.into(),
        path: vec!["payload".into(), "group".into()],
        value: MetadataValue::String(StringMatcher::exact("admin")),
        invert,
    };
    let path = |metadata| {
        let matches =
            RouteMatch { metadata: vec![metadata], ..RouteMatch::path(PathMatch::Prefix("/".into())) };
        one_route(matches, answer()).unwrap().part.hosts[0].routes[0].path.clone()
    };
    let jwt = "envoy.filters.http.jwt_authn";
    assert!(matches!(path(claim(jwt, false)), Path::Never));
    assert!(matches!(path(claim(jwt, true)), Path::Prefix { .. }));
    assert!(matches!(path(claim("other", false)), Path::Broken(_)));
}

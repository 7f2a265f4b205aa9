mod agreement;

use weft_model::compile;
use weft_model::matcher::{
    HeaderMatcher, HeaderValueMatch, MetadataMatcher, MetadataValue, Pattern, StringMatcher,
};
use weft_model::rbac::{self as settings, Permission, Principal, Rbac};
use weft_model::request::Peer;

use super::*;
use crate::sample::{Request, from, peer};

const SPIFFE: &str = "spiffe://cluster.local/ns/selfmonitor/sa/";

fn policy(permissions: Vec<Permission>, principals: Vec<Principal>) -> settings::Policy {
    settings::Policy { permissions, principals, has_condition: false }
}

fn rbac(action: Action, policies: Vec<(&str, settings::Policy)>) -> Rbac {
    Rbac { action, policies: policies.into_iter().map(|(name, policy)| (name.to_owned(), policy)).collect() }
}

fn gate(filter: &settings::RbacFilter) -> Gate {
    Gate::Rbac(Box::new(compile::rbac_filter(filter, "test").part))
}

fn gates(rules: Vec<Rbac>) -> Vec<Gate> {
    let filter = |rules| settings::RbacFilter { rules: Some(rules), ..settings::RbacFilter::default() };
    rules.into_iter().map(|rules| gate(&filter(rules))).collect()
}

fn header(name: &str, pattern: Pattern) -> Permission {
    Permission::Header(HeaderMatcher {
        name: name.into(),
        value: HeaderValueMatch::String(pattern.into()),
        invert: false,
        treat_missing_as_empty: false,
    })
}

fn method(method: &str) -> Permission {
    header(":method", Pattern::Exact(method.into()))
}

fn path(pattern: Pattern) -> Permission {
    Permission::UrlPath(pattern.into())
}

fn account(name: &str) -> Principal {
    Principal::Authenticated(Some(StringMatcher::exact(format!("{SPIFFE}{name}"))))
}

#[test]
fn what_a_rule_would_have_allowed_but_for_one_thing_is_found() {
    let rules = vec![
        ("a", policy(vec![method("GET")], vec![account("web")])),
        ("b", policy(vec![method("POST")], vec![account("api")])),
        ("c", policy(vec![method("PATCH")], vec![claim()])),
        ("d", policy(vec![path(Pattern::Exact("/healthz".into()))], vec![Principal::Any])),
        ("e", policy(vec![Permission::Any], vec![account("admin")])),
    ];
    let gates = gates(vec![rbac(Action::Allow, rules)]);
    let found = |method: &str, caller: &str| {
        let (peer, asked) = (peer(caller), Request::get("h", "/x").method(method));
        let from = from(Some(&peer));
        let Verdict::Denied(Denial::NoneMatched { policies }) = request(&gates, &asked, &from).verdict else {
            return None;
        };
        near(policies, &asked, &from)
    };
    let near = |policy, lacks| Some(Near { policy, lacks });
    assert_eq!(found("GET", "web"), None, "it is allowed");
    assert_eq!(found("POST", "web"), near("a", Lacks::Permission), "who calls comes before what for");
    assert_eq!(found("GET", "api"), near("b", Lacks::Permission));
    assert_eq!(found("POST", "stranger"), near("b", Lacks::Principal));
    assert_eq!(found("PATCH", "stranger"), None, "nobody knows whether it is the one of that claim");
    assert_eq!(found("PUT", "stranger"), None, "what holds for everybody or everything is near to all");
}

fn claim() -> Principal {
    Principal::Metadata(MetadataMatcher {
        filter: "envoy.filters.http.jwt_authn".into(),
        path: vec!["payload".into(), "iss".into()],
        value: MetadataValue::String(StringMatcher::exact("https://issuer.example")),
        invert: false,
    })
}

/// What one rule set says of a request of `who`: `ok`, the policy's name, or `none`.
fn says(gates: &[Gate], who: Option<&Peer>, request: &Request) -> String {
    match super::request(gates, request, &from(who)).verdict {
        Verdict::Allowed { policy } => policy.unwrap_or("ok").to_owned(),
        Verdict::Denied(Denial::Policy { policy }) => format!("denied by {policy}"),
        Verdict::Denied(Denial::Undecided { policy, .. }) => format!("denied by {policy}, undecided"),
        Verdict::Denied(Denial::NoneMatched { .. }) => "none matched".into(),
        Verdict::Denied(Denial::Custom { provider }) => format!("custom {provider}"),
    }
}

fn get(path: &str) -> Request {
    Request::get("auth-service", path)
}

/// One ALLOW and one DENY on the same permission, of anybody.
fn both(permission: &Permission) -> (Vec<Gate>, Vec<Gate>) {
    let of = |action| {
        gates(vec![rbac(action, vec![("p", policy(vec![permission.clone()], vec![Principal::Any]))])])
    };
    (of(Action::Allow), of(Action::Deny))
}

/// auth-service of the recorded mesh: POST /token, /register, /login* and GET */health for nginx-gateway, else deny.
fn auth_service() -> Vec<Gate> {
    let or = |of: Vec<Permission>| Permission::Or(of);
    let post = Permission::And(vec![
        or(vec![method("POST")]),
        or(vec![
            path(Pattern::Exact("/token".into())),
            path(Pattern::Exact("/register".into())),
            path(Pattern::Prefix("/login".into())),
        ]),
    ]);
    let health =
        Permission::And(vec![or(vec![method("GET")]), or(vec![path(Pattern::Suffix("/health".into()))])]);
    let nginx = Principal::And(vec![Principal::Or(vec![account("nginx-gateway")])]);
    let nobody = policy(
        vec![Permission::Not(Box::new(Permission::Any))],
        vec![Principal::Not(Box::new(Principal::Any))],
    );
    let rules = vec![("deny-by-default", nobody), ("auth", policy(vec![post, health], vec![nginx]))];
    gates(vec![rbac(Action::Allow, rules)])
}

#[test]
fn the_recorded_policies_of_auth_service_decide_as_recorded() {
    let gates = auth_service();
    let (nginx, fraud) = (peer("nginx-gateway"), peer("fraud-detection"));
    for (who, request, expected) in [
        (Some(&nginx), get("/token").method("POST"), "auth"),
        (Some(&nginx), get("/token"), "none matched"),
        (Some(&fraud), get("/token").method("POST"), "none matched"),
        (Some(&nginx), get("/login/start").method("POST"), "auth"),
        (Some(&nginx), get("/deep/health"), "auth"),
        (Some(&nginx), get("/token?x=/health").method("POST"), "auth"),
        (Some(&nginx), get("/other?x=/health"), "none matched"),
        (Some(&nginx), get("/other#/health"), "none matched"),
        (None, get("/token").method("POST"), "none matched"),
    ] {
        assert_eq!(says(&gates, who, &request), expected, "{request:?}");
    }
}

#[test]
fn the_recorded_templates_of_user_profile_service_decide_as_recorded() {
    let paths = Permission::Or(vec![
        Permission::UriTemplate("/profiles/*/risk".into()),
        Permission::UriTemplate("/profiles/**".into()),
    ]);
    // notPaths /profiles/*/secret is a literal star: it never matches.
    let not =
        Permission::Not(Box::new(Permission::Or(vec![path(Pattern::Exact("/profiles/*/secret".into()))])));
    let permission = Permission::And(vec![method("GET"), paths, not]);
    let who = Principal::Or(vec![account("predictive-analytics"), account("fraud-detection")]);
    let gates = gates(vec![rbac(Action::Allow, vec![("p", policy(vec![permission], vec![who]))])]);
    let fraud = peer("fraud-detection");
    for (request, expected) in [
        (get("/profiles/7/risk"), "p"),
        (get("/profiles/7/a/b"), "p"),
        (get("/profiles/7/secret"), "p"),
        (get("/profiles/7/risk").method("POST"), "none matched"),
        (get("/other"), "none matched"),
    ] {
        assert_eq!(says(&gates, Some(&fraud), &request), expected, "{request:?}");
    }
}

#[test]
fn denies_come_first_and_without_any_allow_everything_else_passes() {
    let deletes =
        rbac(Action::Deny, vec![("no-deletes", policy(vec![method("DELETE")], vec![Principal::Any]))]);
    let all = rbac(Action::Allow, vec![("all", policy(vec![Permission::Any], vec![Principal::Any]))]);
    let only = gates(vec![deletes.clone()]);
    assert_eq!(says(&only, None, &get("/")), "ok");
    assert_eq!(says(&only, None, &get("/").method("DELETE")), "denied by no-deletes");
    let two = gates(vec![deletes, all]);
    assert_eq!(says(&two, None, &get("/")), "all");
    assert_eq!(says(&two, None, &get("/").method("DELETE")), "denied by no-deletes");
}

#[test]
fn no_policies_allow_nobody_and_deny_nobody() {
    assert_eq!(says(&gates(vec![rbac(Action::Allow, vec![])]), None, &get("/")), "none matched");
    assert_eq!(says(&gates(vec![rbac(Action::Deny, vec![])]), None, &get("/")), "ok");
    assert_eq!(says(&[], None, &get("/")), "ok");
    let empty = gates(vec![rbac(Action::Allow, vec![("p", settings::Policy::default())])]);
    assert_eq!(says(&empty, None, &get("/")), "none matched");
}

#[test]
fn what_is_unknown_never_allows_and_always_denies_also_through_not() {
    let not = |principal| Principal::Not(Box::new(principal));
    let unknown = || Principal::Unknown("x".into());
    let filter_state = Principal::FilterState { key: "other".into(), value: StringMatcher::exact("x") };
    let broken = Principal::Authenticated(Some(Pattern::Regex("(".into()).into()));
    let cases = [
        claim(),
        not(claim()),
        not(not(claim())),
        unknown(),
        filter_state,
        not(broken),
        Principal::And(vec![Principal::Any, claim()]),
        Principal::Or(vec![not(Principal::Any), claim()]),
    ];
    for principal in cases {
        let of = |action| {
            gates(vec![rbac(action, vec![("p", policy(vec![Permission::Any], vec![principal.clone()]))])])
        };
        assert_eq!(says(&of(Action::Allow), None, &get("/")), "none matched", "{principal:?}");
        assert_eq!(says(&of(Action::Deny), None, &get("/")), "denied by p, undecided", "{principal:?}");
    }
    let mut conditional = policy(vec![Permission::Any], vec![Principal::Any]);
    conditional.has_condition = true;
    let of = |action| gates(vec![rbac(action, vec![("p", conditional.clone())])]);
    assert_eq!(says(&of(Action::Allow), None, &get("/")), "none matched");
    assert_eq!(says(&of(Action::Deny), None, &get("/")), "denied by p, undecided");
}

#[test]
fn what_is_known_decides_before_what_is_not() {
    let decided_no = Principal::And(vec![claim(), Principal::Not(Box::new(Principal::Any))]);
    let decided_yes = Principal::Or(vec![claim(), Principal::Any]);
    let of = |action, principal| {
        gates(vec![rbac(action, vec![("p", policy(vec![Permission::Any], vec![principal]))])])
    };
    assert_eq!(says(&of(Action::Deny, decided_no), None, &get("/")), "ok");
    assert_eq!(says(&of(Action::Allow, decided_yes), None, &get("/")), "p");
    let denied = rbac(Action::Deny, vec![("p", policy(vec![method("DELETE")], vec![claim()]))]);
    assert_eq!(says(&gates(vec![denied]), None, &get("/")), "ok", "the method alone says no");
}

#[test]
fn a_repeated_header_cannot_hide_from_a_deny_nor_reach_an_allow() {
    let (allow, deny) = both(&header("x-tenant", Pattern::Exact("gold".into())));
    let sent =
        |values: &[&str]| values.iter().fold(get("/"), |request, value| request.with("x-tenant", value));
    for (values, allowed, denied) in [
        (&["gold"][..], true, true),
        (&["gold", "gold"], true, true),
        (&["gold", "lead"], false, true),
        (&["lead", "gold"], false, true),
        (&["lead", "tin"], false, false),
        (&[], false, false),
    ] {
        assert_eq!(says(&allow, None, &sent(values)) == "p", allowed, "ALLOW {values:?}");
        assert_eq!(says(&deny, None, &sent(values)) != "ok", denied, "DENY {values:?}");
    }
    let (allow, deny) = both(&header("x-tenant", Pattern::Exact("lead,gold".into())));
    assert_eq!(says(&allow, None, &sent(&["lead", "gold"])), "none matched");
    assert_eq!(says(&deny, None, &sent(&["lead", "gold"])), "denied by p, undecided");
    let not = Permission::Not(Box::new(header("x-tenant", Pattern::Exact("gold".into()))));
    let (allow, deny) = both(&not);
    assert_eq!(says(&allow, None, &sent(&["gold", "lead"])), "none matched");
    assert_eq!(says(&deny, None, &sent(&["gold", "lead"])), "denied by p, undecided");
    assert_eq!(says(&allow, None, &sent(&["lead"])), "p");
}

#[test]
fn a_header_that_is_no_text_fails_closed_in_both_directions() {
    for pattern in [Pattern::Exact("a".into()), Pattern::Prefix("a".into()), Pattern::Regex("a.*".into())] {
        let plain = header("x", pattern.clone());
        for permission in [plain.clone(), Permission::Not(Box::new(plain))] {
            let (allow, deny) = both(&permission);
            let request = get("/").with("x", b"a\xff");
            assert_eq!(says(&allow, None, &request), "none matched", "{permission:?}");
            assert_eq!(says(&deny, None, &request), "denied by p, undecided", "{permission:?}");
        }
    }
}

#[test]
fn a_path_template_fails_closed_on_characters_that_envoy_does_not_take() {
    let (allow, deny) = both(&Permission::UriTemplate("/admin/{*}".into()));
    assert_eq!(says(&allow, None, &get("/admin/a=b")), "none matched");
    assert_eq!(says(&deny, None, &get("/admin/a=b")), "denied by p, undecided");
    assert_eq!(says(&deny, None, &get("/admin/a/b")), "ok");
}

#[test]
fn only_a_proven_peer_has_a_principal() {
    let anybody = policy(vec![Permission::Any], vec![Principal::Authenticated(None)]);
    let gates_any = gates(vec![rbac(Action::Allow, vec![("p", anybody)])]);
    assert_eq!(says(&gates_any, None, &get("/")), "none matched");
    assert_eq!(says(&gates_any, Some(&peer("a")), &get("/")), "p");
    let state = Principal::FilterState {
        key: "io.istio.peer_principal".into(),
        value: StringMatcher::exact(format!("{SPIFFE}a")),
    };
    let by_state = gates(vec![rbac(Action::Allow, vec![("p", policy(vec![Permission::Any], vec![state]))])]);
    assert_eq!(says(&by_state, Some(&peer("a")), &get("/")), "p");
    assert_eq!(says(&by_state, Some(&peer("b")), &get("/")), "none matched");
    assert_eq!(says(&by_state, None, &get("/")), "none matched");
}

#[test]
fn principals_are_compared_whole_and_literally() {
    let allowed = |matcher: Pattern, san: &str| {
        let who = Peer::from_uri_sans(vec![san.to_owned()]);
        let principal = Principal::Authenticated(Some(matcher.into()));
        let gates =
            gates(vec![rbac(Action::Allow, vec![("p", policy(vec![Permission::Any], vec![principal]))])]);
        says(&gates, Some(&who), &get("/")) == "p"
    };
    let exact = || Pattern::Exact("spiffe://td/ns/a.b/sa/c".into());
    assert!(allowed(exact(), "spiffe://td/ns/a.b/sa/c"));
    for san in [
        "spiffe://td/ns/axb/sa/c",
        "spiffe://td/ns/a.b/sa/c/d",
        "spiffe://TD/ns/a.b/sa/c",
        "spiffe://td/ns/a.b/sa/c\0",
    ] {
        assert!(!allowed(exact(), san), "{san:?}");
    }
    let namespace = || Pattern::Regex(".*/ns/foo/.*".into());
    assert!(allowed(namespace(), "spiffe://td/ns/foo/sa/x"));
    assert!(allowed(namespace(), "spiffe://td/ns/ns/foo/sa/x"));
    assert!(!allowed(namespace(), "spiffe://td/ns/foobar/sa/x"));
    let account = Pattern::Regex("spiffe://.+/ns/selfmonitor/(.+/|)sa/tax-engine(/.+)?".into());
    assert!(allowed(account.clone(), "spiffe://cluster.local/ns/selfmonitor/sa/tax-engine"));
    assert!(!allowed(account, "spiffe://cluster.local/ns/selfmonitor/sa/tax-engine2"));
}

#[test]
fn addresses_match_mapped_or_not() {
    let allowed = |principal: Principal, source: &str, remote: &str| {
        let gates =
            gates(vec![rbac(Action::Allow, vec![("p", policy(vec![Permission::Any], vec![principal]))])]);
        let mut connection = from(None);
        connection.source = format!("{source}:1").parse().unwrap();
        connection.remote = remote.parse().unwrap();
        matches!(super::request(&gates, &get("/"), &connection).verdict, Verdict::Allowed { .. })
    };
    let direct = |range: &str| Principal::DirectRemoteIp(range.parse().unwrap());
    assert!(allowed(direct("10.0.0.0/8"), "10.1.2.3", "1.1.1.1"));
    assert!(allowed(direct("10.0.0.0/8"), "[::ffff:10.1.2.3]", "1.1.1.1"));
    assert!(allowed(direct("::ffff:10.0.0.0/104"), "10.1.2.3", "1.1.1.1"));
    assert!(!allowed(direct("::/0"), "10.1.2.3", "1.1.1.1"));
    assert!(allowed(direct("fd00::/8"), "[fd00::1]", "1.1.1.1"));
    assert!(!allowed(direct("10.0.0.0/8"), "11.0.0.1", "10.0.0.1"));
    assert!(allowed(Principal::RemoteIp("203.0.113.0/24".parse().unwrap()), "10.0.0.1", "203.0.113.9"));
}

#[test]
fn destination_and_server_name_are_the_connections() {
    let says = |permission: Permission, sni: Option<&str>| {
        let (allow, _) = both(&permission);
        let mut connection = from(None);
        connection.sni = sni;
        matches!(super::request(&allow, &get("/"), &connection).verdict, Verdict::Allowed { .. })
    };
    assert!(says(Permission::DestinationPort(8000), None));
    assert!(!says(Permission::DestinationPort(8001), None));
    assert!(says(Permission::DestinationPortRange(7000, 8000), None));
    assert!(!says(Permission::DestinationPortRange(8001, 9000), None));
    assert!(says(Permission::DestinationIp("10.0.0.1/32".parse().unwrap()), None));
    let name = || Permission::RequestedServerName(Pattern::Suffix(".example".into()).into());
    assert!(says(name(), Some("a.example")));
    assert!(!says(name(), None));
}

#[test]
fn a_connection_has_no_headers_and_no_path() {
    let judge = |permission: &Permission| {
        let (_, deny) = both(permission);
        matches!(connection(&deny, &from(None)).verdict, Verdict::Denied(_))
    };
    let path = path(Pattern::Prefix("/".into()));
    for permission in [&method("GET"), &path, &Permission::UriTemplate("/**".into())] {
        assert!(!judge(permission), "{permission:?}");
        assert!(judge(&Permission::Not(Box::new(permission.clone()))), "not {permission:?}");
    }
    assert!(judge(&Permission::DestinationPort(8000)));
    let allow =
        gates(vec![rbac(Action::Allow, vec![("p", policy(vec![Permission::Any], vec![account("a")]))])]);
    assert!(matches!(
        connection(&allow, &from(Some(&peer("a")))).verdict,
        Verdict::Allowed { policy: Some("p") }
    ));
    assert!(matches!(connection(&allow, &from(None)).verdict, Verdict::Denied(Denial::NoneMatched { .. })));
}

#[test]
fn audits_and_dry_runs_are_noted_and_change_nothing() {
    let everybody = || policy(vec![Permission::Any], vec![Principal::Any]);
    let audit = settings::RbacFilter {
        rules: Some(rbac(Action::Log, vec![("audit", policy(vec![method("POST")], vec![Principal::Any]))])),
        ..settings::RbacFilter::default()
    };
    let dry = settings::RbacFilter {
        shadow_rules: Some(rbac(Action::Deny, vec![("dry", everybody())])),
        shadow_rules_stat_prefix: "istio_dry_run_deny_".into(),
        ..settings::RbacFilter::default()
    };
    let gates = [gate(&audit), gate(&dry)];
    let outcome = super::request(&gates, &get("/").method("POST"), &from(None));
    assert_eq!(outcome.verdict, Verdict::Allowed { policy: None });
    let shadow = Note::Shadow { prefix: "istio_dry_run_deny_", allowed: false, policy: Some("dry") };
    assert_eq!(outcome.notes[..], [Note::Logged { policy: "audit" }, shadow]);
    let outcome = super::request(&gates, &get("/"), &from(None));
    assert_eq!(outcome.notes[..], [shadow], "GET is not audited");
}

#[test]
fn a_custom_policy_denies_what_its_shadow_picks() {
    let picks = settings::RbacFilter {
        shadow_rules: Some(rbac(
            Action::Deny,
            vec![(
                "istio-ext-authz-opa-ns[a]-policy[b]-rule[0]",
                policy(vec![path(Pattern::Prefix("/admin".into()))], vec![Principal::Any]),
            )],
        )),
        shadow_rules_stat_prefix: "istio_ext_authz_".into(),
        ..settings::RbacFilter::default()
    };
    let custom = || Gate::Custom { provider: "istio-ext-authz-opa".into() };
    let gates = [gate(&picks), custom()];
    assert_eq!(says(&gates, None, &get("/admin/x")), "custom istio-ext-authz-opa");
    assert_eq!(says(&gates, None, &get("/")), "ok");
    assert_eq!(
        says(&[custom()], None, &get("/")),
        "custom istio-ext-authz-opa",
        "nobody said whom it is for"
    );
}

#[test]
fn a_denial_says_what_to_look_at() {
    let gates = gates(vec![rbac(
        Action::Deny,
        vec![("ns[a]-policy[b]-rule[0]", policy(vec![Permission::Any], vec![claim()]))],
    )]);
    let request = get("/");
    let Verdict::Denied(denial) = super::request(&gates, &request, &from(None)).verdict else {
        unreachable!()
    };
    assert_eq!(
        denial.to_string(),
        "denied by ns[a]-policy[b]-rule[0], which cannot be decided: metadata of envoy.filters.http.jwt_authn is not known"
    );
}

#[test]
fn a_denial_names_the_policies_that_did_not_match_and_not_their_rules() {
    let said = |names: &[&str]| {
        let policies = names.iter().map(|name| (*name, policy(vec![Permission::Any], vec![account("a")])));
        let gates = gates(vec![rbac(Action::Allow, policies.collect())]);
        match connection(&gates, &from(None)).verdict {
            Verdict::Denied(denial) => denial.to_string(),
            Verdict::Allowed { .. } => "allowed".into(),
        }
    };
    let nothing = "ns[shop]-policy[allow-nothing]-rule[0]";
    assert_eq!(said(&[nothing]), "the ALLOW policy shop/allow-nothing does not match");
    let viewer = ["ns[shop]-policy[viewer]-rule[0]", "ns[shop]-policy[viewer]-rule[1]"];
    assert_eq!(
        said(&[nothing, viewer[0], viewer[1]]),
        "none of the ALLOW policies shop/allow-nothing, shop/viewer matches"
    );
    assert_eq!(
        said(&["a", "b", "c", "d", "e", "f", "g"]),
        "none of the ALLOW policies a, b, c, d, e and 2 more matches"
    );
    assert_eq!(said(&[]), "no ALLOW policy is there that could match");
}

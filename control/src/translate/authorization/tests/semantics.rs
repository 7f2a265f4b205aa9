//! Order, defaults, and how rules are put together.

use super::*;

#[test]
fn without_any_policy_everybody_passes() {
    let none = enforce(&[]);
    assert_eq!(none.says(None, &get("/")), "ok");
    assert_eq!(none.says_of_connection(None), "ok");
}

#[test]
fn an_empty_spec_denies_all_and_one_empty_rule_allows_all() {
    for (spec, expected) in [("{}", "none"), ("{rules: [{}]}", "ok by ns[foo]-policy[p]-rule[0]")] {
        let enforced = enforce(&policy(spec));
        assert_eq!(enforced.says(Some(&peer("foo/a")), &get("/")), expected);
        assert_eq!(enforced.says_of_connection(Some(&peer("foo/a"))), expected);
    }
}

#[test]
fn a_deny_without_rules_matches_nothing() {
    assert_eq!(enforce(&written(Action::Deny, Vec::new())).says(None, &get("/")), "ok");
    assert_eq!(
        enforce(&policy("{action: DENY, rules: [{}]}")).says(None, &get("/")),
        "denied by ns[foo]-policy[p]-rule[0]"
    );
}

#[test]
fn custom_comes_before_deny_and_deny_before_allow() {
    let mut all = policy("{rules: [{}]}");
    assert!(enforce(&all).lets(None, &get("/")));
    all.extend(named("nope", "", "{action: DENY, rules: [{to: [{operation: {paths: [/stop]}}]}]}"));
    assert_eq!(enforce(&all).says(None, &get("/stop")), "denied by ns[foo]-policy[nope]-rule[0]");
    assert!(enforce(&all).lets(None, &get("/")));
    all.extend(named(
        "ask",
        "",
        "{action: CUSTOM, provider: {name: opa}, rules: [{to: [{operation: {paths: [/stop]}}]}]}",
    ));
    let found =
        |name: &str| (name == "opa").then(|| Authorizer { cluster: "outbound|9191||opa".into(), grpc: true });
    let references: Vec<_> = all.iter().collect();
    let gates = gates(&references, Layer::Http, &Context { trust: OURS, authorizer: &found });
    assert_eq!(gates.custom.len(), 2);
    let enforced = Enforced { http: compiled(&gates), tcp: Vec::new() };
    assert_eq!(enforced.says(None, &get("/stop")), "asks istio-ext-authz-opa-");
    assert!(enforced.lets(None, &get("/")), "what no CUSTOM rule matches is not asked about");
}

#[test]
fn a_custom_policy_of_nobody_denies_what_it_matches() {
    let enforced = enforce(&policy(
        "{action: CUSTOM, provider: {name: gone}, rules: [{to: [{operation: {methods: [POST]}}]}]}",
    ));
    let name = "istio-ext-authz-gone-ns[foo]-policy[p]-rule[0]-deny-due-to-bad-CUSTOM-action";
    assert_eq!(enforced.says(None, &get("/").method("POST")), format!("denied by {name}"));
    assert!(enforced.lets(None, &get("/")));
}

#[test]
fn a_dry_run_of_custom_asks_nobody() {
    let dry = r#", annotations: {istio.io/dry-run: "true"}"#;
    let all = named("p", dry, "{action: CUSTOM, provider: {name: gone}, rules: [{}]}");
    assert_eq!(translated(&all, Layer::Http, OURS), Gates::default());
    assert_eq!(enforce(&all).says(None, &get("/")), "ok");
}

#[test]
fn a_connection_that_an_authorizer_would_be_asked_about_is_denied_whether_it_could_be_asked_or_not() {
    let all = policy("{action: CUSTOM, provider: {name: opa}, rules: [{}]}");
    let references: Vec<_> = all.iter().collect();
    for grpc in [false, true] {
        let found = |_: &str| Some(Authorizer { cluster: "outbound|80||opa".into(), grpc });
        let gates = gates(&references, Layer::Tcp, &Context { trust: OURS, authorizer: &found });
        let enforced = Enforced { http: Vec::new(), tcp: compiled(&gates) };
        assert!(!enforced.lets_connection(None), "grpc: {grpc}");
    }
}

#[test]
fn an_audit_only_notes() {
    let enforced = enforce(&policy("{action: AUDIT, rules: [{to: [{operation: {methods: [POST]}}]}]}"));
    assert_eq!(enforced.says(None, &get("/").method("POST")), "ok");
    assert_eq!(enforced.notes(None, &get("/").method("POST")), ["logged ns[foo]-policy[p]-rule[0]"]);
    assert!(enforced.notes(None, &get("/")).is_empty());
}

#[test]
fn a_dry_run_denies_nothing_and_says_what_it_would_have_done() {
    let dry = r#", annotations: {istio.io/dry-run: "true"}"#;
    let allow = enforce(&named("p", dry, "{rules: [{to: [{operation: {paths: [/a]}}]}]}"));
    assert_eq!(allow.says(None, &get("/b")), "ok");
    assert_eq!(allow.notes(None, &get("/b")), ["istio_dry_run_allow_denied none"]);
    assert_eq!(allow.notes(None, &get("/a")), ["istio_dry_run_allow_allowed ns[foo]-policy[p]-rule[0]"]);
    let deny = enforce(&named("p", dry, "{action: DENY, rules: [{}]}"));
    assert_eq!(deny.says(None, &get("/")), "ok");
    assert_eq!(deny.notes(None, &get("/")), ["istio_dry_run_deny_denied ns[foo]-policy[p]-rule[0]"]);
    let neither = r#", annotations: {istio.io/dry-run: "yes"}"#;
    assert_eq!(enforce(&named("p", neither, "{}")).says(None, &get("/")), "none", "enforced");
}

#[test]
fn an_allow_beside_a_dry_run_is_enforced_alone() {
    let mut all = named("dry", r#", annotations: {istio.io/dry-run: "1"}"#, "{rules: [{}]}");
    all.extend(policy("{rules: [{to: [{operation: {paths: [/a]}}]}]}"));
    assert_eq!(enforce(&all).says(None, &get("/b")), "none");
    assert!(enforce(&all).lets(None, &get("/a")));
}

#[test]
fn rules_are_or_ed_and_from_to_and_when_are_and_ed() {
    let rules = r#"[{from: [{source: {principals: [cluster.local/ns/foo/sa/a]}}, {source: {namespaces: [bar]}}], to: [{operation: {methods: [GET], paths: [/x]}}, {operation: {methods: [POST]}}], when: [{key: "request.headers[h]", values: [one, two]}]}, {to: [{operation: {paths: [/open]}}]}]"#;
    let (allow, deny) = both(rules);
    let asked = [
        ("foo/a", get("/x").with("h", "one"), true),
        ("bar/z", get("/y").method("POST").with("h", "two"), true),
        ("foo/b", get("/x").with("h", "one"), false),
        ("foo/a", get("/y").with("h", "one"), false),
        ("foo/a", get("/x"), false),
        ("foo/a", get("/x").with("h", "three"), false),
        ("foo/b", get("/open"), true),
    ];
    for (who, request, matches) in asked {
        assert_eq!(allow.lets(Some(&peer(who)), &request), matches, "{who} {request:?}");
        assert_eq!(deny.lets(Some(&peer(who)), &request), !matches, "{who} {request:?}");
    }
}

#[test]
fn what_is_excluded_is_and_ed_with_what_is_named() {
    let (allow, deny) =
        both("[{to: [{operation: {paths: [/a/*], notPaths: [/a/b], notMethods: [DELETE]}}]}]");
    for (request, matches) in
        [(get("/a/x"), true), (get("/a/b"), false), (get("/a/x").method("DELETE"), false)]
    {
        assert_eq!(allow.lets(None, &request), matches, "{request:?}");
        assert_eq!(deny.lets(None, &request), !matches, "{request:?}");
    }
}

#[test]
fn conditions_of_the_same_key_are_and_ed_and_their_values_or_ed() {
    let (allow, _) = both(
        r#"[{when: [{key: "request.headers[h]", values: ["a*", "b*"]}, {key: "request.headers[h]", notValues: ["*z"]}]}]"#,
    );
    for (value, matches) in [("a1", true), ("b1", true), ("az", false), ("c", false)] {
        assert_eq!(allow.lets(None, &get("/").with("h", value)), matches, "{value}");
    }
}

#[test]
fn an_attribute_that_nobody_knows_lets_nobody_in_and_widens_a_deny() {
    use crate::resources::authorization_policy::{Condition, Operation, To};
    let when = |key: &str| Condition { key: key.into(), values: vec!["x".into()], not_values: Vec::new() };
    let operation = Operation { paths: vec!["/a".into()], ..Operation::default() };
    for key in [
        "source.planet",
        "request.headers",
        "request.headers[]",
        "request.auth.claims[]",
        "request.auth.claims[a",
        "experimental.envoy.filters.x",
        "",
    ] {
        let rule = Rule {
            from: Vec::new(),
            to: vec![To { operation: Some(operation.clone()) }],
            when: vec![when(key)],
        };
        let allow = enforce(&written(Action::Allow, vec![rule.clone()]));
        assert_eq!(allow.says(None, &get("/a")), "none", "{key}");
        let deny = enforce(&written(Action::Deny, vec![rule]));
        assert_eq!(deny.says(None, &get("/a")), "denied by ns[foo]-policy[p]-rule[0]", "{key}");
        assert_eq!(
            deny.says(None, &get("/b")),
            "ok",
            "what else of the rule can be said still counts: {key}"
        );
    }
}

#[test]
fn a_condition_without_values_is_never_met() {
    use crate::resources::authorization_policy::Condition;
    let empty = Condition { key: "source.ip".into(), ..Condition::default() };
    let rule = Rule { when: vec![empty], ..Rule::default() };
    assert_eq!(enforce(&written(Action::Allow, vec![rule.clone()])).says(None, &get("/")), "none");
    assert!(!enforce(&written(Action::Deny, vec![rule])).lets(None, &get("/")));
}

#[test]
fn what_is_said_of_tokens_is_unknown_so_an_allow_never_matches_and_a_deny_always_does() {
    for rules in [
        r#"[{from: [{source: {requestPrincipals: ["*"]}}]}]"#,
        r#"[{from: [{source: {notRequestPrincipals: ["*"]}}]}]"#,
        r#"[{when: [{key: "request.auth.claims[group][id]", values: [a, b]}]}]"#,
        r#"[{when: [{key: request.auth.audiences, notValues: [a]}]}]"#,
        r#"[{when: [{key: request.auth.presenter, values: [a]}]}]"#,
        r#"[{when: [{key: "experimental.envoy.filters.network.mysql_proxy[db.table]", values: ["[insert]"]}]}]"#,
    ] {
        let (allow, deny) = both(rules);
        assert_eq!(allow.says(None, &get("/")), "none", "{rules}");
        assert_eq!(deny.says(None, &get("/")), "undecided ns[foo]-policy[p]-rule[0]", "{rules}");
    }
}

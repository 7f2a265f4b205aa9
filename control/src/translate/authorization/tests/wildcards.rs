//! What values match.

use super::sample::uri;
use super::*;

/// Whether ALLOW and DENY of `rules` agree that this is matched.
fn matched(rules: &str, who: Option<&Peer>, request: &Request) -> bool {
    let (allow, deny) = both(rules);
    let matched = allow.lets(who, request);
    assert_eq!(deny.lets(who, request), !matched, "{rules}: {who:?} {request:?}");
    matched
}

fn source(field: &str, value: &str, who: Option<&Peer>) -> bool {
    matched(&format!("[{{from: [{{source: {{{field}: [\"{value}\"]}}}}]}}]"), who, &get("/"))
}

fn operation(field: &str, value: &str, request: &Request) -> bool {
    matched(&format!("[{{to: [{{operation: {{{field}: [\"{value}\"]}}}}]}}]"), None, request)
}

#[test]
fn principals_match_exactly_by_prefix_by_suffix_and_by_being_there() {
    let a = peer("foo/a");
    for (value, matches) in [
        ("cluster.local/ns/foo/sa/a", true),
        ("cluster.local/ns/foo/sa/b", false),
        ("cluster.local/ns/foo/sa", false),
        ("cluster.local/ns/foo/*", true),
        ("cluster.local/ns/fo*", true),
        ("cluster.local/ns/bar/*", false),
        ("*/sa/a", true),
        ("*/ns/foo/sa/a", true),
        ("*/sa/b", false),
        ("*", true),
    ] {
        assert_eq!(source("principals", value, Some(&a)), matches, "{value}");
        assert_eq!(source("notPrincipals", value, Some(&a)), !matches, "not {value}");
    }
    assert!(!source("principals", "*", None), "nobody is no principal");
    assert!(source("notPrincipals", "*", None));
}

#[test]
fn a_dot_in_a_name_is_a_dot() {
    assert!(source("serviceAccounts", "foo/tax.engine", Some(&peer("foo/tax.engine"))));
    assert!(!source("serviceAccounts", "foo/tax.engine", Some(&peer("foo/taxXengine"))));
    assert!(!source("principals", "*/sa/tax.engine", Some(&peer("foo/taxXengine"))));
    assert!(!source("principals", "cluster.local/ns/foo/sa/a", Some(&uri("clusterXlocal/ns/foo/sa/a"))));
    assert!(!source("namespaces", "f.o", Some(&peer("foo/a"))));
    assert!(!operation("paths", "/a.b", &get("/aXb")));
    assert!(!operation("paths", "*.b", &get("/aXb")));
}

#[test]
fn namespaces_are_those_of_the_identity() {
    let a = peer("foo/a");
    for (value, matches) in [
        ("foo", true),
        ("fo", false),
        ("fo*", true),
        ("*oo", true),
        ("*", true),
        ("*a", false),
        ("bar", false),
    ] {
        assert_eq!(source("namespaces", value, Some(&a)), matches, "{value}");
        assert_eq!(source("notNamespaces", value, Some(&a)), !matches, "not {value}");
    }
    assert!(!source("namespaces", "*", None), "without mTLS nobody has a namespace");
}

#[test]
fn a_service_account_is_of_the_policys_namespace_unless_it_names_one() {
    assert!(source("serviceAccounts", "a", Some(&peer("foo/a"))));
    assert!(!source("serviceAccounts", "a", Some(&peer("bar/a"))));
    assert!(source("serviceAccounts", "bar/a", Some(&peer("bar/a"))));
    assert!(source("serviceAccounts", "a", Some(&uri("other.domain/ns/foo/sa/a"))));
    assert!(!source("serviceAccounts", "a", Some(&peer("foo/ab"))));
    assert!(!source("notServiceAccounts", "a", Some(&peer("foo/a"))));
    assert!(matched(
        r#"[{when: [{key: source.serviceAccount, values: [a]}]}]"#,
        Some(&peer("foo/a")),
        &get("/")
    ));
}

#[test]
fn trust_domains_are_not_dropped() {
    let when = |value: &str, who: &Peer| {
        matched(
            &format!("[{{when: [{{key: source.trustDomain, values: [\"{value}\"]}}]}}]"),
            Some(who),
            &get("/"),
        )
    };
    let (ours, theirs) = (peer("foo/a"), uri("other.example/ns/foo/sa/a"));
    for (value, of_ours, of_theirs) in [
        ("cluster.local", true, false),
        ("other.example", false, true),
        ("other*", false, true),
        ("*.example", false, true),
        ("*", true, true),
        ("cluster", false, false),
    ] {
        assert_eq!((when(value, &ours), when(value, &theirs)), (of_ours, of_theirs), "{value}");
    }
}

#[test]
fn a_trust_domains_aliases_count_as_it() {
    let aliases = ["old.example".to_owned(), "older.example".to_owned()];
    let trust = Trust { domain: "new.example", aliases: &aliases };
    let lets = |value: &str, who: &str| {
        let spec = format!("{{rules: [{{from: [{{source: {{principals: [\"{value}\"]}}}}]}}]}}");
        enforce_in(&policy(&spec), trust).lets(Some(&uri(who)), &get("/"))
    };
    for value in ["new.example/ns/foo/sa/a", "old.example/ns/foo/sa/a", "cluster.local/ns/foo/sa/a"] {
        for who in ["new.example", "old.example", "older.example"] {
            assert!(lets(value, &format!("{who}/ns/foo/sa/a")), "{value} {who}");
        }
        assert!(!lets(value, "stranger.example/ns/foo/sa/a"));
    }
    assert!(lets("stranger.example/ns/foo/sa/a", "stranger.example/ns/foo/sa/a"), "kept as it is");
    assert!(!lets("stranger.example/ns/foo/sa/a", "new.example/ns/foo/sa/a"));
    assert!(lets("*.example/ns/foo/sa/a", "anything.example/ns/foo/sa/a"));
    let deny = enforce_in(
        &policy("{action: DENY, rules: [{from: [{source: {notPrincipals: [old.example/ns/foo/sa/a]}}]}]}"),
        trust,
    );
    assert!(deny.lets(Some(&uri("new.example/ns/foo/sa/a")), &get("/")));
}

#[test]
fn hosts_match_without_regard_to_case() {
    for (value, host, matches) in [
        ("Shop.example", "shop.EXAMPLE", true),
        ("*.example", "shop.EXAMPLE", true),
        ("shop.*", "SHOP.example", true),
        ("shop.example", "other.example", false),
        ("shop.example", "shop.example:80", false),
        ("*", "any", true),
    ] {
        assert_eq!(operation("hosts", value, &get("/").host(host)), matches, "{value} {host}");
        assert_eq!(operation("notHosts", value, &get("/").host(host)), !matches, "not {value} {host}");
    }
}

#[test]
fn a_port_or_a_dot_behind_a_host_makes_another_host() {
    for (value, host, matches) in [
        ("secret.example", "secret.example", true),
        ("secret.example", "secret.example:80", false),
        ("secret.example", "secret.example.", false),
        ("secret.example:80", "secret.example:80", true),
        ("secret.example:80", "secret.example", false),
        ("secret.example:*", "secret.example:8080", true),
        ("secret.example:*", "secret.example.:80", false),
        ("secret.example:*", "secret.example", false),
        ("secret.example*", "secret.example.:80", true),
        ("secret.example*", "secret.examples", true),
        ("secret.example.", "secret.example.", true),
        ("*.example", "secret.example:80", false),
        ("*.example", "secret.example.", false),
        ("*.example:80", "secret.example:80", true),
    ] {
        assert_eq!(operation("hosts", value, &get("/").host(host)), matches, "{value} {host}");
        assert_eq!(operation("notHosts", value, &get("/").host(host)), !matches, "not {value} {host}");
    }
    let deny = policy("{action: DENY, rules: [{to: [{operation: {hosts: [s.example, 's.example:*']}}]}]}");
    let denied = |host: &str| !enforce(&deny).lets(None, &get("/").host(host));
    assert!(denied("s.example") && denied("s.example:80") && denied("S.example:443"));
    assert!(!denied("s.example.") && !denied("t.example:80"));
}

#[test]
fn paths_match_without_their_query_and_a_star_inside_is_a_star() {
    for (value, path, matches) in [
        ("/a", "/a", true),
        ("/a", "/a?x=/b", true),
        ("/a", "/a/", false),
        ("/a/*", "/a/b/c", true),
        ("/a/*", "/a", false),
        ("*/health", "/deep/health", true),
        ("*", "/", true),
        ("/profiles/*/secret", "/profiles/7/secret", false),
        ("/profiles/*/secret", "/profiles/*/secret", true),
        ("/profiles/{*}/risk", "/profiles/7/risk", true),
        ("/profiles/{*}/risk", "/profiles/7/8/risk", false),
        ("/profiles/{**}", "/profiles/7/8/risk", true),
    ] {
        assert_eq!(operation("paths", value, &get(path)), matches, "{value} {path}");
        assert_eq!(operation("notPaths", value, &get(path)), !matches, "not {value} {path}");
    }
}

#[test]
fn methods_match_with_their_case() {
    assert!(operation("methods", "GET", &get("/")));
    assert!(operation("methods", "G*", &get("/")));
    assert!(operation("methods", "*", &get("/")));
    assert!(!operation("methods", "POST", &get("/")));
    assert!(operation("notMethods", "POST", &get("/")));
}

#[test]
fn a_star_asks_for_a_header_to_be_there() {
    let rules = r#"[{when: [{key: "request.headers[X-Any]", values: ["*"]}]}]"#;
    assert!(matched(rules, None, &get("/").with("x-any", "v")));
    assert!(!matched(rules, None, &get("/")));
}

#[test]
fn addresses_are_ranges_or_single_ones() {
    for (field, value, matches) in [
        ("ipBlocks", "10.244.0.10", true),
        ("ipBlocks", "10.0.0.0/8", true),
        ("ipBlocks", "10.244.0.11", false),
        ("remoteIpBlocks", "203.0.113.0/24", true),
        ("remoteIpBlocks", "10.244.0.10", false),
        ("notIpBlocks", "10.244.0.10", false),
        ("notRemoteIpBlocks", "10.244.0.10", true),
    ] {
        assert_eq!(source(field, value, None), matches, "{field} {value}");
    }
}

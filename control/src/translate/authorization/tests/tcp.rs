//! Policies on ports that carry no HTTP.

use super::*;

#[test]
fn an_allow_rule_with_http_fields_is_dropped_and_the_others_stay() {
    let enforced = enforce(&policy(
        "{rules: [{from: [{source: {namespaces: [bar]}}], to: [{operation: {paths: [/a]}}]}, {from: [{source: {namespaces: [foo]}}], to: [{operation: {ports: [\"8000\"]}}]}]}",
    ));
    assert_eq!(enforced.says_of_connection(Some(&peer("foo/a"))), "ok by ns[foo]-policy[p]-rule[1]");
    assert_eq!(enforced.says_of_connection(Some(&peer("bar/a"))), "none");
}

#[test]
fn an_allow_of_http_rules_alone_lets_no_connection_through() {
    let enforced = enforce(&policy("{rules: [{to: [{operation: {methods: [GET]}}]}]}"));
    assert_eq!(enforced.says_of_connection(None), "none");
}

#[test]
fn every_http_field_drops_an_allow_and_widens_a_deny() {
    for rules in [
        "[{to: [{operation: {methods: [GET]}}]}]",
        "[{to: [{operation: {notMethods: [GET]}}]}]",
        "[{to: [{operation: {paths: [/a]}}]}]",
        "[{to: [{operation: {notPaths: ['/a/{*}']}}]}]",
        "[{to: [{operation: {hosts: [a]}}]}]",
        "[{to: [{operation: {notHosts: [a]}}]}]",
        "[{from: [{source: {requestPrincipals: ['a/b']}}]}]",
        "[{from: [{source: {notRequestPrincipals: ['a/b']}}]}]",
        "[{when: [{key: 'request.headers[x]', values: [a]}]}]",
        "[{when: [{key: 'request.auth.claims[x]', values: [a]}]}]",
        "[{when: [{key: request.auth.audiences, values: [a]}]}]",
        "[{when: [{key: request.auth.presenter, notValues: [a]}]}]",
        "[{when: [{key: request.auth.principal, notValues: ['a/b']}]}]",
    ] {
        let (allow, deny) = both(rules);
        assert_eq!(allow.says_of_connection(None), "none", "{rules}");
        assert_eq!(deny.says_of_connection(None), "denied by ns[foo]-policy[p]-rule[0]", "{rules}");
    }
}

#[test]
fn what_a_deny_says_of_the_connection_still_narrows_it() {
    let (_, deny) = both("[{from: [{source: {namespaces: [bar]}}], to: [{operation: {methods: [DELETE]}}]}]");
    assert!(!deny.lets_connection(Some(&peer("bar/a"))));
    assert!(deny.lets_connection(Some(&peer("foo/a"))));
}

#[test]
fn ports_addresses_and_names_of_a_connection_count() {
    let (allow, deny) = both(
        r#"[{to: [{operation: {ports: ["8000"], notPorts: ["9000"]}}], from: [{source: {ipBlocks: [10.244.0.0/16], notRemoteIpBlocks: [198.51.100.7]}}], when: [{key: destination.ip, values: [10.0.0.1]}, {key: connection.sni, values: ["*.example"]}, {key: source.ip, notValues: [10.244.0.11]}, {key: remote.ip, values: [203.0.113.0/24]}]}]"#,
    );
    assert!(allow.lets_connection(None));
    assert!(!deny.lets_connection(None));
    let (other, _) = both(r#"[{to: [{operation: {ports: ["9000"]}}]}]"#);
    assert!(!other.lets_connection(None));
}

#[test]
fn network_filters_count_under_tcp() {
    let gates = translated(&policy("{}"), Layer::Tcp, OURS);
    let [gate] = &gates.judges[..] else { panic!("one filter: {gates:?}") };
    let NetworkFilter::Rbac(filter) = gate.clone().into() else { panic!("RBAC") };
    assert_eq!(filter.stat_prefix, "tcp.");
    assert_eq!(filter.shadow_rules_stat_prefix, "istio_dry_run_allow_");
    let HttpFilter::Rbac(filter) = gate.clone().into() else { panic!("RBAC") };
    assert_eq!(filter.stat_prefix, "");
}

//! Any policy at all: no panic, and nothing narrower than a plain reading.

use proptest::prelude::*;

use super::*;
use crate::resources::authorization_policy::{Condition, From, Operation, Source, To};

/// Values that mean something, and nonsense.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "*",
            "**",
            "",
            "a",
            "a*",
            "*a",
            "foo",
            "/a",
            "/a/*",
            "/{*}",
            "/{**}",
            "/{",
            "GET",
            "10.0.0.0/8",
            "10.244.0.10",
            "300.1.1.1",
            "8000",
            "99999",
            "cluster.local/ns/foo/sa/a",
            "*/sa/a",
            "foo/a",
            "i/s",
            "i//s",
            "/",
            "[x]",
            "(",
            "\\",
            "é*",
        ])
        .prop_map(str::to_owned),
        ".{0,12}",
    ]
}

fn values() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(value(), 0..3)
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "source.ip",
            "remote.ip",
            "source.namespace",
            "source.principal",
            "source.serviceAccount",
            "source.trustDomain",
            "request.auth.principal",
            "request.auth.audiences",
            "request.auth.presenter",
            "request.auth.claims[a]",
            "request.auth.claims[a][b]",
            "request.headers[x]",
            "request.headers",
            "destination.ip",
            "destination.port",
            "connection.sni",
            "experimental.envoy.filters.a[b]",
            "source.planet",
        ])
        .prop_map(str::to_owned),
        ".{0,16}",
    ]
}

fn source() -> impl Strategy<Value = Source> {
    (prop::collection::vec(values(), 12), prop::collection::vec(prop::bool::weighted(0.2), 12)).prop_map(
        |(values, used)| {
            let mut values =
                values.into_iter().zip(used).map(|(values, used)| if used { values } else { Vec::new() });
            let mut next = || values.next().unwrap();
            Source {
                principals: next(),
                not_principals: next(),
                request_principals: next(),
                not_request_principals: next(),
                namespaces: next(),
                not_namespaces: next(),
                service_accounts: next(),
                not_service_accounts: next(),
                ip_blocks: next(),
                not_ip_blocks: next(),
                remote_ip_blocks: next(),
                not_remote_ip_blocks: next(),
            }
        },
    )
}

fn operation() -> impl Strategy<Value = Operation> {
    (prop::collection::vec(values(), 8), prop::collection::vec(prop::bool::weighted(0.3), 8)).prop_map(
        |(values, used)| {
            let mut values =
                values.into_iter().zip(used).map(|(values, used)| if used { values } else { Vec::new() });
            let mut next = || values.next().unwrap();
            Operation {
                hosts: next(),
                not_hosts: next(),
                ports: next(),
                not_ports: next(),
                methods: next(),
                not_methods: next(),
                paths: next(),
                not_paths: next(),
            }
        },
    )
}

fn rule() -> impl Strategy<Value = Rule> {
    let condition = (key(), values(), values()).prop_map(|(key, values, not_values)| Condition {
        key,
        values,
        not_values,
    });
    (
        prop::collection::vec(prop::option::of(source()), 0..2),
        prop::collection::vec(prop::option::of(operation()), 0..2),
        prop::collection::vec(condition, 0..2),
    )
        .prop_map(|(from, to, when)| Rule {
            from: from.into_iter().map(|source| From { source }).collect(),
            to: to.into_iter().map(|operation| To { operation }).collect(),
            when,
        })
}

fn subjects() -> Vec<(Option<Peer>, Request)> {
    let peers = [None, Some(peer("foo/a")), Some(peer("bar/b"))];
    let requests = [
        get("/"),
        get("/a").with("x", "a"),
        get("/a/b").method("POST").host("a"),
        Request::get("", "*").method("OPTIONS"),
    ];
    let pair = |peer: &Option<Peer>| requests.clone().map(|request| (peer.clone(), request));
    peers.iter().flat_map(pair).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// What an ALLOW lets through, the DENY of the same rules stops: a rule that is not known to hold never allows, and
    /// one that is not known not to hold always denies.
    #[test]
    fn a_deny_is_never_narrower_than_the_allow_of_the_same_rules(rules in prop::collection::vec(rule(), 0..3)) {
        let allow = enforce(&written(Action::Allow, rules.clone()));
        let deny = enforce(&written(Action::Deny, rules));
        for (who, request) in subjects() {
            prop_assert!(!(allow.lets(who.as_ref(), &request) && deny.lets(who.as_ref(), &request)));
            prop_assert!(!(allow.lets_connection(who.as_ref()) && deny.lets_connection(who.as_ref())));
            // On a connection less is known than on its requests, so what passes there passes here only if the rules
            // speak of connections alone.
            prop_assert!(!deny.lets_connection(who.as_ref()) || deny.lets(who.as_ref(), &request));
            prop_assert!(!allow.lets_connection(who.as_ref()) || allow.lets(who.as_ref(), &request));
        }
    }

    #[test]
    fn any_rules_can_be_translated_checked_and_compiled(rules in prop::collection::vec(rule(), 0..3), action in 0..4) {
        let action = [Action::Allow, Action::Deny, Action::Audit, Action::Custom][action as usize];
        let policies = written(action, rules);
        let context = Context { trust: OURS, authorizer: &nobody };
        let _ = check(&policies[0], &["i"], &context);
        for (who, request) in subjects() {
            enforce(&policies).says(who.as_ref(), &request);
        }
    }
}

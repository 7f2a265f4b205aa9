//! A plain reading of policies, as their authors do it, against the way through translation and compilation.

use std::net::IpAddr;

use ipnet::IpNet;
use proptest::prelude::*;

use super::*;
use crate::resources::authorization_policy::{Condition, From, Operation, Source, To};

/// Values of a field: none mostly, one or two of these else.
fn of(values: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    let some = prop::sample::subsequence(values, 1..=2.min(values.len()));
    let some = some.prop_map(|values| values.into_iter().map(str::to_owned).collect());
    prop_oneof![5 => Just(Vec::new()), 2 => some]
}

const PRINCIPALS: &[&str] = &[
    "*",
    "cluster.local/ns/foo/sa/a",
    "cluster.local/ns/foo/*",
    "*/sa/a",
    "*a",
    "cluster.local/ns/f.o/sa/a",
    "other/ns/foo/sa/a",
];
const NAMESPACES: &[&str] = &["*", "foo", "f*", "*r", "f.o", "*a"];
const ACCOUNTS: &[&str] = &["a", "foo/a", "bar/b", "foo/."];
const RANGES: &[&str] = &["10.0.0.0/8", "10.244.0.10", "203.0.113.0/24", "192.0.2.1"];
const HOSTS: &[&str] = &["*", "SVC.foo", "svc.*", "*.FOO", "other"];
const METHODS: &[&str] = &["*", "GET", "P*", "*T", "DELETE"];
const PATHS: &[&str] = &["*", "/", "/a", "/a/*", "*/b", "/{*}/b", "/a/{**}", "/a/*/b"];
const PORTS: &[&str] = &["8000", "9000"];
const VALUES: &[&str] = &["*", "v", "v*", "*w"];

fn source() -> impl Strategy<Value = Source> {
    let who = (of(PRINCIPALS), of(PRINCIPALS), of(NAMESPACES), of(NAMESPACES), of(ACCOUNTS), of(ACCOUNTS));
    let where_from = (of(RANGES), of(RANGES), of(RANGES), of(RANGES));
    (who, where_from).prop_map(|(who, ranges)| Source {
        principals: who.0,
        not_principals: who.1,
        namespaces: who.2,
        not_namespaces: who.3,
        service_accounts: who.4,
        not_service_accounts: who.5,
        ip_blocks: ranges.0,
        not_ip_blocks: ranges.1,
        remote_ip_blocks: ranges.2,
        not_remote_ip_blocks: ranges.3,
        ..Source::default()
    })
}

fn operation() -> impl Strategy<Value = Operation> {
    let all = (of(HOSTS), of(HOSTS), of(METHODS), of(METHODS), of(PATHS), of(PATHS), of(PORTS), of(PORTS));
    all.prop_map(|(hosts, not_hosts, methods, not_methods, paths, not_paths, ports, not_ports)| Operation {
        hosts,
        not_hosts,
        ports,
        not_ports,
        methods,
        not_methods,
        paths,
        not_paths,
    })
}

fn condition() -> impl Strategy<Value = Condition> {
    let one = |key: &'static str, values: &'static [&'static str]| {
        let values = (of(values), of(values)).prop_filter("a value", |(a, b)| !a.is_empty() || !b.is_empty());
        values.prop_map(move |(values, not_values)| Condition { key: key.into(), values, not_values })
    };
    prop_oneof![
        one("request.headers[X-H]", VALUES),
        one("source.principal", PRINCIPALS),
        one("source.namespace", NAMESPACES),
        one("source.serviceAccount", ACCOUNTS),
        one("source.ip", RANGES),
        one("remote.ip", RANGES),
        one("destination.ip", &["10.0.0.1", "10.0.0.2"]),
        one("destination.port", PORTS),
        one("connection.sni", &["*", "svc.*", "*.example", "other"]),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    let all = (
        prop::collection::vec(source(), 0..3),
        prop::collection::vec(operation(), 0..3),
        prop::collection::vec(condition(), 0..2),
    );
    all.prop_map(|(from, to, when)| Rule {
        from: from.into_iter().map(|source| From { source: Some(source) }).collect(),
        to: to.into_iter().map(|operation| To { operation: Some(operation) }).collect(),
        when,
    })
}

#[derive(Debug, Clone)]
struct Asked {
    who: Option<&'static str>,
    host: &'static str,
    method: &'static str,
    path: &'static str,
    header: Option<&'static str>,
}

fn asked() -> impl Strategy<Value = Asked> {
    let who = prop::option::weighted(0.8, prop::sample::select(&["foo/a", "bar/b", "foo/b", "bar/a"][..]));
    let host = prop::sample::select(&["svc.foo", "Svc.Foo", "other", "svc.foo:80"][..]);
    let method = prop::sample::select(&["GET", "POST", "PUT", "DELETE"][..]);
    // No characters that a template does not take: what has them is undecided there.
    let path = prop::sample::select(&["/", "/a", "/a/b", "/a/b/c", "/x/b", "/ab"][..]);
    let header = prop::option::of(prop::sample::select(&["v", "vw", "w", "x"][..]));
    (who, host, method, path, header).prop_map(|(who, host, method, path, header)| Asked {
        who,
        host,
        method,
        path,
        header,
    })
}

/// Any of the values holds, if there are values, and none of the others.
fn field(values: &[String], not_values: &[String], holds: impl Fn(&str) -> bool) -> bool {
    let any = |values: &[String]| values.iter().any(|value| holds(value));
    (values.is_empty() || any(values)) && !any(not_values)
}

fn wildcard(pattern: &str, value: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(""), _) => !value.is_empty(),
        (Some(suffix), _) => value.ends_with(suffix),
        (None, Some(prefix)) => value.starts_with(prefix),
        (None, None) => value == pattern,
    }
}

fn path(pattern: &str, path: &str) -> bool {
    if let Some(prefix) = pattern.strip_suffix("{**}") {
        return path.starts_with(prefix);
    }
    if !pattern.contains("{*}") {
        return wildcard(pattern, path);
    }
    let (pattern, path) = (pattern.split('/').collect::<Vec<_>>(), path.split('/').collect::<Vec<_>>());
    let one = |(own, part): (&&str, &&str)| own == part || *own == "{*}" && !part.is_empty();
    pattern.len() == path.len() && pattern.iter().zip(&path).all(one)
}

fn within(range: &str, ip: &str) -> bool {
    let ip: IpAddr = ip.parse().unwrap();
    range.parse::<IpNet>().map_or_else(|_| range == ip.to_string(), |range| range.contains(&ip))
}

impl Asked {
    fn parts(&self) -> Option<(&str, &str)> {
        self.who.and_then(|who| who.split_once('/'))
    }

    fn principal(&self, pattern: &str) -> bool {
        let who =
            self.parts().map(|(namespace, account)| format!("cluster.local/ns/{namespace}/sa/{account}"));
        who.is_some_and(|who| wildcard(pattern, &who))
    }

    fn namespace(&self, pattern: &str) -> bool {
        self.parts().is_some_and(|(namespace, _)| wildcard(pattern, namespace))
    }

    fn account(&self, account: &str) -> bool {
        self.parts() == Some(account.split_once('/').unwrap_or(("foo", account)))
    }

    fn source(&self, source: &Source) -> bool {
        field(&source.principals, &source.not_principals, |value| self.principal(value))
            && field(&source.namespaces, &source.not_namespaces, |value| self.namespace(value))
            && field(&source.service_accounts, &source.not_service_accounts, |value| self.account(value))
            && field(&source.ip_blocks, &source.not_ip_blocks, |value| within(value, "10.244.0.10"))
            && field(&source.remote_ip_blocks, &source.not_remote_ip_blocks, |value| {
                within(value, "203.0.113.9")
            })
    }

    fn operation(&self, operation: &Operation) -> bool {
        let host = |value: &str| wildcard(&value.to_ascii_lowercase(), &self.host.to_ascii_lowercase());
        field(&operation.hosts, &operation.not_hosts, host)
            && field(&operation.methods, &operation.not_methods, |value| wildcard(value, self.method))
            && field(&operation.paths, &operation.not_paths, |value| path(value, self.path))
            && field(&operation.ports, &operation.not_ports, |value| value == "8000")
    }

    fn condition(&self, condition: &Condition) -> bool {
        field(&condition.values, &condition.not_values, |value| match condition.key.as_str() {
            "request.headers[X-H]" => self.header.is_some_and(|header| wildcard(value, header)),
            "source.principal" => self.principal(value),
            "source.namespace" => self.namespace(value),
            "source.serviceAccount" => self.account(value),
            "source.ip" => within(value, "10.244.0.10"),
            "remote.ip" => within(value, "203.0.113.9"),
            "destination.ip" => value == "10.0.0.1",
            "destination.port" => value == "8000",
            _ => wildcard(value, "svc.foo.example"),
        })
    }

    fn meets(&self, rule: &Rule) -> bool {
        let source = |from: &From| self.source(from.source.as_ref().unwrap());
        let operation = |to: &To| self.operation(to.operation.as_ref().unwrap());
        (rule.from.is_empty() || rule.from.iter().any(source))
            && (rule.to.is_empty() || rule.to.iter().any(operation))
            && rule.when.iter().all(|condition| self.condition(condition))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_a_plain_reading_matches_is_what_an_allow_lets_in_and_a_deny_keeps_out(
        rules in prop::collection::vec(rule(), 1..3),
        asked in prop::collection::vec(asked(), 8),
    ) {
        let allow = enforce(&written(Action::Allow, rules.clone()));
        let deny = enforce(&written(Action::Deny, rules.clone()));
        for asked in asked {
            let mut request = get(asked.path).method(asked.method).host(asked.host);
            if let Some(value) = asked.header {
                request = request.with("x-h", value);
            }
            let who = asked.who.map(peer);
            let expected = rules.iter().any(|rule| asked.meets(rule));
            prop_assert_eq!(allow.lets(who.as_ref(), &request), expected, "ALLOW {:?}", asked);
            prop_assert_eq!(deny.lets(who.as_ref(), &request), !expected, "DENY {:?}", asked);
        }
    }
}

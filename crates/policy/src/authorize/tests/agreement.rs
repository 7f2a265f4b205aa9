//! The compiled, indexed rules against a plain reading of the settings.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A plain reading: no index, no compiled texts, every policy asked.
struct Naive<'a> {
    request: &'a Request,
    sans: &'a [String],
    port: u16,
}

// In a plain reading truth is -1, 0 (not known) or 1.
impl Naive<'_> {
    fn verdict(&self, rules: &Rbac) -> Option<String> {
        for (name, policy) in &rules.policies {
            let who = policy.principals.iter().map(|of| self.principal(of)).max().unwrap_or(-1);
            let what = policy.permissions.iter().map(|of| self.permission(of)).max().unwrap_or(-1);
            let truth = who.min(what);
            if truth == 1 || (truth == 0 && rules.action == Action::Deny) {
                return Some(name.clone());
            }
        }
        None
    }

    fn permission(&self, permission: &Permission) -> i8 {
        match permission {
            Permission::And(all) => all.iter().map(|of| self.permission(of)).min().unwrap_or(1),
            Permission::Or(any) => any.iter().map(|of| self.permission(of)).max().unwrap_or(-1),
            Permission::Not(inner) => -self.permission(inner),
            Permission::Any => 1,
            Permission::Header(matcher) => {
                let HeaderValueMatch::String(value) = &matcher.value else { return 0 };
                let sent: Vec<&str> = match matcher.name.as_str() {
                    ":method" => vec![&self.request.method],
                    name => {
                        let own = self.request.headers.iter().filter(|(own, _)| own == name);
                        own.map(|(_, value)| std::str::from_utf8(value).unwrap()).collect()
                    }
                };
                if sent.is_empty() {
                    return -1;
                }
                let hits = sent.iter().filter(|sent| text(value, sent)).count();
                match hits {
                    n if n == sent.len() => 1,
                    0 if !text(value, &sent.join(",")) => -1,
                    _ => 0,
                }
            }
            Permission::UrlPath(value) => sign(text(value, self.request.path.split('?').next().unwrap())),
            Permission::DestinationPort(port) => sign(*port == self.port),
            Permission::DestinationPortRange(first, last) => sign((*first..=*last).contains(&self.port)),
            _ => 0,
        }
    }

    fn principal(&self, principal: &Principal) -> i8 {
        match principal {
            Principal::And(all) => all.iter().map(|of| self.principal(of)).min().unwrap_or(1),
            Principal::Or(any) => any.iter().map(|of| self.principal(of)).max().unwrap_or(-1),
            Principal::Not(inner) => -self.principal(inner),
            Principal::Any => 1,
            Principal::Authenticated(Some(value)) => sign(self.sans.iter().any(|san| text(value, san))),
            _ => 0,
        }
    }
}

fn sign(truth: bool) -> i8 {
    if truth { 1 } else { -1 }
}

fn text(matcher: &StringMatcher, value: &str) -> bool {
    match &matcher.pattern {
        Pattern::Exact(own) => value == own,
        Pattern::Prefix(own) => value.starts_with(own),
        Pattern::Suffix(own) => value.ends_with(own),
        Pattern::Contains(own) => value.contains(own),
        // Here only `.*literal.*` is made.
        Pattern::Regex(own) => value.contains(own.trim_matches(['.', '*'])),
    }
}

fn pattern(of: impl Strategy<Value = String>) -> impl Strategy<Value = StringMatcher> {
    (0u8..4, of).prop_map(|(shape, text)| match shape {
        0 | 1 => Pattern::Exact(text).into(),
        2 => Pattern::Prefix(text).into(),
        _ => Pattern::Suffix(text).into(),
    })
}

fn permission() -> impl Strategy<Value = Permission> {
    let method = prop_oneof![Just("GET"), Just("POST")].prop_map(method);
    let tenant = "[a-h]".prop_map(|value| header("x", Pattern::Exact(value)));
    let leaf = prop_oneof![
        4 => pattern("(/[ab]){1,2}".boxed()).prop_map(Permission::UrlPath),
        3 => method,
        2 => tenant,
        2 => (7999u16..8002).prop_map(Permission::DestinationPort),
        1 => Just(Permission::DestinationPortRange(7000, 8000)),
        1 => Just(Permission::Any),
        1 => Just(Permission::Unknown("x".into())),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Permission::And),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Permission::Or),
            inner.prop_map(|of| Permission::Not(Box::new(of))),
        ]
    })
}

fn principal() -> impl Strategy<Value = Principal> {
    let san = || "spiffe://td/ns/[ab]/sa/[ab]".boxed();
    let namespace =
        "[ab]".prop_map(|ns| Principal::Authenticated(Some(Pattern::Regex(format!(".*/ns/{ns}/.*")).into())));
    let leaf = prop_oneof![
        5 => pattern(san()).prop_map(|of| Principal::Authenticated(Some(of))),
        2 => pattern("(spiffe://td/ns/a|sa/b|/b)".boxed()).prop_map(|of| Principal::Authenticated(Some(of))),
        2 => namespace,
        1 => Just(Principal::Any),
        1 => Just(Principal::Unknown("x".into())),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Principal::And),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Principal::Or),
            inner.prop_map(|of| Principal::Not(Box::new(of))),
        ]
    })
}

prop_compose! {
    fn rules()(
        action in prop_oneof![Just(Action::Allow), Just(Action::Deny), Just(Action::Log)],
        policies in prop::collection::vec(
            (prop::collection::vec(permission(), 0..3), prop::collection::vec(principal(), 0..3), "[a-h]"),
            0..80,
        ),
        tenanted: bool,
    ) -> Rbac {
        let named = policies.into_iter().enumerate();
        let policies: BTreeMap<String, settings::Policy> =
            named.map(|(n, (what, who, tenant))| {
            // Policies that a header tells apart, as an index may go by.
            let own = Permission::And(vec![Permission::Or(what.clone()), header("x", Pattern::Prefix(tenant))]);
            (format!("{n:03}"), policy(if tenanted { vec![own] } else { what }, who))
        }).collect();
        Rbac { action, policies }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn compiled_rules_agree_with_a_plain_reading(
        rules in rules(),
        method in prop_oneof![Just("GET"), Just("POST"), Just("PUT")],
        path in "(/[abc]){1,3}",
        tenants in prop::collection::vec("[a-h]", 0..3),
        sans in prop::collection::vec("spiffe://td/ns/[abc]/sa/[abc]", 0..3),
        port in 7999u16..8003,
    ) {
        let request = tenants.iter().fold(get(&format!("{path}?/a")).method(method), |of, tenant| of.with("x", tenant));
        let naive = Naive { request: &request, sans: &sans, port }.verdict(&rules);
        let who = Peer::from_uri_sans(sans.clone());
        let mut connection = from((!sans.is_empty()).then_some(&who));
        connection.destination.set_port(port);
        let action = rules.action;
        let gates = gates(vec![rules]);
        let outcome = super::super::request(&gates, &request, &connection);
        let seen = match (&outcome.verdict, &outcome.notes[..]) {
            (Verdict::Denied(Denial::Policy { policy } | Denial::Undecided { policy, .. }), _) => Some((*policy).to_owned()),
            (Verdict::Allowed { policy: Some(policy) }, _) => Some((*policy).to_owned()),
            (_, [Note::Logged { policy }]) => Some((*policy).to_owned()),
            _ => None,
        };
        prop_assert_eq!(&seen, &naive);
        let passes = matches!(outcome.verdict, Verdict::Allowed { .. });
        let should = match action {
            Action::Allow => naive.is_some(),
            Action::Deny => naive.is_none(),
            Action::Log => true,
        };
        prop_assert_eq!(passes, should);
    }
}

use weft_model::http::JwtRequirement as Needs;

use super::*;
use crate::translate::authorization::Target;

fn read(spec: &str) -> Vec<Object<RequestAuthentication>> {
    let text = format!(
        "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {{name: r, namespace: foo}}\nspec: {spec}\n"
    );
    let reading = crate::read::read_str("t.yaml", &text);
    assert!(!reading.has_errors(), "{:?}", reading.diagnostics);
    reading.resources.request_authentications
}

fn made(spec: &str) -> Option<JwtAuthn> {
    let policies = read(spec);
    filter(&policies.iter().collect::<Vec<_>>(), &known)
}

fn known(host: &str, port: u16) -> Option<String> {
    (host == "keys.example").then(|| format!("outbound|{port}||{host}"))
}

fn token(name: &str) -> Needs {
    Needs::Provider(name.into())
}

#[test]
fn without_an_issuer_there_is_no_filter() {
    assert_eq!(made("{jwtRules: []}"), None);
    assert_eq!(filter(&[], &known), None);
}

#[test]
fn one_issuers_token_may_be_missing_but_not_bad() {
    let made = made("{jwtRules: [{issuer: a, jwks: '{\"keys\": []}'}]}").unwrap();
    assert!(made.bypass_cors_preflight);
    assert_eq!(made.rules[0].requires, Some(Needs::Any(vec![token("origins-0"), Needs::AllowMissing])));
    assert_eq!(made.providers[0].space_delimited_claims, ["permission", "scope"]);
    assert_eq!(made.providers[0].payload_in_metadata, "payload");
}

#[test]
fn several_issuers_are_numbered_by_their_names() {
    let made =
        made("{jwtRules: [{issuer: b, jwks: '{\"keys\": [1]}'}, {issuer: a, jwks: '{\"keys\": []}'}]}")
            .unwrap();
    let issuers: Vec<_> = made.providers.iter().map(|of| (of.name.as_str(), of.issuer.as_str())).collect();
    assert_eq!(issuers, [("origins-0", "a"), ("origins-1", "b")]);
    let each = |name| Needs::Any(vec![token(name), Needs::AllowMissing]);
    assert_eq!(
        made.rules[0].requires,
        Some(Needs::Any(vec![
            token("origins-0"),
            token("origins-1"),
            Needs::All(vec![each("origins-0"), each("origins-1")])
        ]))
    );
}

#[test]
fn every_field_of_a_rule_arrives() {
    let made = made(
        "{jwtRules: [{issuer: a, audiences: [one, two], jwksUri: 'https://Keys.example/k?x', timeout: 2s, fromHeaders: [{name: x-t, prefix: 'T '}], fromParams: [p], fromCookies: [c], outputPayloadToHeader: x-p, forwardOriginalToken: true, outputClaimToHeaders: [{header: x-s, claim: sub}], spaceDelimitedClaims: [zones]}]}",
    )
    .unwrap();
    let keys = JwksSource::Remote {
        uri: "https://Keys.example/k?x".into(),
        cluster: "outbound|443||keys.example".into(),
        timeout: Duration::from_secs(2),
        cache: Some(Duration::from_secs(300)),
    };
    let expected = JwtProvider {
        name: "origins-0".into(),
        issuer: "a".into(),
        audiences: vec!["one".into(), "two".into()],
        keys: Some(keys),
        from_headers: vec![("x-t".into(), "T ".into())],
        from_params: vec!["p".into()],
        from_cookies: vec!["c".into()],
        forward: true,
        forward_payload_header: "x-p".into(),
        payload_in_metadata: "payload".into(),
        space_delimited_claims: vec!["permission".into(), "scope".into(), "zones".into()],
        claim_to_headers: vec![("x-s".into(), "sub".into())],
        clock_skew_seconds: 0,
        require_expiration: false,
    };
    assert_eq!(made.providers, [expected]);
}

#[test]
fn an_issuer_without_keys_waits_for_what_never_comes_and_its_author_is_told() {
    for spec in ["{jwtRules: [{issuer: a}]}", "{jwtRules: [{issuer: a, jwksUri: 'https://gone.example/k'}]}"]
    {
        let made = made(spec).unwrap();
        let Some(JwksSource::Remote { cluster, .. }) = &made.providers[0].keys else { unreachable!() };
        assert_eq!(cluster, "BlackHoleCluster");
        let told = check(&read(spec)[0], &known);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].to_string().contains("every token of \"a\" is refused"), "{told:?}");
    }
    assert!(
        check(&read("{jwtRules: [{issuer: a, jwksUri: 'http://keys.example:8080'}]}")[0], &known).is_empty()
    );
}

#[test]
fn hosts_and_ports_of_urls() {
    let cases = [
        ("https://a.example/x", Some(("a.example", 443))),
        ("http://A.example", Some(("a.example", 80))),
        ("http://a.example:8080/x:9", Some(("a.example", 8080))),
        ("https://u:p@a.example?x", Some(("a.example", 443))),
        ("https://[::1]/x", Some(("[::1]", 443))),
        ("https://[::1]:7/x", Some(("[::1]", 7))),
        ("ftp://a.example", None),
        ("https://", None),
        ("https://a.example:x", None),
        ("a.example", None),
    ];
    for (uri, expected) in cases {
        assert_eq!(host_and_port(uri), expected.map(|(host, port)| (host.to_owned(), port)), "{uri}");
    }
}

#[test]
fn policies_are_for_their_workloads() {
    let policies =
        read("{selector: {matchLabels: {app: a}}, jwtRules: [{issuer: i, jwks: '{\"keys\": []}'}]}");
    let count = |app: &str| {
        let labels = [("app".to_owned(), app.to_owned())].into();
        let target = Target { namespace: "foo", labels: &labels, root_namespace: "istio-system" };
        applying(&policies, &target).len()
    };
    assert_eq!((count("a"), count("b")), (1, 0));
    assert_eq!(issuers(&policies).into_iter().collect::<Vec<_>>(), ["i"]);
}

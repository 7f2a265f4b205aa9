//! What authors are told.

use super::*;

fn told(policies: &[Object<AuthorizationPolicy>], issuers: &[&str]) -> Vec<String> {
    let context = Context { trust: OURS, authorizer: &nobody };
    policies.iter().flat_map(|policy| check(policy, issuers, &context)).map(|of| of.to_string()).collect()
}

#[test]
fn a_good_policy_gives_no_occasion() {
    let spec = r#"{rules: [{from: [{source: {principals: ["*"], requestPrincipals: ["https://issuer.example/*", "*"]}}], to: [{operation: {paths: ["/{*}/a"], ports: ["80"]}}], when: [{key: "request.auth.claims[a]", values: [b]}]}]}"#;
    assert_eq!(told(&policy(spec), &["https://issuer.example"]), Vec::<String>::new());
}

#[test]
fn an_issuer_that_ends_with_a_slash_needs_two() {
    let spec = r#"{rules: [{from: [{source: {requestPrincipals: ["https://tenant.example/*"]}}]}]}"#;
    let [told] = &told(&policy(spec), &["https://tenant.example/"])[..] else { panic!("one warning") };
    assert_eq!(
        told,
        "t.yaml:1:1: warning: spec.rules[0].from[0].source.requestPrincipals[0]: \"https://tenant.example/*\" is cut at its \
         last slash: it asks for the issuer \"https://tenant.example\", which nobody is, so it never matches; \
         https://tenant.example/ ends with a slash itself: write https://tenant.example//* [AuthorizationPolicy foo/p]"
    );
    let spec = r#"{rules: [{from: [{source: {requestPrincipals: ["https://tenant.example//*"]}}]}]}"#;
    assert!(super::checks::told(&policy(spec), &["https://tenant.example/"]).is_empty());
}

#[test]
fn a_subject_with_a_slash_cannot_be_named() {
    let spec = r#"{action: DENY, rules: [{when: [{key: request.auth.principal, notValues: ["https://i.example/team/ana"]}]}]}"#;
    let told = told(&policy(spec), &["https://i.example"]);
    assert!(told[0].contains("ask for the claims iss (https://i.example) and sub"), "{told:?}");
}

#[test]
fn an_unknown_authorizer_is_told() {
    let told = told(&policy("{action: CUSTOM, provider: {name: opa}, rules: [{}]}"), &[]);
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("spec.provider.name: the mesh has no authorizer \"opa\""), "{told:?}");
}

#[test]
fn an_annotation_that_is_no_truth_is_told() {
    let told = told(&named("p", r#", annotations: {istio.io/dry-run: "yes"}"#, "{}"), &[]);
    assert!(told[0].contains("\"yes\" is neither true nor false: the policy is enforced"), "{told:?}");
}

#[test]
fn the_beginning_of_a_principal_must_name_the_trust_domain_itself() {
    let spec =
        "{rules: [{from: [{source: {principals: [cluster.local/ns/foo/*, cluster.local/ns/foo/sa/a]}}]}]}";
    assert!(told(&policy(spec), &[]).is_empty());
    let trust = Trust { domain: "prod.example", aliases: &[] };
    let told = check(&policy(spec)[0], &[], &Context { trust, authorizer: &nobody });
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].hint.as_deref(), Some("write prod.example/ns/foo/*"));
}

#[test]
fn what_cannot_be_said_is_told_with_what_follows() {
    use crate::resources::authorization_policy::{Condition, From, Source};
    let when = Condition { key: "source.planet".into(), values: vec!["x".into()], ..Condition::default() };
    let source = Source { ip_blocks: vec!["10.0.0.300".into()], ..Source::default() };
    let rule = Rule { from: vec![From { source: Some(source) }], to: Vec::new(), when: vec![when] };
    let allow = told(&written(Action::Allow, vec![rule.clone()]), &[]);
    assert!(allow[0].contains("spec.rules[0].from[0].source: \"10.0.0.300\" is neither"), "{allow:?}");
    assert!(
        allow[1]
            .contains("spec.rules[0].when[0]: \"source.planet\" is no attribute: the rule lets nobody in"),
        "{allow:?}"
    );
    let deny = told(&written(Action::Deny, vec![rule]), &[]);
    assert!(deny[1].contains("the rule stops whatever else of it matches"), "{deny:?}");
}

#[test]
fn an_authorizer_is_found_by_name_if_its_service_exists() {
    let mesh = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata:\n  mesh: |\n    extensionProviders:\n    - {name: opa, envoyExtAuthzGrpc: {service: opa.foo.svc.cluster.local, port: 9191}}\n    - {name: web, envoyExtAuthzHttp: {service: foo/Web.foo.svc.cluster.local, port: 80}}\n    - {name: gone, envoyExtAuthzGrpc: {service: gone.foo.svc.cluster.local, port: 9191}}\n    - {name: log, envoyFileAccessLog: {path: /dev/stdout}}\n";
    let reading = crate::read::read_str("m.yaml", mesh);
    let providers = reading.resources.mesh.unwrap().spec.extension_providers;
    let known = |host: &str| !host.starts_with("gone");
    let found = |name: &str| authorizer(&providers, name, &known);
    let opa = Authorizer { cluster: "outbound|9191||opa.foo.svc.cluster.local".into(), grpc: true };
    assert_eq!(found("opa"), Some(opa));
    let web = Authorizer { cluster: "outbound|80||web.foo.svc.cluster.local".into(), grpc: false };
    assert_eq!(found("web"), Some(web));
    assert_eq!(found("gone").or(found("log")).or(found("never")), None);
}

//! That a value is read as it was meant.

use std::time::Duration;

use super::*;
use crate::resources::destination_rule::SimpleBalancer;
use crate::resources::duration::Span;
use crate::resources::virtual_service::StringMatch;

#[test]
fn conditions_keep_their_kind() {
    let text = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec:\n  hosts: [a]\n  http:\n  - match: [{uri: {prefix: /a}, method: {exact: GET}, headers: {x: {regex: 'a+'}}, withoutHeaders: {z: {}}, queryParams: {page: {exact: ''}}}]\n    timeout: 1.5s\n    route: [{destination: {host: a, port: {number: 80}}, weight: 90.0}]\n    directResponse:\n";
    let reading = read_str("t.yaml", text);
    assert_eq!(reading.diagnostics, []);
    let route = &reading.resources.virtual_services[0].spec.http[0];
    let condition = &route.matches[0];
    assert_eq!(condition.uri, Some(StringMatch::Prefix("/a".to_owned())));
    assert_eq!(condition.headers["x"], StringMatch::Regex("a+".to_owned()));
    assert_eq!(condition.without_headers["z"], StringMatch::Present);
    assert_eq!(condition.query_params["page"], StringMatch::Exact(String::new()));
    assert_eq!(route.timeout, Some(Span(Duration::from_millis(1500))));
    assert_eq!(route.route[0].weight, Some(90));
    assert!(route.direct_response.is_none());
}

#[test]
fn a_policy_without_rules_differs_from_one_with_an_empty_rule() {
    for (spec, rules) in [("spec: {}", 0), ("spec: {rules: []}", 0), ("spec: {rules: [{}]}", 1), ("", 0)] {
        let text = format!(
            "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: a}}\n{spec}\n"
        );
        let reading = read_str("t.yaml", &text);
        assert_eq!(reading.diagnostics, [], "{spec}");
        assert_eq!(reading.resources.authorization_policies[0].spec.rules.len(), rules, "{spec}");
    }
}

#[test]
fn old_and_new_names_of_balancers_are_told_apart_and_digits_have_no_underscore() {
    let text = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a}\nspec:\n  host: a\n  trafficPolicy:\n    loadBalancer: {simple: LEAST_CONN}\n    outlierDetection: {consecutive5xxErrors: 0}\n    connectionPool: {http: {http1MaxPendingRequests: 1, http2MaxRequests: 2, h2UpgradePolicy: UPGRADE}}\n";
    let reading = read_str("t.yaml", text);
    assert!(!reading.has_errors(), "{:?}", reading.diagnostics);
    let policy = reading.resources.destination_rules[0].spec.traffic_policy.clone().unwrap();
    assert_eq!(policy.load_balancer.unwrap().simple, Some(SimpleBalancer::LeastConn));
    assert_eq!(policy.outlier_detection.unwrap().consecutive_5xx_errors, Some(0));
    assert_eq!(policy.connection_pool.unwrap().http.unwrap().http2_max_requests, 2);
}

#[test]
fn ports_are_keys_with_or_without_quotes() {
    for key in ["8080", "\"8080\""] {
        let text = format!(
            "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: a}}\nspec: {{selector: {{matchLabels: {{a: b}}}}, portLevelMtls: {{{key}: {{mode: DISABLE}}}}}}\n"
        );
        let reading = read_str("t.yaml", &text);
        assert_eq!(reading.diagnostics, []);
        assert!(reading.resources.peer_authentications[0].spec.port_level_mtls.contains_key(&8080));
    }
}

#[test]
fn a_secrets_text_lies_over_its_data_and_does_not_show() {
    let text =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {a: aGk=, b: aG8=}\nstringData: {b: top}\n";
    let reading = read_str("t.yaml", text);
    assert_eq!(reading.diagnostics, []);
    let secret = &reading.resources.secrets[0];
    assert_eq!(secret.spec.0["a"], b"hi");
    assert_eq!(secret.spec.0["b"], b"top");
    assert!(!format!("{secret:?}").contains("top"));
}

#[test]
fn one_bad_resource_costs_no_other() {
    let text = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: good}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: bad}\nspec: {ports: x}\n---\n}{\n---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: too}\n";
    let reading = read_str("t.yaml", text);
    assert_eq!(reading.errors().count(), 2);
    assert_eq!(reading.resources.service_accounts.len(), 2);
    assert!(reading.resources.services.is_empty());
}

//! Policies about requests, at ports of TCP.

use super::found;

/// The workload serves HTTP at 8000 and TCP at 9000.
fn said(policies: &[(&str, &str)]) -> Vec<String> {
    let tcp = "apiVersion: v1\nkind: Service\nmetadata: {name: tcp, namespace: shop}\nspec: {selector: {app: web}, ports: [{name: tcp, port: 9000}]}\n---\n";
    let policies: String = policies
        .iter()
        .enumerate()
        .map(|(place, (action, rules))| {
            format!(
                "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: p{place}, namespace: shop}}\nspec: {{action: {action}, rules: [{rules}]}}\n---\n"
            )
        })
        .collect();
    found(&format!("{tcp}{policies}"))
}

#[test]
fn an_allow_that_asks_about_requests_closes_a_tcp_port_which_is_said() {
    let get = "{to: [{operation: {methods: [GET]}}]}";
    let closed = "spec.rules[0]: port 9000 of web is TCP, and methods is a matter of requests: it never holds there, so the rule lets in no connection, and no other does";
    assert_eq!(said(&[("ALLOW", get)]), [closed]);
    assert_eq!(said(&[("ALLOW", "{to: [{operation: {methods: [GET], ports: ['9000']}}]}")]), [closed]);
    assert_eq!(said(&[("ALLOW", "{to: [{operation: {methods: [GET], ports: ['8000']}}]}")]), [""; 0]);
    assert_eq!(said(&[("ALLOW", "{to: [{operation: {methods: [GET], notPorts: ['9000']}}]}")]), [""; 0]);
    // Somebody is let in by another rule.
    assert_eq!(said(&[("ALLOW", get), ("ALLOW", "{to: [{operation: {ports: ['9000']}}]}")]), [""; 0]);
    assert_eq!(said(&[("ALLOW", get), ("ALLOW", "{to: [{operation: {ports: ['8000']}}]}")]), [closed]);
}

#[test]
fn a_deny_that_asks_about_requests_stops_all_connections_which_is_said() {
    let deny = |operation: &str| said(&[("DENY", &format!("{{to: [{{operation: {{{operation}}}}}]}}"))]);
    assert_eq!(
        deny("paths: [/admin]"),
        [
            "spec.rules[0]: port 9000 of web is TCP, and paths is a matter of requests: it is left out there, so the rule stops all connections that the rest of it holds for"
        ]
    );
    assert_eq!(deny("paths: [/admin], ports: ['8000']"), [""; 0]);
    assert_eq!(deny("ports: ['9000']"), [""; 0]);
}

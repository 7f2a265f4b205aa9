//! Client namespace, service namespace, root namespace; the most specific host; several as one.

use std::collections::BTreeMap;

use crate::sample;

/// A rule of `namespace` for `host`, with a pool of so many connections.
fn rule(namespace: &str, name: &str, host: &str, connections: u32, more: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{host: '{host}', trafficPolicy: {{connectionPool: {{tcp: {{maxConnections: {connections}}}}}}}{more}}}\n"
    )
}

/// The pool that a client of `client` with these labels has for web.shop.
fn pool(client: &str, labels: &[(&str, &str)], rules: &[String]) -> Option<i32> {
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {ports: [{port: 80}]}\n";
    let world = sample::world(&format!("{service}{}", rules.concat()));
    let labels: BTreeMap<String, String> =
        labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let rule = world.destination_rule(client, &labels, &world.services[0])?;
    let pool = rule.traffic_policy.clone()?.connection_pool?;
    Some(pool.tcp?.max_connections)
}

const WEB: &str = "web.shop.svc.cluster.local";

#[test]
fn the_client_s_namespace_comes_before_the_service_s_before_the_root() {
    let (client, service, root) = (
        rule("front", "c", WEB, 1, ""),
        rule("shop", "s", "web", 2, ""),
        rule("istio-system", "r", WEB, 3, ""),
    );
    assert_eq!(pool("front", &[], &[root.clone(), service.clone(), client]), Some(1));
    assert_eq!(pool("front", &[], &[root.clone(), service]), Some(2));
    assert_eq!(pool("front", &[], &[root]), Some(3));
    assert_eq!(pool("front", &[], &[]), None);
}

#[test]
fn a_third_namespace_s_rule_is_nobody_s_business() {
    assert_eq!(pool("front", &[], &[rule("back", "b", WEB, 9, "")]), None);
}

#[test]
fn a_rule_that_is_not_exported_stays_at_home() {
    let private = rule("shop", "s", "web", 2, ", exportTo: ['.']");
    assert_eq!(pool("front", &[], std::slice::from_ref(&private)), None);
    assert_eq!(pool("shop", &[], &[private]), Some(2));
}

#[test]
fn a_name_comes_before_a_wildcard_and_a_longer_wildcard_before_a_shorter() {
    let (any, some, exact) = (
        rule("shop", "any", "*.local", 1, ""),
        rule("shop", "some", "*.shop.svc.cluster.local", 2, ""),
        rule("shop", "exact", "web", 3, ""),
    );
    assert_eq!(pool("shop", &[], &[any.clone(), some.clone(), exact]), Some(3));
    assert_eq!(pool("shop", &[], &[any, some]), Some(2));
}

#[test]
fn rules_of_one_host_are_one_of_which_the_oldest_sets_the_policy() {
    let first = rule("shop", "a", "web", 1, ", subsets: [{name: v1, labels: {v: '1'}}]");
    let second =
        rule("shop", "b", WEB, 2, ", subsets: [{name: v1, labels: {v: x}}, {name: v2, labels: {v: '2'}}]");
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {ports: [{port: 80}]}\n";
    let world = sample::world(&format!("{service}{first}{second}"));
    let merged = world.destination_rule("shop", &BTreeMap::new(), &world.services[0]).unwrap();
    assert_eq!(merged.name, "a");
    let subsets: Vec<(&str, &str)> =
        merged.subsets.iter().map(|subset| (subset.name.as_str(), subset.labels["v"].as_str())).collect();
    assert_eq!(subsets, [("v1", "1"), ("v2", "2")]);
}

#[test]
fn a_rule_for_some_callers_comes_before_the_one_for_all_of_them() {
    let all = rule("shop", "all", "web", 1, "");
    let some = rule("shop", "some", "web", 2, ", workloadSelector: {matchLabels: {app: cart}}");
    assert_eq!(pool("shop", &[("app", "cart")], &[all.clone(), some.clone()]), Some(2));
    assert_eq!(pool("shop", &[("app", "till")], &[all, some.clone()]), Some(1));
    // A selector reaches no further than its namespace.
    assert_eq!(pool("front", &[("app", "cart")], &[some]), None);
}

/// The subsets that a client of shop with these labels knows of web.
fn subsets(labels: &[(&str, &str)], rules: &[String]) -> Vec<String> {
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {ports: [{port: 80}]}\n";
    let world = sample::world(&format!("{service}{}", rules.concat()));
    let labels: BTreeMap<String, String> =
        labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let rule = world.destination_rule("shop", &labels, &world.services[0]).unwrap();
    rule.subsets.iter().map(|subset| subset.name.clone()).collect()
}

/// A rule of shop for web without a policy.
fn bare(name: &str, more: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{host: web{more}}}\n"
    )
}

const CART: &str = ", workloadSelector: {matchLabels: {app: cart}}";
const CARTS: &[(&str, &str)] = &[("app", "cart")];
const TILLS: &[(&str, &str)] = &[("app", "till")];

#[test]
fn an_older_rule_gets_what_it_has_not_from_a_younger_one_for_other_callers_which_stands_beside_it() {
    let all = bare("all", ", subsets: [{name: v1, labels: {v: '1'}}]");
    let some = bare("some", &format!("{CART}, subsets: [{{name: v2, labels: {{v: '2'}}}}]"));
    let older_for_all = [all.clone(), some.clone()];
    assert_eq!(subsets(TILLS, &older_for_all), ["v1", "v2"]);
    assert_eq!(subsets(CARTS, &older_for_all), ["v2"]);
    let older_for_some = [some, all];
    assert_eq!(subsets(TILLS, &older_for_some), ["v1"]);
    assert_eq!(subsets(CARTS, &older_for_some), ["v2", "v1"]);
}

#[test]
fn an_older_rule_without_a_policy_takes_that_of_a_younger_one_for_other_callers() {
    let (all, some) = (bare("all", ""), bare("some", CART));
    assert_eq!(pool("shop", TILLS, &[all, rule("shop", "some", "web", 2, CART)]), Some(2));
    assert_eq!(pool("shop", CARTS, &[some, rule("shop", "all", "web", 1, "")]), Some(1));
}

#[test]
fn rules_each_for_callers_of_its_own_stay_apart() {
    let till = ", workloadSelector: {matchLabels: {app: till}}";
    let rules = [bare("carts", CART), rule("shop", "tills", "web", 2, till)];
    assert_eq!(pool("shop", CARTS, &rules), None);
    assert_eq!(pool("shop", TILLS, &rules), Some(2));
}

#[test]
fn of_three_that_come_together_none_is_there_twice() {
    let rules = [bare("all", ""), bare("some", CART), rule("shop", "late", "web", 3, "")];
    assert_eq!(pool("shop", TILLS, &rules), Some(3));
    assert_eq!(pool("shop", CARTS, &rules), Some(3));
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {ports: [{port: 80}]}\n";
    let world = sample::world(&format!("{service}{}", rules.concat()));
    let names: Vec<&str> = world.destination_rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["all", "some"]);
}

#[test]
fn a_rule_that_is_exported_to_others_alone_is_not_used_at_home() {
    let away = rule("shop", "s", "web", 2, ", exportTo: [front]");
    assert_eq!(pool("shop", &[], std::slice::from_ref(&away)), None);
    assert_eq!(pool("front", &[], std::slice::from_ref(&away)), Some(2));
    let behind = rule("istio-system", "r", WEB, 3, "");
    assert_eq!(pool("shop", &[], &[away, behind]), Some(3));
    for home in ["'*'", "'.'", "shop"] {
        let rule = rule("shop", "s", "web", 2, &format!(", exportTo: [{home}]"));
        assert_eq!(pool("shop", &[], &[rule]), Some(2), "{home}");
    }
}

#[test]
fn what_the_mesh_exports_by_default_takes_no_rule_away_from_its_own_namespace() {
    let mesh = "---\napiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nmetadata: {name: mesh}\nspec: {meshConfig: {defaultDestinationRuleExportTo: [front]}}\n";
    let rules = [mesh.to_owned(), rule("shop", "s", "web", 2, "")];
    assert_eq!(pool("shop", &[], &rules), Some(2));
    assert_eq!(pool("front", &[], &rules), Some(2));
    assert_eq!(pool("back", &[], &rules), None);
}

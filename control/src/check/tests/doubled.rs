//! Two where one is in force.

use super::found;

#[test]
fn of_two_sidecars_for_the_same_workloads_the_younger_is_ignored_which_is_said() {
    let of = |name: &str, more: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{egress: [{{hosts: ['./*']}}]{more}}}\n---\n"
        )
    };
    let web = ", workloadSelector: {labels: {app: web}}";
    assert_eq!(
        found(&(of("first", "") + &of("second", ""))),
        [
            "spec: all workloads of namespace shop have an older Sidecar, first (mesh.yaml:20): this one is ignored"
        ]
    );
    assert_eq!(
        found(&(of("first", web) + &of("second", web))),
        ["spec: workloads with app=web have an older Sidecar, first (mesh.yaml:20): this one is ignored"]
    );
    assert_eq!(found(&(of("first", "") + &of("second", web))), [""; 0]);
    let elsewhere = of("second", "").replace("namespace: shop", "namespace: istio-system");
    assert_eq!(found(&(of("first", "") + &elsewhere)), [""; 0]);
}

#[test]
fn of_two_destination_rules_of_one_host_that_contradict_the_younger_is_ignored_which_is_said() {
    let of = |name: &str, spec: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{{spec}}}\n---\n"
        )
    };
    let simple = |how: &str| format!("trafficPolicy: {{loadBalancer: {{simple: {how}}}}}");
    let v1 = "subsets: [{name: v1, labels: {version: v1}}]";
    let first = of("first", &format!("host: web, {}, {v1}", simple("RANDOM")));
    assert_eq!(
        found(
            &(first.clone()
                + &of(
                    "second",
                    &format!(
                        "host: web.shop.svc.cluster.local, {}, subsets: [{{name: v1, labels: {{app: web}}}}]",
                        simple("ROUND_ROBIN")
                    )
                ))
        ),
        [
            "spec.trafficPolicy: web.shop.svc.cluster.local has a trafficPolicy in an older DestinationRule, first (mesh.yaml:20): this one is ignored",
            "spec.subsets[0]: web.shop.svc.cluster.local has a subset \"v1\" in an older DestinationRule, first (mesh.yaml:20): this one is ignored",
        ]
    );
    for second in [
        format!("host: web, {}, {v1}", simple("RANDOM")),
        "host: web, subsets: [{name: all, labels: {app: web}}]".to_owned(),
        format!("host: '*.shop.svc.cluster.local', {}", simple("ROUND_ROBIN")),
        format!("host: web, {}, workloadSelector: {{matchLabels: {{app: web}}}}", simple("ROUND_ROBIN")),
    ] {
        assert_eq!(found(&(first.clone() + &of("second", &second))), [""; 0], "{second}");
    }
}

#[test]
fn a_subset_that_an_older_rule_of_the_same_host_has_is_told_as_ignored_and_not_as_empty() {
    let rule = |name: &str, version: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{host: web, subsets: [{{name: one, labels: {{version: {version}}}}}]}}\n---\n"
        )
    };
    let both = found(&format!("{}{}", rule("first", "v1"), rule("second", "v9")));
    assert_eq!(
        both,
        [
            "spec.subsets[0]: web.shop.svc.cluster.local has a subset \"one\" in an older DestinationRule, first (mesh.yaml:20): this one is ignored"
        ]
    );
    // Where callers are told apart, each rule is its own.
    let selects = rule("second", "v9")
        .replace("spec: {host", "spec: {workloadSelector: {matchLabels: {app: web}}, host");
    let apart = found(&format!("{}{selects}", rule("first", "v1")));
    assert!(apart.len() == 1 && apart[0].contains("subset one is empty"), "{apart:#?}");
}

#[test]
fn a_policy_for_some_that_an_older_rule_takes_for_all_is_named() {
    let rule = |name: &str, more: &str| {
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{host: web{more}}}\n"
        )
    };
    let policy = ", trafficPolicy: {loadBalancer: {simple: RANDOM}}";
    let some = rule("some", &format!("{policy}, workloadSelector: {{matchLabels: {{app: web}}}}"));
    let said = "spec.trafficPolicy: this is for callers with app=web, but an older DestinationRule of web.shop.svc.cluster.local, all (mesh.yaml:21), is for all and has no trafficPolicy: as in Istio it takes this one";
    assert_eq!(found(&format!("{}{some}", rule("all", ""))), [said]);
    assert_eq!(found(&format!("{}{some}", rule("all", policy))), Vec::<String>::new());
    assert_eq!(found(&format!("{some}{}", rule("all", ""))), Vec::<String>::new());
}

use super::*;
use serde_json::json;

fn pod(name: &str, place: &str, template: &str) -> Pod {
    serde_json::from_value(json!({
        "name": name, "namespace": "shop", "kind": "Deployment", "workload": "web", "service_account": "default",
        "services": [], "labels": {}, "annotations": {}, "address": "127.64.0.1", "localhost": "127.64.0.2",
        "sidecar": true, "containers": [], "ports": [], "tcp": {}, "environment": [], "rewritten": [],
        "ready": true, "template": template, "place": place,
    }))
    .unwrap()
}

fn plan_of(pods: &[Pod]) -> Plan {
    Plan { pods: pods.to_vec(), ..Plan::default() }
}

#[test]
fn an_edit_is_told_by_the_places_that_it_changes() {
    let runs = [pod("web-1", "web-1", "old"), pod("web-2-ab", "web-2", "same"), pod("web-3", "web-3", "old")];
    let wanted = plan_of(&[
        pod("web-1-cd", "web-1", "new"),
        pod("web-2-ab", "web-2", "same"),
        pod("other-1", "other-1", "new"),
    ]);
    let change = Change::between(runs.iter(), &wanted);
    assert_eq!(change.to_string(), "stops [web-3], starts [other-1], replaces [web-1]");
    let same = plan_of(&runs);
    assert!(Change::between(runs.iter(), &same).to_string().starts_with("the same pods"));
}

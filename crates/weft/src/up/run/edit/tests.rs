use super::*;
use serde_json::json;

fn pod(name: &str, template: &str, ready: bool) -> Pod {
    serde_json::from_value(json!({
        "name": name, "namespace": "shop", "kind": "Deployment", "workload": "web", "service_account": "default",
        "services": [], "labels": {}, "annotations": {}, "address": "127.64.0.1", "localhost": "127.64.0.2",
        "sidecar": true, "containers": [], "ports": [], "tcp": {}, "environment": [], "rewritten": [],
        "ready": ready, "template": template,
    }))
    .unwrap()
}

fn plan_of(pods: &[Pod]) -> Plan {
    Plan { pods: pods.to_vec(), ..Plan::default() }
}

#[test]
fn a_changed_template_is_replaced_later_and_stays_in_the_plan_until_then() {
    let runs = plan_of(&[pod("web-1", "old", true), pod("web-2", "old", true)]);
    let edit = Edit::between(&runs, plan_of(&[pod("web-1", "new", true), pod("web-2", "new", true)]), true);
    assert_eq!(edit.plan, runs);
    assert_eq!(names(&edit.replaces), "web-1, web-2");
    assert_eq!((edit.goes.len(), edit.comes.len()), (0, 0));
}

#[test]
fn what_comes_to_a_ready_mesh_is_not_ready_and_what_stays_is_what_it_was() {
    let runs = plan_of(&[pod("a", "t", false), pod("b", "t", true)]);
    let edit = Edit::between(&runs, plan_of(&[pod("a", "t", true), pod("c", "t", true)]), true);
    assert_eq!((names(&edit.goes), names(&edit.comes), edit.replaces.len()), ("b".into(), "c".into(), 0));
    let ready: Vec<bool> = edit.plan.pods.iter().map(|pod| pod.ready).collect();
    assert_eq!(ready, [false, false]);
    let starting = Edit::between(&runs, plan_of(&[pod("c", "t", true)]), false);
    assert!(starting.plan.pods[0].ready, "a mesh that starts waits for all of its pods");
}

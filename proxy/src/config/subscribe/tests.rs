use weft_runtime::readiness::Readiness;

use super::*;

fn begun() -> (Readiness, Conditions) {
    let readiness = Readiness::new();
    let conditions = Conditions {
        clusters: readiness.expect("clusters", "CDS"),
        listeners: readiness.expect("listeners", "LDS"),
        rest: readiness.expect("configuration", "endpoints and routes"),
        complete: AtomicBool::new(false),
        refused: AtomicBool::new(false),
        naming: None,
    };
    (readiness, conditions)
}

#[test]
fn a_proxy_is_ready_when_all_is_there_that_was_asked_for_and_stays_so() {
    let (readiness, conditions) = begun();
    let missing = "routes 80".to_owned();
    conditions.heard(type_url::CLUSTER, Some(&missing), false);
    conditions.heard(type_url::LISTENER, Some(&missing), false);
    assert_eq!(readiness.state().to_string(), "not ready: configuration: routes 80");
    conditions.heard(type_url::ROUTES, None, false);
    assert!(readiness.is_ready());
    // A later push that refers to what has not come, and one that is refused.
    conditions.heard(type_url::LISTENER, Some(&missing), false);
    conditions.heard(type_url::CLUSTER, Some(&missing), true);
    assert!(readiness.is_ready());
    // The control plane goes away, and with it whoever heard it.
    drop(conditions);
    assert!(readiness.is_ready());
}

#[test]
fn what_was_refused_has_come_and_is_not_waited_for() {
    let (readiness, conditions) = begun();
    conditions.heard(type_url::CLUSTER, None, false);
    conditions.heard(type_url::LISTENER, Some(&"routes 80".to_owned()), true);
    assert!(readiness.is_ready());
}

#[test]
fn that_nothing_is_missing_is_believed_once_clusters_and_listeners_have_come() {
    let missing = "endpoints of outbound|80||api".to_owned();
    for [first, second] in [[type_url::LISTENER, type_url::CLUSTER], [type_url::CLUSTER, type_url::LISTENER]]
    {
        let (readiness, conditions) = begun();
        conditions.heard(first, None, false);
        conditions.heard(second, Some(&missing), false);
        assert_eq!(readiness.state().to_string(), format!("not ready: configuration: {missing}"));
        conditions.heard(type_url::ENDPOINTS, None, false);
        assert!(readiness.is_ready());
    }
    // What was refused first is not waited for when the other one comes.
    let (readiness, conditions) = begun();
    conditions.heard(type_url::CLUSTER, Some(&missing), true);
    assert!(!readiness.is_ready());
    conditions.heard(type_url::LISTENER, Some(&missing), false);
    assert!(readiness.is_ready());
}

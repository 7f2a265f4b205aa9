use super::*;
use serde_json::json;

fn status(plan: u64, pushed: u64, in_sync: bool) -> Value {
    let endpoints = json!({ "kind": "ClusterLoadAssignment", "in_sync": in_sync });
    json!({
        "plan_in_use": plan,
        "serving": {
            "revision": 4, "pushed": pushed,
            "proxies": [{ "types": [{ "kind": "Listener", "in_sync": false }, endpoints] }],
        },
    })
}

#[test]
fn callers_are_told_when_the_plan_is_read_pushed_and_acknowledged() {
    assert!(is_told(&status(7, 4, true), 7));
    assert!(is_told(&status(8, 4, true), 7), "a later plan is as good");
    assert!(!is_told(&status(6, 4, true), 7), "not read yet");
    assert!(!is_told(&status(7, 3, true), 7), "not pushed yet");
    assert!(!is_told(&status(7, 4, false), 7), "not acknowledged yet");
    assert!(!is_told(&json!({ "serving": null }), 0), "nobody is served yet");
}

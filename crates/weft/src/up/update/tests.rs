use super::*;
use serde_json::{Value, json};

fn deployment(strategy: &Value, replicas: u32) -> Update {
    let spec = json!({ "selector": {}, "template": {}, "strategy": strategy });
    Update::of_deployment(&serde_json::from_value(spec).unwrap(), replicas)
}

#[test]
fn a_quarter_more_rounded_up_and_a_quarter_fewer_rounded_down() {
    let default = |replicas| deployment(&Value::Null, replicas);
    assert_eq!(default(1), Update::Surge { surge: 1, unavailable: 0 });
    assert_eq!(default(3), Update::Surge { surge: 1, unavailable: 0 });
    assert_eq!(default(5), Update::Surge { surge: 2, unavailable: 1 });
}

#[test]
fn what_the_strategy_says_counts() {
    let rolling =
        |surge, unavailable| json!({ "rollingUpdate": { "maxSurge": surge, "maxUnavailable": unavailable } });
    assert_eq!(deployment(&rolling(json!(2), json!("50%")), 3), Update::Surge { surge: 2, unavailable: 1 });
    assert_eq!(deployment(&rolling(json!("34%"), json!(0)), 3), Update::Surge { surge: 2, unavailable: 0 });
    assert_eq!(deployment(&rolling(json!(0), json!(0)), 3), Update::Surge { surge: 0, unavailable: 1 });
    assert_eq!(deployment(&json!({ "type": "Recreate" }), 3), Update::Recreate);
}

#[test]
fn sets_replace_in_place_from_their_partition_on() {
    let set = |strategy: Value| {
        let spec = json!({ "selector": {}, "serviceName": "x", "template": {}, "updateStrategy": strategy });
        Update::of_stateful_set(&serde_json::from_value(spec).unwrap())
    };
    assert_eq!(set(Value::Null), Update::InPlace { partition: 0 });
    assert_eq!(set(json!({ "rollingUpdate": { "partition": 2 } })), Update::InPlace { partition: 2 });
    assert_eq!(set(json!({ "type": "OnDelete" })), Update::InPlace { partition: u32::MAX });
}

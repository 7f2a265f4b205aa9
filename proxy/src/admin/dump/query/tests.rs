use serde_json::json;

use super::Query;

#[test]
fn nothing_asked_is_everything_but_endpoints() {
    let query = Query::read("").unwrap();
    assert!(!query.include_eds && query.resource.is_none() && query.wants("any"));
    assert!(Query::read("include_eds").unwrap().include_eds);
    assert!(Query::read("resource=dynamic_endpoint_configs").unwrap().include_eds);
}

#[test]
fn a_regex_must_match_the_whole_name_and_comes_encoded() {
    let query = Query::read("name_regex=outbound%7C80%7C%7C.*").unwrap();
    // As Envoy would: `|` is an alternative, here between `outbound`, `80`, nothing and `.*`.
    assert!(query.wants("anything"));
    let query = Query::read(r"name_regex=outbound\|80.*").unwrap();
    assert!(query.wants("outbound|80||a"));
    assert!(!query.wants("x outbound|80||a"));
    assert!(Query::read("name_regex=(").unwrap_err().contains("name_regex"));
    assert!(Query::read("name_regex=%zz").is_err());
}

#[test]
fn a_mask_keeps_named_fields_types_and_goes_through_lists() {
    let query = Query::read("mask=dynamic_listeners.name,node").unwrap();
    let config =
        json!({ "@type": "t", "other": 1, "dynamic_listeners": [{ "name": "a", "active_state": {} }] });
    assert_eq!(query.masked(vec![config]), [json!({ "@type": "t", "dynamic_listeners": [{ "name": "a" }] })]);
    let whole = Query::read("mask=a,a.b").unwrap();
    assert_eq!(whole.masked(vec![json!({ "a": { "b": 1, "c": 2 } })]), [json!({ "a": { "b": 1, "c": 2 } })]);
}

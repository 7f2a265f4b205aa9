use std::collections::BTreeMap;

use prost::Message;
use weft_model::endpoint::{Address, Endpoint, Health, LocalityEndpoints};
use weft_model::rbac::{Action, Policy, Rbac, RbacFilter};

use super::*;
use crate::pb::{core, endpoint, http_rbac};

fn many() -> BTreeMap<String, String> {
    (0..40).map(|n| (format!("key {n}"), format!("value {n}"))).collect()
}

#[test]
fn equal_models_give_equal_bytes() {
    let endpoint = Endpoint {
        address: Address::Socket("10.0.0.1:80".parse().unwrap()),
        weight: 1,
        health: Health::Unknown,
        transport_match: many(),
        workload: "w".to_owned(),
        hostname: String::new(),
    };
    let locality = LocalityEndpoints { endpoints: vec![endpoint], ..LocalityEndpoints::default() };
    let model =
        LoadAssignment { cluster: "c".to_owned(), localities: vec![locality], overprovisioning_factor: None };
    let first = load_assignment(&model);
    for _ in 0..20 {
        assert_eq!(load_assignment(&model), first);
    }
}

#[test]
fn sorting_moves_entries_about_and_changes_none() {
    let policies = (0..40).map(|n| (format!("policy {n}"), Policy::default())).collect();
    let rules = Rbac { action: Action::Allow, policies };
    let filter = RbacFilter { rules: Some(rules), ..RbacFilter::default() };
    let message = rbac::http(&filter);
    let packed = value::pack(&message);
    assert_eq!(http_rbac::Rbac::decode(packed.value.as_slice()).unwrap(), message);
    assert_eq!(packed.value.len(), message.encoded_len());
    let names: Vec<usize> = (0..40).map(|n| position(&packed.value, &format!("policy {n}"))).collect();
    let by_letter = |n: usize| format!("policy {n}");
    let mut order: Vec<usize> = (0..40).collect();
    order.sort_by_key(|n| (by_letter(*n).len(), by_letter(*n)));
    assert!(order.windows(2).all(|pair| names[pair[0]] < names[pair[1]]), "{names:?}");
}

fn position(bytes: &[u8], text: &str) -> usize {
    let ends = |at: usize| bytes.get(at + text.len()).is_none_or(|next| !next.is_ascii_digit());
    let found = bytes.windows(text.len()).enumerate();
    found.filter(|(at, window)| *window == text.as_bytes() && ends(*at)).map(|(at, _)| at).next().unwrap()
}

#[test]
fn bytes_that_are_not_understood_are_left_as_they_are() {
    for bytes in [vec![0x0b], vec![0x0a, 0x7f], vec![0xff; 12], Vec::new()] {
        assert_eq!(canonical::sorted("envoy.config.listener.v3.Listener", bytes.clone()), bytes);
    }
}

#[test]
fn nested_json_is_sorted_to_the_bottom() {
    let inner = value::json_object(many().iter().map(|(key, text)| (key, value::json_text(text))));
    let nested = value::json_list([value::json(crate::pb::Kind::StructValue(inner))]);
    let metadata = core::Metadata {
        filter_metadata: [("istio".to_owned(), value::json_object([("list", nested)]))].into(),
        ..Default::default()
    };
    let endpoint = endpoint::LbEndpoint { metadata: Some(metadata), ..Default::default() };
    let locality = endpoint::LocalityLbEndpoints { lb_endpoints: vec![endpoint], ..Default::default() };
    let message = endpoint::ClusterLoadAssignment { endpoints: vec![locality], ..Default::default() };
    let first = value::pack(&message);
    for _ in 0..20 {
        // Decoding makes new maps, in another order.
        let again = endpoint::ClusterLoadAssignment::decode(message.encode_to_vec().as_slice()).unwrap();
        assert_eq!(value::pack(&again), first);
    }
}

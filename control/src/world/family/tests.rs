use super::*;
use serde_json::json;

#[test]
fn a_service_has_the_families_that_it_asks_for_or_has_addresses_of_and_both_where_it_wants_both() {
    let four = vec![Family::V4];
    let six = vec![Family::V6];
    let both = vec![Family::V4, Family::V6];
    let turned = vec![Family::V6, Family::V4];
    for (spec, expected) in [
        (json!({}), Vec::new()),
        (json!({ "clusterIP": "None" }), Vec::new()),
        (json!({ "ipFamilies": ["IPv6"], "ipFamilyPolicy": "SingleStack" }), six.clone()),
        (json!({ "clusterIP": "10.0.0.1" }), four),
        (json!({ "clusterIP": "fd00::1", "clusterIPs": ["fd00::1", "10.0.0.1"] }), turned.clone()),
        (json!({ "ipFamilyPolicy": "PreferDualStack" }), both.clone()),
        (json!({ "ipFamilies": ["IPv6"], "ipFamilyPolicy": "RequireDualStack" }), turned),
        (json!({ "ipFamilies": ["IPv4", "IPv6"], "clusterIP": "None" }), both),
        (json!({ "ipFamilies": ["IPX", "IPv6"] }), six),
    ] {
        let read: ServiceSpec = serde_json::from_value(spec.clone()).unwrap();
        assert_eq!(Family::of_service(&read), expected, "{spec}");
    }
}

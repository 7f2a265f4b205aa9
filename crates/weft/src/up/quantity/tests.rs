use super::*;

#[test]
fn quantities_are_given_in_their_divisor_rounded_up() {
    for (value, divisor, expected) in [
        ("500m", "", Some(1)),
        ("2", "1", Some(2)),
        ("1500m", "1m", Some(1500)),
        ("128Mi", "", Some(134_217_728)),
        ("128Mi", "1Mi", Some(128)),
        ("1G", "1Mi", Some(954)),
        ("0.5", "1m", Some(500)),
        ("1e3", "", Some(1000)),
        ("", "", None),
        ("x", "", None),
        ("1Zi", "", None),
        ("1", "0m", None),
        ("99999999999999999999999999999999999999999", "", None),
        ("1e99", "", None),
    ] {
        assert_eq!(in_units(value, divisor), expected, "{value} in {divisor}");
    }
}

use super::*;

#[test]
fn values_are_expanded_as_kubernetes_does() {
    let lookup = |name: &str| match name {
        "A" => Some("1"),
        "B" => Some("$(A)"),
        "" => Some("empty"),
        _ => None,
    };
    for (text, expected) in [
        ("plain", "plain"),
        ("$(A)", "1"),
        ("x-$(A)-$(A)", "x-1-1"),
        ("$(B)", "$(A)"),
        ("$(UNKNOWN)", "$(UNKNOWN)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$$$$(A)", "$$(A)"),
        ("$A", "$A"),
        ("$(A", "$(A"),
        ("100$", "100$"),
        ("$()", "empty"),
        ("$($(A))", "$($(A))"),
    ] {
        assert_eq!(expand(text, lookup), expected, "{text}");
    }
}

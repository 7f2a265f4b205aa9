use super::*;

#[test]
fn a_text_is_repeated_in_one_line_of_bounded_length() {
    assert_eq!(plain(&"the token expired"), "the token expired");
    assert_eq!(plain(&"a\nlevel=ERROR\x1b[31m\0"), "a\u{fffd}level=ERROR\u{fffd}[31m\u{fffd}");
    assert_eq!(plain(&"é".repeat(MAX)), "é".repeat(MAX));
    assert_eq!(plain(&"é".repeat(MAX + 1)), "é".repeat(MAX) + "…");
}

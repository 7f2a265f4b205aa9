use super::*;

#[test]
fn two_escapes_that_are_one_character_become_it_and_all_else_stays() {
    for (json, yaml) in [
        (r#"{"a": "\ud83d\ude00!"}"#, "{\"a\": \"\u{1f600}!\"}"),
        (r#""caf\u00e9\u00e9 \"x\" a\/b""#, r#""caf\u00e9\u00e9 \"x\" a\/b""#),
        (r#""\\ud83d\\ude00""#, r#""\\ud83d\\ude00""#),
        (r#""\\\ud83d\ude00""#, "\"\\\\\u{1f600}\""),
        (r#""\ud83d alone \ude00""#, r#""\ud83d alone \ude00""#),
        (r#""\ud83"#, r#""\ud83"#),
        ("{\t\"a\":\t1}\\", "{ \"a\": 1}\\"),
    ] {
        assert_eq!(as_yaml(json), yaml, "{json}");
    }
    assert!(matches!(as_yaml("{\"plain\": 1}"), Cow::Borrowed(_)));
}

#[test]
fn values_end_where_another_begins_and_not_in_strings_nor_within_each_other() {
    for (json, expected) in [
        ("{} {}", &[2][..]),
        ("{\"a\": [{}, {}]}\n\n{}{}\n", &[15, 19]),
        ("{\"a\": \"} {\"} [1]", &[12]),
        ("{\"a\": \"\\\"} {\"}", &[]),
        ("{}", &[]),
        ("{},{}", &[]),
        ("}}{}", &[2]),
        ("", &[]),
    ] {
        assert_eq!(ends(json), expected, "{json}");
    }
}

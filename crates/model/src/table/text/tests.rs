use proptest::prelude::*;

use super::*;

fn text(pattern: Pattern, ignore_case: bool) -> Text {
    Text::new(&StringMatcher { pattern, ignore_case }).unwrap()
}

#[test]
fn the_shapes_match_as_they_are_named() {
    let cases = [
        (Pattern::Exact("ab".into()), "ab", true),
        (Pattern::Exact("ab".into()), "abc", false),
        (Pattern::Prefix("ab".into()), "abc", true),
        (Pattern::Prefix("ab".into()), "a", false),
        (Pattern::Suffix("bc".into()), "abc", true),
        (Pattern::Suffix("bc".into()), "c", false),
        (Pattern::Contains("b".into()), "abc", true),
        (Pattern::Contains("".into()), "", true),
        (Pattern::Regex("a.c".into()), "abc", true),
        (Pattern::Regex(".+".into()), "", false),
    ];
    for (pattern, value, expected) in cases {
        let name = format!("{pattern:?} on {value:?}");
        assert_eq!(text(pattern, false).matches(value.as_bytes()), Some(expected), "{name}");
    }
}

#[test]
fn case_does_not_count_where_it_should_not() {
    assert_eq!(text(Pattern::Prefix("Admin.".into()), true).matches(b"ADMIN.example"), Some(true));
    assert_eq!(text(Pattern::Suffix(".COM".into()), true).matches(b"x.com"), Some(true));
    assert_eq!(text(Pattern::Contains("MiD".into()), true).matches(b"a-mid-b"), Some(true));
    assert_eq!(text(Pattern::Exact("A".into()), false).matches(b"a"), Some(false));
}

#[test]
fn a_regex_cannot_decide_on_bytes_that_are_no_text() {
    for pattern in ["a.*", ".*abc.*", ".+"] {
        assert_eq!(text(Pattern::Regex(pattern.into()), false).matches(b"abc\xff"), None, "{pattern}");
    }
    assert_eq!(text(Pattern::Prefix("a".into()), false).matches(b"a\xff"), Some(true));
}

proptest! {
    #[test]
    fn the_shortcuts_of_regexes_mean_what_the_regexes_mean(value in "(/ns/|foo|/|\n|x){0,5}") {
        for pattern in [".*/ns/foo/.*", ".+"] {
            let short = text(Pattern::Regex(pattern.into()), false).matches(value.as_bytes());
            prop_assert_eq!(short, Some(Re2::new(pattern).unwrap().matches(&value)));
        }
    }
}

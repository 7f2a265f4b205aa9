use proptest::prelude::*;

use super::*;

fn matches(pattern: &str, text: &str) -> bool {
    Re2::new(pattern).unwrap_or_else(|error| unreachable!("{error}")).matches(text)
}

#[test]
fn the_whole_text_must_match() {
    assert!(matches("beta-[0-9]+", "beta-12"));
    assert!(!matches("beta-[0-9]+", "xbeta-12"));
    assert!(!matches("beta-[0-9]+", "beta-12x"));
    assert!(!matches("a|b", "ab"), "an alternative does not reach out of its frame");
    assert!(!matches("a", "a\n"));
}

#[test]
fn classes_are_ascii_as_in_re2() {
    assert!(matches(r"\d+", "42"));
    assert!(!matches(r"\d+", "٤٢"), "Arabic digits are no \\d");
    assert!(!matches(r"\w", "é"));
    assert!(!matches(r"[\w]", "é"));
    assert!(matches(r"[^\w]", "é"));
    assert!(matches(r"\D", "٤"));
    assert!(!matches(r"\s", "\u{a0}"));
}

#[test]
fn brackets_hold_plain_characters_as_in_re2() {
    assert!(matches("[a&&b]", "&"));
    assert!(matches("[a&&b]", "a"));
    assert!(matches("[a~~b]", "~"));
    assert!(matches("[[a]", "["));
    assert!(matches("[]a]+", "]a"));
    assert!(matches("[^]a]", "b"));
    assert!(matches("[[:digit:]_]+", "1_"));
    assert!(matches("[a-z--]+", "q-"));
    assert!(!matches("[a-z--]+", "Q"));
}

#[test]
fn escapes_mean_what_they_mean_in_re2() {
    assert!(matches(r"\<a\>", "<a>"));
    assert!(matches(r"\/\-\.", "/-."));
    assert!(matches(r"\Qa.b\E+", "a.bbb"));
    assert!(matches(r"\x41\x{42}", "AB"));
    assert!(matches("a{,3}", "a{,3}"));
    assert!(matches("a{2,3}", "aaa"));
    assert!(matches("(?i)abc", "ABC"));
    assert!(matches(r"(?P<name>a)\bx?", "a"));
}

#[test]
fn what_re2_refuses_is_refused() {
    for pattern in
        ["(", "a)(b", r"(a)\1", r"\C", "(?x) a", "(?=a)", "(?<!a)", r"a\", "[a", r"\Z", "(?", "a{1001}{1001}"]
    {
        let error = Re2::new(pattern);
        assert!(error.is_err(), "{pattern} was taken");
    }
}

#[test]
fn size_is_bounded() {
    assert_eq!(Re2::new(&"a".repeat(5000)).unwrap_err(), Re2Error::Long(5000));
    assert!(Re2::new(r"(\pL{500}){500}").is_err());
}

#[test]
fn a_literal_with_anything_around_it_is_found_out() {
    assert_eq!(surrounded_literal(".*/ns/foo/.*"), Some("/ns/foo/"));
    for pattern in [".*/ns/a.b/.*", "/ns/foo/.*", ".*a|b.*", ".*"] {
        assert_eq!(surrounded_literal(pattern), None, "{pattern}");
    }
}

#[test]
fn a_substitution_replaces_every_match_with_its_groups() {
    let mut out = String::new();
    let rewrite = Substitution::new("^/service/([^/]+)(/.*)$", r"\2/instance/\1").unwrap();
    assert!(rewrite.replace_all("/service/foo/v1/api", &mut out));
    assert_eq!(out, "/v1/api/instance/foo");
    out.clear();
    assert!(!rewrite.replace_all("/other", &mut out));
    assert_eq!(out, "/other");
    out.clear();
    Substitution::new("one", r"\\\0").unwrap().replace_all("/xx/one/yy/one", &mut out);
    assert_eq!(out, r"/xx/\one/yy/\one");
}

#[test]
fn a_substitution_of_a_group_that_is_not_there_is_refused() {
    for substitution in [r"\2", r"\", r"\x"] {
        assert!(Substitution::new("(a)", substitution).is_err(), "{substitution}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_regex_or_an_error(
        pattern in prop_oneof![r"\PC{0,24}", r"[\\()\[\]{}|*+?^$.a-dQEC0-9:<>P=!,&~-]{0,24}"],
        text in r"\PC{0,16}",
    ) {
        if let Ok(regex) = Re2::new(&pattern) {
            regex.matches(&text);
        }
        if let Ok(rewrite) = Substitution::new(&pattern, r"<\0>") {
            let mut out = String::new();
            rewrite.replace_all(&text, &mut out);
            prop_assert!(out.len() >= text.len());
        }
    }

    #[test]
    fn an_escaped_text_matches_itself_alone(text in r"[ -~é]{0,16}", other in r"[ -~é]{0,16}") {
        let quoted = format!(r"\Q{}\E", text.replace('\\', ""));
        let text = text.replace('\\', "");
        let regex = Re2::new(&quoted).unwrap();
        prop_assert!(regex.matches(&text));
        prop_assert_eq!(regex.matches(&other), other == text);
    }
}

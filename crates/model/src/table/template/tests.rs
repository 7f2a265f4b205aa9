use proptest::prelude::*;

use super::*;

fn matches(template: &str, path: &str) -> Option<bool> {
    Template::new(template).unwrap_or_else(|error| unreachable!("{error}")).matches(path)
}

#[test]
fn one_star_is_one_segment_and_two_are_any_number() {
    for spelling in ["/profiles/{*}/risk", "/profiles/*/risk"] {
        assert_eq!(matches(spelling, "/profiles/7/risk"), Some(true));
        assert_eq!(matches(spelling, "/profiles/7/8/risk"), Some(false));
        assert_eq!(matches(spelling, "/profiles//risk"), Some(false));
        assert_eq!(matches(spelling, "/profiles/7/risk/"), Some(false));
    }
    for spelling in ["/profiles/{**}", "/profiles/**"] {
        assert_eq!(matches(spelling, "/profiles/7/a/b"), Some(true));
        assert_eq!(matches(spelling, "/profiles/"), Some(true));
        assert_eq!(matches(spelling, "/profiles"), Some(false));
    }
    assert_eq!(matches("/a/{**}/z", "/a/b/c/z"), Some(true));
    assert_eq!(matches("/**.m3u8", "/x/y.m3u8"), Some(true));
}

#[test]
fn a_character_that_envoys_templates_do_not_take_is_undecided() {
    assert_eq!(matches("/a/{*}", "/a/x=1"), None);
    assert_eq!(matches("/a/{**}", "/a/x/y=*"), None);
    assert_eq!(matches("/a/{*}", "/b/x=1"), Some(false));
}

#[test]
fn dots_and_other_signs_of_a_template_are_literal() {
    assert_eq!(matches("/v1.0/{*}", "/v1x0/a"), Some(false));
    assert_eq!(matches("/a+b/{*}", "/a+b/c"), Some(true));
}

#[test]
fn names_are_kept_for_rewrites() {
    let template = Template::new("/api/{lang}/{rest=**}").unwrap();
    assert!(template.can_rewrite("/{rest}/{lang}"));
    assert!(!template.can_rewrite("/{other}"));
    assert!(!template.can_rewrite("/{open"));
    let mut out = String::new();
    assert!(template.rewrite("/api/en/a/b", "/{rest}/{lang}", &mut out));
    assert_eq!(out, "/a/b/en");
}

#[test]
fn what_is_no_template_is_refused() {
    for template in ["profiles/*", "/a/{", "/a/}", "/a/{x=y}", "/a/{1x}"] {
        assert!(Template::new(template).is_err(), "{template}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_template_or_an_error(template in r"/([a-c/*{}=.]|\PC){0,16}", path in r"/\PC{0,16}") {
        if let Ok(template) = Template::new(&template) {
            let mut out = String::new();
            let verdict = template.matches(&path);
            prop_assert_eq!(template.rewrite(&path, "/x{a}", &mut out), verdict == Some(true));
            prop_assert!(verdict == Some(false) || path.starts_with(template.prefix()));
        }
    }
}

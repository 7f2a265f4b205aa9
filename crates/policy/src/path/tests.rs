use proptest::prelude::*;

use super::*;

const NONE: PathNormalization =
    PathNormalization { normalize: false, merge_slashes: false, escaped_slashes: EscapedSlashes::Keep };
const DEFAULT: PathNormalization = PathNormalization { normalize: true, ..NONE };
const MERGE: PathNormalization = PathNormalization { merge_slashes: true, ..DEFAULT };
const DECODE: PathNormalization =
    PathNormalization { escaped_slashes: EscapedSlashes::UnescapeAndForward, ..MERGE };

fn forwarded(path: &str, rules: PathNormalization) -> String {
    match normalize(path, rules) {
        Normalized::Forward(path) => path.into_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn the_modes_do_what_their_names_say() {
    let cases = [
        // as sent                none                   base, default        merge                decode
        ("/a/../b", "/a/../b", "/b", "/b", "/b"),
        ("/a/./b/.", "/a/./b/.", "/a/b/", "/a/b/", "/a/b/"),
        ("/a/b/..", "/a/b/..", "/a/", "/a/", "/a/"),
        ("/../../a", "/../../a", "/a", "/a", "/a"),
        ("/%61dmin", "/%61dmin", "/admin", "/admin", "/admin"),
        ("/%2e%2E/a", "/%2e%2E/a", "/a", "/a", "/a"),
        ("/a\\b", "/a\\b", "/a/b", "/a/b", "/a/b"),
        ("//a///b", "//a///b", "//a///b", "/a/b", "/a/b"),
        ("/a%2Fb", "/a%2Fb", "/a%2Fb", "/a%2Fb", "/a/b"),
        ("/a%5c..%2fb", "/a%5c..%2fb", "/a%5c..%2fb", "/a%5c..%2fb", "/b"),
        (
            "/a%2F%2Fb?x=%2F//..",
            "/a%2F%2Fb?x=%2F//..",
            "/a%2F%2Fb?x=%2F//..",
            "/a%2F%2Fb?x=%2F//..",
            "/a/b?x=%2F//..",
        ),
        ("/50%", "/50%", "/50%", "/50%", "/50%"),
        ("/a%252e", "/a%252e", "/a%252e", "/a%252e", "/a%252e"),
        ("/..;/a", "/..;/a", "/..;/a", "/..;/a", "/..;/a"),
        ("*", "*", "*", "*", "*"),
        ("", "", "", "", ""),
    ];
    for (path, none, base, merge, decode) in cases {
        for (rules, expected) in [(NONE, none), (DEFAULT, base), (MERGE, merge), (DECODE, decode)] {
            assert_eq!(forwarded(path, rules), expected, "{path} by {rules:?}");
        }
    }
}

#[test]
fn escaped_slashes_are_refused_or_redirected_where_asked() {
    let with = |escaped_slashes| PathNormalization { escaped_slashes, ..DEFAULT };
    assert!(matches!(normalize("/a%2fb", with(EscapedSlashes::Reject)), Normalized::Reject(_)));
    assert!(matches!(normalize("/a%5Cb", with(EscapedSlashes::Reject)), Normalized::Reject(_)));
    assert_eq!(forwarded("/a?b=%2f", with(EscapedSlashes::Reject)), "/a?b=%2f");
    let redirect = normalize("/a%2f../b?q=1", with(EscapedSlashes::UnescapeAndRedirect));
    assert_eq!(redirect, Normalized::Redirect("/b?q=1".into()));
    assert_eq!(forwarded("/a/b", with(EscapedSlashes::UnescapeAndRedirect)), "/a/b");
}

#[test]
fn what_two_readers_could_read_differently_is_refused() {
    assert!(matches!(normalize("/a#/b", NONE), Normalized::Reject(_)));
    assert!(matches!(normalize("/a%00", DEFAULT), Normalized::Reject(_)));
    assert!(matches!(normalize("/%2%65%2%65/b", DEFAULT), Normalized::Reject(_)), "would become %2e%2e");
}

fn rules() -> impl Strategy<Value = PathNormalization> {
    let slashes = prop_oneof![
        Just(EscapedSlashes::Keep),
        Just(EscapedSlashes::Reject),
        Just(EscapedSlashes::UnescapeAndForward),
        Just(EscapedSlashes::UnescapeAndRedirect),
    ];
    (any::<bool>(), any::<bool>(), slashes).prop_map(|(normalize, merge_slashes, escaped_slashes)| {
        PathNormalization { normalize, merge_slashes, escaped_slashes }
    })
}

proptest! {
    #[test]
    fn normalizing_twice_is_normalizing_once(
        path in r"/([ab./\\%?;]|%2[eEfF]|%5[cC]|%25|%61|%2|%|é){0,16}",
        rules in rules(),
    ) {
        let once = match normalize(&path, rules) {
            Normalized::Forward(path) => path.into_owned(),
            Normalized::Redirect(path) => path,
            Normalized::Reject(_) => return Ok(()),
        };
        prop_assert_eq!(normalize(&once, rules), Normalized::Forward(Cow::Borrowed(once.as_str())), "{}", path);
    }

    #[test]
    fn what_is_plain_would_be_left_as_it_is(path in r"/([ab/.]|%2f|\\){0,8}", rules in rules()) {
        if is_plain(&path) {
            prop_assert_eq!(by_rules(&path, &path, "", rules), Normalized::Forward(Cow::Borrowed(&*path)));
        }
    }

    #[test]
    fn no_dot_segment_is_left_and_the_path_stays_one(path in r"/([ab./\\%]|%2[eEfF]|%5[cC]){0,16}") {
        if let Normalized::Forward(path) = normalize(&path, DECODE) {
            prop_assert!(path.starts_with('/'));
            prop_assert!(!path.contains('\\') && !path.contains("//"), "{}", path);
            prop_assert!(path.split('/').all(|segment| segment != "." && segment != ".."), "{}", path);
        }
    }

    #[test]
    fn the_query_is_never_touched(path in "/[a./%]{0,8}", query in r"\?[a./%2f\\]{0,12}") {
        if let Normalized::Forward(whole) = normalize(&format!("{path}{query}"), DECODE) {
            prop_assert!(whole.ends_with(&query), "{}", whole);
        }
    }
}

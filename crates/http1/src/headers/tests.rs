use super::*;

fn list(lines: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::new();
    lines.iter().for_each(|(name, value)| headers.append(name, value).unwrap());
    headers
}

fn written(headers: &Headers) -> String {
    let mut out = Vec::new();
    headers.write(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn names_compare_without_case_and_are_written_with_it() {
    let headers = list(&[("X-One", "1"), ("x-two", "2"), ("X-ONE", "3")]);
    assert_eq!((headers.get("x-one"), headers.text("X-TWO")), (Some(&b"1"[..]), Some("2")));
    assert_eq!(headers.get_all("x-One").collect::<Vec<_>>(), [b"1", b"3"]);
    assert_eq!((headers.contains("x-one"), headers.contains("x-on"), headers.len()), (true, false, 3));
    assert_eq!(
        [headers.only("X-ONE"), headers.only("X-two"), headers.only("x-on")],
        [None, Some(&b"2"[..]), None]
    );
    assert_eq!(written(&headers), "X-One: 1\r\nx-two: 2\r\nX-ONE: 3\r\n");
}

#[test]
fn set_replaces_all_in_the_place_and_case_of_the_first() {
    let mut headers = list(&[("a", "1"), ("B", "2"), ("c", "3"), ("b", "4")]);
    headers.set("b", "a longer value").unwrap();
    assert_eq!(written(&headers), "a: 1\r\nB: a longer value\r\nc: 3\r\n");
    headers.set("d", "5").unwrap();
    headers.set("A", "1").unwrap();
    assert_eq!(written(&headers), "a: 1\r\nB: a longer value\r\nc: 3\r\nd: 5\r\n");
}

#[test]
fn remove_retain_and_truncate() {
    let mut headers = list(&[("a", "1"), ("B", "2"), ("c", "3"), ("b", "4"), ("e", "5")]);
    assert!(headers.remove("b"));
    assert!(!headers.remove("b"));
    assert_eq!(headers, list(&[("a", "1"), ("c", "3"), ("e", "5")]));
    headers.retain(|name, value| name != b"c" || value != b"3");
    headers.truncate(1);
    assert_eq!(headers, list(&[("a", "1")]));
    headers.clear();
    assert!(headers.is_empty());
}

#[test]
fn nothing_that_could_begin_another_line_gets_in() {
    let mut headers = list(&[("a", "1")]);
    for name in ["", "a b", "a:", "a\r\nb", "\0", "ä", "a\t", "(a)", ":authority"] {
        assert_eq!(headers.append(name, "x"), Err(InvalidHeader::Name), "{name:?}");
        assert_eq!(headers.set(name, "x"), Err(InvalidHeader::Name), "{name:?}");
    }
    for value in ["a\r\nb: c", "a\n", "\r", "a\0", "\x7f", "\x1b[0m"] {
        assert_eq!(headers.append("b", value), Err(InvalidHeader::Value), "{value:?}");
        assert_eq!(headers.set("b", value), Err(InvalidHeader::Value), "{value:?}");
        assert_eq!(headers.set("a", value), Err(InvalidHeader::Value), "{value:?}");
    }
    assert_eq!(headers, list(&[("a", "1")]));
    headers.append("b", [0xff, b'\t', b'x']).unwrap();
    assert_eq!(headers.get("b"), Some(&b"\xff\tx"[..]));
}

#[test]
fn white_space_around_a_value_is_not_part_of_it() {
    let mut headers = list(&[("a", " \t1 2\t ")]);
    headers.set("b", "  ").unwrap();
    assert_eq!(written(&headers), "a: 1 2\r\nb: \r\n");
}

#[test]
fn a_cleared_list_is_filled_again_without_an_allocation() {
    let mut headers = list(&[("a", "0123456789"), ("b", "2")]);
    let room = (headers.bytes.capacity(), headers.spans.capacity());
    for _ in 0..1000 {
        headers.clear();
        headers.append("a", "0123456789").unwrap();
        headers.append("b", "2").unwrap();
    }
    assert_eq!((headers.bytes.capacity(), headers.spans.capacity()), room);
    headers.clear();
    headers.shrink_to(0);
    assert_eq!(headers.bytes.capacity(), 0);
}

#[test]
fn a_line_that_was_checked_once_reads_and_writes_as_one_that_was_appended() {
    let line = Line::new("X-Who", " me ").unwrap();
    let (mut one, mut other) = (Headers::new(), Headers::new());
    for headers in [&mut one, &mut other] {
        headers.append("a", "1").unwrap();
    }
    one.append_line(&line).unwrap();
    other.append("X-Who", " me ").unwrap();
    assert_eq!(one, other);
    assert_eq!(one.get("x-who"), Some(&b"me"[..]));
    let written = |headers: &Headers| {
        let mut out = Vec::new();
        headers.write(&mut out);
        out
    };
    assert_eq!(written(&one), written(&other));
    assert!(Line::new("x", "a\r\nb").is_err() && Line::new("", "a").is_err());
}

#[test]
fn what_is_set_under_a_known_name_reads_and_writes_as_what_is_set_under_any() {
    const AGE: Name = Name::new("Age");
    for before in [&[][..], &[("x", "1"), ("age", "7"), ("AGE", "8"), ("y", "2")]] {
        for value in ["", " 1 ", "184"] {
            let (mut one, mut other) = (list(before), list(before));
            one.set_known(AGE, value).unwrap();
            other.set("Age", value).unwrap();
            assert_eq!((&one, written(&one)), (&other, written(&other)), "{value:?} over {before:?}");
        }
        for number in [0, 184, u64::MAX] {
            let (mut one, mut other) = (list(before), list(before));
            one.set_number(AGE, number).unwrap();
            other.set("Age", number.to_string()).unwrap();
            assert_eq!((&one, written(&one)), (&other, written(&other)), "{number} over {before:?}");
        }
        const LONG: Name = Name::new("x-one-that-is-longer-than-what-has-a-place-of-its-own");
        let (mut one, mut other) = (list(before), list(before));
        one.set_number(LONG, 7).unwrap();
        other.set(LONG, "7").unwrap();
        assert_eq!((&one, written(&one)), (&other, written(&other)), "over {before:?}");
        const OTHER: Name = Name::new("x-other");
        let (mut one, mut other) = (list(before), list(before));
        for numbers in [[(OTHER, 1), (AGE, 20)], [(AGE, 300), (OTHER, 4000)]] {
            one.set_numbers(&numbers).unwrap();
            numbers.iter().for_each(|(name, value)| other.set(name, value.to_string()).unwrap());
        }
        assert_eq!((&one, written(&one)), (&other, written(&other)), "over {before:?}");
        let mut headers = list(before);
        for value in ["a\rb", "a\nb", "\0"] {
            assert_eq!(headers.set_known(AGE, value), Err(InvalidHeader::Value), "{value:?}");
        }
        assert_eq!(headers, list(before));
    }
}

#[test]
fn a_look_at_some_names_sees_all_of_theirs_in_any_case_and_keeps_what_only_looks_alike() {
    static SOME: Names = Names::NONE.and(&["te", "Upgrade"]).and(&["x-one"]);
    let mut headers =
        list(&[("TE", "1"), ("a", "2"), ("uPGRADE", "3"), ("x-two", "4"), ("X-One", "5"), ("we", "6")]);
    let mut seen = Vec::new();
    headers.retain_among(&SOME, |name, _| {
        seen.push(String::from_utf8_lossy(name).to_lowercase());
        !["te", "upgrade", "x-one"].contains(&&*seen[seen.len() - 1])
    });
    for name in ["te", "upgrade", "x-one"] {
        assert!(seen.iter().any(|one| one == name), "{name} is not among {seen:?}");
    }
    assert_eq!(headers, list(&[("a", "2"), ("x-two", "4"), ("we", "6")]));
    assert_eq!(
        seen.len(),
        4,
        "{seen:?}: each is asked about once, and of the others only what looks like one"
    );
}

#[test]
fn names_that_are_removed_together_go_in_any_case_and_as_often_as_they_are_there() {
    const BOTH: [Name; 2] = [Name::new("x-one"), Name::new("x-other")];
    let mut headers = list(&[("a", "1"), ("X-Other", "2"), ("x-ones", "3"), ("x-one", "4"), ("X-ONE", "5")]);
    headers.remove_each(&BOTH);
    assert_eq!(headers, list(&[("a", "1"), ("x-ones", "3")]));
    headers.remove_each(&BOTH);
    assert_eq!(headers, list(&[("a", "1"), ("x-ones", "3")]));
}

use proptest::prelude::*;

use super::*;

fn in_text(value: &[u8], place: Place) -> String {
    let mut out = Vec::new();
    text(&mut out, value, place);
    String::from_utf8(out).unwrap()
}

fn in_json(value: &[u8]) -> String {
    let mut out = Vec::new();
    json(&mut out, value);
    String::from_utf8(out).unwrap()
}

#[test]
fn an_ordinary_value_is_left_alone() {
    assert_eq!(in_text(b"Mozilla/5.0 (X11; Linux)", Place::Quoted), "Mozilla/5.0 (X11; Linux)");
    assert_eq!(in_json("größer".as_bytes()), "größer");
}

#[test]
fn a_value_cannot_leave_its_line_its_quotes_or_its_field() {
    assert_eq!(in_text(b"a\r\n[x] \"GET\\", Place::Quoted), r#"a\x0d\x0a[x] \"GET\\"#);
    assert_eq!(in_text(b"a b\x1b[2J\xff", Place::Bare), r"a\x20b\x1b[2J\xff");
    assert_eq!(in_json(b"\"\\\n\x1b\x7f\xff"), "\\\"\\\\\\n\\u001b\\u007f\u{fffd}");
    assert_eq!(in_json("\u{202e}\u{2028}\u{85}".as_bytes()), "\\u202e\\u2028\\u0085");
}

#[test]
fn every_byte_is_seen_wherever_it_stands() {
    for len in 1..40 {
        for at in 0..len {
            for byte in 0..=255 {
                let mut value = vec![b'a'; len];
                value[at] = byte;
                assert_eq!(is_plain(&value), CLASS[usize::from(byte)] & JSON != 0, "{byte} at {at} of {len}");
            }
        }
    }
}

proptest! {
    #[test]
    fn text_is_printable_and_has_no_bare_quote(value in proptest::collection::vec(any::<u8>(), 0..200)) {
        for place in [Place::Quoted, Place::Bare] {
            let out = in_text(&value, place);
            prop_assert!(out.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ' && place == Place::Quoted));
            let unescaped = out.replace("\\\\", "").replace("\\\"", "");
            prop_assert!(!unescaped.contains('"'));
        }
    }

    #[test]
    fn json_reads_back_as_what_it_was(value in any::<String>()) {
        let text = format!("\"{}\"", in_json(value.as_bytes()));
        prop_assert_eq!(serde_json::from_str::<String>(&text).unwrap(), value);
        prop_assert!(!text.chars().any(char::is_control));
    }
}

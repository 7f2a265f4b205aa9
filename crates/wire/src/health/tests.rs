use super::*;

#[test]
fn a_service_is_named_whole_however_long_its_name_is() {
    let of = |length: usize| question(&"a".repeat(length));
    assert_eq!(of(0)[..], [0; 5], "the server as a whole");
    for (length, head) in [
        (1, &[0, 0, 0, 0, 3, 0x0a, 1][..]),
        (127, &[0, 0, 0, 0, 129, 0x0a, 0x7f]),
        (128, &[0, 0, 0, 0, 131, 0x0a, 0x80, 1]),
        (300, &[0, 0, 0, 1, 47, 0x0a, 0xac, 2]),
        (20_000, &[0, 0, 0, 0x4e, 0x24, 0x0a, 0xa0, 0x9c, 1]),
    ] {
        assert_eq!(of(length)[..head.len()], *head, "{length}");
        assert_eq!(of(length).len(), head.len() + length);
    }
}

#[test]
fn what_serves_is_told_from_what_does_not_and_both_from_what_is_no_answer() {
    assert_eq!(is_serving(&[0, 0, 0, 0, 2, 8, 1]), Ok(true));
    assert_eq!(is_serving(&[0, 0, 0, 0, 2, 8, 2]), Ok(false));
    assert_eq!(is_serving(&[0, 0, 0, 0, 0]), Ok(false), "UNKNOWN is not said");
    assert_eq!(is_serving(&[0, 0, 0, 0, 5, 0x12, 1, b'x', 8, 1]), Ok(true), "beside what nobody knows");
    assert_eq!(is_serving(&[]), Err(HealthError::Short(0)));
    assert_eq!(is_serving(&[0, 0, 0, 0, 3, 8, 1]), Err(HealthError::Short(7)));
    assert_eq!(is_serving(&[1, 0, 0, 0, 2, 8, 1]), Err(HealthError::Compressed));
    assert!(matches!(is_serving(&[0, 0, 0, 0, 1, 8]), Err(HealthError::Message(_))));
}

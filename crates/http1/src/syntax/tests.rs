use super::*;
use proptest::prelude::*;

#[test]
fn two_bytes_are_the_same_letter_or_one_byte_wherever_they_stand_in_a_name() {
    for (one, other) in (0..=255_u8).flat_map(|one| (0..=255_u8).map(move |other| (one, other))) {
        for (len, place) in [(3, 1), (4, 0), (6, 4), (8, 7), (11, 2), (11, 9)] {
            let (mut name, mut another) = (vec![b'z'; len], vec![b'Z'; len]);
            (name[place], another[place]) = (one, other);
            assert_eq!(
                is_same_name(&name, &another),
                one.eq_ignore_ascii_case(&other),
                "{name:?}, {another:?}"
            );
        }
    }
}

/// Names that differ in little, of every length that is looked at in another way.
fn pairs() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let bytes = prop::collection::vec(
        prop_oneof![any::<u8>(), prop::sample::select(b"aAzZ@[`{^~-_".to_vec())],
        0..30,
    );
    (bytes, any::<u32>(), any::<prop::sample::Index>(), any::<Option<u8>>()).prop_map(
        |(one, cases, place, another)| {
            let mut other = one.clone();
            let turned = other.iter_mut().enumerate().filter(|(nth, _)| cases >> (nth % 32) & 1 == 1);
            turned.for_each(|(_, byte)| *byte ^= if byte.is_ascii_alphabetic() { 0x20 } else { 0 });
            if let (Some(another), false) = (another, other.is_empty()) {
                let place = place.index(other.len());
                other[place] = another;
            }
            (one, other)
        },
    )
}

proptest! {
    #[test]
    fn names_are_the_same_but_for_case((one, other) in pairs(), cut in 0..30_usize) {
        prop_assert_eq!(is_same_name(&one, &other), one.eq_ignore_ascii_case(&other));
        let cut = &other[..cut.min(other.len())];
        prop_assert_eq!(is_same_name(&one, cut), one.eq_ignore_ascii_case(cut));
    }
}

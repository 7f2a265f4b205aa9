use super::*;
use proptest::prelude::*;

#[test]
fn each_byte_says_by_itself_whether_it_is_a_letter() {
    for byte in 0..=255_u8 {
        for place in 0..8 {
            let mut word = [0xff; 8];
            word[place] = byte;
            let mut cases = [0; 8];
            cases[place] = if byte.is_ascii_alphabetic() { 0x20 } else { 0 };
            let found = case_of_letters(u64::from_ne_bytes(word)).to_ne_bytes();
            assert_eq!(found, cases, "{byte:#x} at {place}");
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

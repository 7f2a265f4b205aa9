use proptest::prelude::*;

use super::*;

fn index(keys: &[(Part, &str)], fold_case: bool) -> Affixes<usize> {
    let mut index = Affixes::new(fold_case);
    for (number, (part, key)) in keys.iter().enumerate() {
        *index.entry(*part, key.as_bytes()) = number;
    }
    index
}

fn met(index: &Affixes<usize>, text: &str) -> Vec<usize> {
    let mut all = Vec::new();
    index.each(text.as_bytes(), |_, number| all.push(*number));
    all.sort_unstable();
    all
}

#[test]
fn a_text_meets_every_key_that_it_is_begins_or_ends_with() {
    let keys = [
        (Part::Whole, "/a/b"),
        (Part::Prefix, "/"),
        (Part::Prefix, "/a"),
        (Part::Prefix, "/b"),
        (Part::Suffix, "/b"),
        (Part::Suffix, ""),
        (Part::Whole, "/a"),
    ];
    let index = index(&keys, false);
    assert_eq!(met(&index, "/a/b"), [0, 1, 2, 4, 5]);
    assert_eq!(met(&index, "/A/b"), [1, 4, 5]);
    assert_eq!(met(&index, ""), [5]);
}

#[test]
fn the_longest_suffix_wins_and_never_is_the_whole_text() {
    let index = index(&[(Part::Suffix, ".example"), (Part::Suffix, ".b.example")], true);
    assert_eq!(index.longest_suffix(b"a.B.EXAMPLE"), Some(&1));
    assert_eq!(index.longest_suffix(b"a.example"), Some(&0));
    assert_eq!(index.longest_suffix(b".b.example"), Some(&0));
    assert_eq!(index.longest_suffix(b".example"), None);
}

proptest! {
    #[test]
    fn it_agrees_with_asking_every_key(
        keys in prop::collection::vec((0u8..3, "[ab/]{0,4}"), 0..12),
        text in "[abAB/]{0,8}",
        fold_case: bool,
    ) {
        let keys: Vec<(Part, String)> = keys
            .into_iter()
            .map(|(part, key)| ([Part::Whole, Part::Prefix, Part::Suffix][usize::from(part)], key))
            .collect();
        let mut last = std::collections::HashMap::new();
        for (number, key) in keys.iter().enumerate() {
            last.insert(key.clone(), number);
        }
        let plain: Vec<(Part, &str)> = keys.iter().map(|(part, key)| (*part, key.as_str())).collect();
        let index = index(&plain, fold_case);
        let folded = if fold_case { text.to_ascii_lowercase() } else { text.clone() };
        let mut expected: Vec<usize> = last
            .iter()
            .filter(|((part, key), _)| match part {
                Part::Whole => folded == *key,
                Part::Prefix => folded.starts_with(key),
                Part::Suffix => folded.ends_with(key),
            })
            .map(|(_, number)| *number)
            .collect();
        expected.sort_unstable();
        prop_assert_eq!(met(&index, &text), expected);
    }
}

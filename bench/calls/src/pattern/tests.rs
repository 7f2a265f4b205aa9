use super::*;

#[test]
fn the_pattern_is_known_again_in_parts_of_any_length() {
    let all = whole(3 * PIECE + 5);
    for length in [1, 61, 4096, PIECE, PIECE + 1] {
        let mut compared = Compared::new();
        all.chunks(length).for_each(|part| compared.next(part));
        assert_eq!(compared.seen(), Some(all.len() as u64), "{length}");
    }
}

#[test]
fn what_is_moved_or_changed_is_seen() {
    let all = whole(64 * 1024);
    for wrong in [&all[1..], &all[16 * 1024..], b"x"] {
        let mut compared = Compared::new();
        compared.next(wrong);
        assert_eq!(compared.seen(), None);
    }
}

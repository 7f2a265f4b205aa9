use std::collections::HashSet;

use super::*;

#[test]
fn a_name_keeps_its_number_and_no_other_has_it() {
    let mut names = Names::default();
    let (a, b) = (names.cluster("a"), names.cluster("b"));
    assert_ne!(a.id, b.id);
    assert_eq!(names.cluster("a"), a);
    assert_eq!(names.known_cluster("b"), Some(b.id));
    assert_eq!(names.known_cluster("c"), None);
}

#[test]
fn names_that_come_and_go_for_days_take_no_more_numbers_than_are_in_use() {
    let mut names = Names::default();
    let (kept, route) = (names.cluster("kept"), names.route("kept"));
    let mut held = std::collections::VecDeque::new();
    for n in 0..200_000 {
        held.push_back(names.cluster(&format!("c{n}")));
        let routes = names.route(&format!("r{n}"));
        assert!(routes.id.0 <= 2 * FEW as u32, "{routes:?}");
        if held.len() > 1000 {
            held.pop_front();
        }
    }
    let numbers: HashSet<u32> = held.iter().chain([&kept]).map(|of| of.id.0).collect();
    assert_eq!(numbers.len(), held.len() + 1, "what is held has a number of its own");
    let most = numbers.iter().max().unwrap();
    assert!(*most <= 4 * FEW as u32, "{most} numbers for 1000 names at a time");
    assert_eq!((names.cluster("kept"), names.route("kept")), (kept, route));
    assert!(names.clusters.numbers.len() <= 4 * FEW);
}

#[test]
fn as_long_as_anybody_holds_a_name_its_number_is_not_anothers() {
    let mut names = Names::default();
    let of_before = names.cluster("gone");
    for n in 0..10_000 {
        assert_ne!(names.cluster(&format!("c{n}")).id, of_before.id);
    }
}

use super::Shelf;

#[test]
fn what_was_put_there_last_is_taken_first() {
    let mut shelf = Shelf::new(4);
    shelf.give(1);
    shelf.give(2);
    assert_eq!((shelf.take(), shelf.take(), shelf.take()), (Some(2), Some(1), None));
}

#[test]
fn what_does_not_fit_is_handed_back() {
    let mut shelf = Shelf::new(1);
    assert_eq!((shelf.give(1), shelf.give(2)), (None, Some(2)));
}

#[test]
fn what_nobody_asks_for_is_taken_off_and_what_is_used_stays() {
    let mut shelf = Shelf::new(8);
    for thing in 0..4 {
        shelf.give(thing);
    }
    assert_eq!(shelf.tidy(), [0; 0], "they have only just been put there");
    // One at a time is used again and again.
    for _ in 0..3 {
        let thing = shelf.take().unwrap();
        shelf.give(thing);
    }
    assert_eq!(shelf.tidy(), [0, 1, 2]);
    assert_eq!(shelf.tidy(), [3], "now nobody has asked for that either");
}

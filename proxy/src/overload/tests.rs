use super::*;

#[test]
fn work_is_refused_with_words_as_long_as_there_is_too_little() {
    let overload = Overload::new(u64::MAX);
    assert_eq!(overload.refusal(), None);
    overload.set_limit(1);
    assert!(overload.resident().is_none() || overload.refusal().unwrap().contains("takes no new work"));
    overload.set_limit(u64::MAX);
    assert_eq!(overload.refusal(), None);
}

/// After how many more pieces of work it looks.
fn next_look(overload: &Overload) -> u32 {
    let mut since = 0;
    (1..)
        .find(|_| {
            overload.count(&mut since, overload.began);
            since == 0
        })
        .unwrap()
}

#[test]
fn a_worker_looks_by_itself_after_so_much_work_as_there_is_room_for() {
    let overload = Overload::new(u64::MAX);
    let Some(used) = overload.resident() else { return };
    assert_eq!(next_look(&overload), 1, "the first piece of work looks");
    // Room for some eight pieces; nobody was told.
    overload.limit.store((used + 8 * ceiling::MOST) / ceiling::CLOSE_AT * 100, Ordering::Relaxed);
    assert_eq!(next_look(&overload), ceiling::SELDOM, "as it was found before");
    let next = next_look(&overload);
    assert!((1..=8).contains(&next), "the next look came after {next}");
    overload.limit.store(used / 2, Ordering::Relaxed);
    assert_eq!(overload.refusal(), None, "nobody has looked yet");
    assert!(next_look(&overload) <= 8);
    assert!(overload.refusal().is_some_and(|why| why.contains("takes no new work")));
}
